// What a start says, and what a first start makes: the administrator or the link for one, and a client to try things with.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { firstAdministrator } from '../server/app.ts'
import type { Server } from '../server/server.ts'

export interface FirstStartParts {
  config: Config
  server: Server
  write(text: string): void
}

interface DevelopmentClient {
  client_id: string
  client_secret: string
}

const developmentApi = {
  audience: 'urn:gatehouse:development-api',
  name: 'Development API',
  scopes: [{ scope: 'things:read', description: 'Read things' }],
}

export async function prepareFirstStart({ config, server, write }: FirstStartParts): Promise<void> {
  const administrator = firstAdministrator({ config }, server.stores, server.node)
  if (config.bootstrapAdministrator) {
    const made = await administrator.bootstrap(config.bootstrapAdministrator)
    if (made && !made.ok) {
      const { say } = server.node.translations.english
      throw new Error(`GATEHOUSE_BOOTSTRAP_ADMIN_…: ${made.reason ?? made.problems.map(say).join(' ')}`)
    }
  }
  const link = await administrator.link()
  const client = config.production ? undefined : await developmentClient(config, server)
  write(words(config, link, client))
}

function words({ issuer, mail }: Config, link: string | undefined, client: DevelopmentClient | undefined): string {
  const rows: [string, string | undefined][] = [
    ['Issuer', issuer],
    ['Your account', `${issuer}/account`],
    ['Discovery', `${issuer}/.well-known/openid-configuration`],
    ['JWKS', `${issuer}/jwks`],
    ['Admin API', `${issuer}/admin/api/openapi.json`],
    ['Mailbox', mail.server ? undefined : `${issuer}/dev/mailbox`],
    ['First administrator', link && `${link}  (works once, for an hour)`],
    ['Development client', client && `${client.client_id}  (secret in the curl below)`],
  ]
  const table = rows.flatMap(([name, value]) => (value ? [`  ${name.padEnd(20)} ${value}`] : []))
  const curl = client
    ? [
        '',
        '  A token by client credentials:',
        `  curl -s ${issuer}/token -u '${client.client_id}:${client.client_secret}' -d grant_type=client_credentials`,
      ]
    : []
  return ['', '  Gatehouse is running', '', ...table, ...curl, '', ''].join('\n')
}

/** Its secret is needed again for the next start's words, so it stands in the data folder; in development only. */
async function developmentClient({ dataDir }: Config, { node, stores }: Server): Promise<DevelopmentClient> {
  const file = join(dataDir, 'development-client.json')
  const known = readClient(file)
  if (known && (await stores.clients.find(known.client_id))) return known
  await node.registrations.apis.create(developmentApi)
  const made = await node.registrations.clients.create({
    kind: 'machine',
    name: 'Development client',
    apis: { [developmentApi.audience]: ['things:read'] },
  })
  if (!made.ok || !made.clientSecret) throw new Error('The development client could not be made.')
  const client = { client_id: made.client.clientId, client_secret: made.clientSecret }
  mkdirSync(dataDir, { recursive: true })
  writeFileSync(file, `${JSON.stringify(client, null, 2)}\n`, { mode: 0o600 })
  return client
}

function readClient(file: string): DevelopmentClient | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as DevelopmentClient
  } catch {
    return undefined
  }
}
