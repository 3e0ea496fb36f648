// Boots the real server, as `npm start` composes it, on a free port and a database of its own.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Account } from '../../src/accounts/account-store.ts'
import type { ApiInput } from '../../src/apis/api-registration.ts'
import type { ClientInput } from '../../src/clients/client-registration.ts'
import { loadConfig } from '../../src/config.ts'
import { createServer, type Server } from '../../src/server/server.ts'
import { freshDatabase } from './fresh-database.ts'

export interface TestServer {
  issuer: string
  server: Server
  /** Texts of all statements since the last `statements.length = 0`. */
  statements: string[]
  /** What the server has logged, one JSON line each. */
  logged: string[]
  url: string
  makeApi(api?: Partial<ApiInput>): Promise<string>
  makeClient(client: Partial<ClientInput>): Promise<{ clientId: string; clientSecret: string }>
  makeAccount(account?: {
    email?: string
    password?: string
    roles?: string[]
  }): Promise<Account & { password: string }>
  stop(): Promise<void>
}

export interface TestServerOptions {
  /** Environment beside what every test needs. */
  env?: Record<string, string>
  /** Shares the database (and the keys) of another one: a second node. */
  beside?: TestServer
}

export const testPassword = 'a long enough passphrase'
const root = join(import.meta.dirname, '../..')

export async function startTestServer({ env = {}, beside }: TestServerOptions = {}): Promise<TestServer> {
  const database = beside ? undefined : await freshDatabase()
  const url = beside?.url ?? (database?.url as string)
  const port = await freePort()
  const issuer = beside?.issuer ?? `http://localhost:${port}`
  const config = loadConfig({
    root,
    env: {
      NODE_ENV: 'test',
      PORT: String(port),
      DATABASE_URL: url,
      GATEHOUSE_ISSUER: issuer,
      GATEHOUSE_SEALING_KEY: testSealingKey,
      GATEHOUSE_REGISTRATION: 'token',
      GATEHOUSE_AUTHORIZE_LIMIT: '100000',
      ...env,
    },
  })
  const statements: string[] = []
  const logged: string[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(line) })
  const server = createServer({ config, databaseUrl: url, log, onQuery: (text) => void statements.push(text) })
  server.http.listen(port, '127.0.0.1')
  await once(server.http, 'listening')
  await server.start()
  return {
    issuer,
    server,
    statements,
    logged,
    url,
    ...makers(server),
    stop: async () => {
      await server.stop()
      await database?.drop()
    },
  }
}

/** One for all tests: nodes that share a database share it too. */
export const testSealingKey = randomBytes(32).toString('base64url')

function makers({ node, stores }: Server): Pick<TestServer, 'makeApi' | 'makeClient' | 'makeAccount'> {
  let counter = 0
  return {
    makeApi: async (api = {}) => {
      const audience = api.audience ?? `https://api-${++counter}.example.com`
      const made = await node.registrations.apis.create({
        audience,
        name: `API ${counter}`,
        scopes: [{ scope: 'things:read', description: 'Read things' }],
        ...api,
      })
      if (!made.ok) throw new Error(JSON.stringify(made))
      stores.apiCache.clear()
      return audience
    },
    makeClient: async (client) => {
      const made = await node.registrations.clients.create({ kind: 'web', name: `Client ${++counter}`, ...client })
      if (!made.ok) throw new Error(JSON.stringify(made))
      return { clientId: made.client.clientId, clientSecret: made.clientSecret ?? '' }
    },
    makeAccount: async ({ email = `person-${++counter}@example.com`, password = testPassword, roles = [] } = {}) => {
      const made = await node.registrations.accounts.create({ email, password, roles })
      if (!made.ok) throw new Error(JSON.stringify(made))
      return { ...made.account, password }
    },
  }
}

export async function freePort(): Promise<number> {
  const probe = createTcpServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
