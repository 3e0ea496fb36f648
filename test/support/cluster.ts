// Several real server processes on one database behind one address, as a deployment has them; any of them can be reached alone, or killed.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, connect as tcpConnect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freshDatabase } from './fresh-database.ts'
import { createHttpClient, type HttpClient } from './http-client.ts'
import { startTestServer, type TestServer, testSealingKey } from './test-server.ts'

export interface NodeProcess {
  port: number
  child: ChildProcess
  client: HttpClient
  /** Every line that it has logged. */
  logged: string[]
  isAlive(): boolean
  /** Resolves with the exit code, or with the signal that ended it. */
  exited: Promise<number | string>
}

export interface Cluster {
  /** Reaches the processes in turn. */
  issuer: string
  url: string
  /** One more node, in this process: makes clients and accounts, and can be asked for its parts. */
  office: TestServer
  nodes: NodeProcess[]
  addNode(env?: Record<string, string>): Promise<NodeProcess>
  stop(): Promise<void>
}

export interface ClusterOptions {
  nodes?: number
  /** `naive`: the storage that must be caught. */
  storage?: 'real' | 'naive'
  env?: Record<string, string>
  /** A migrated database; without it a fresh one. */
  url?: string
}

const root = join(import.meta.dirname, '../..')

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { nodes: count = 2, storage = 'real' } = options
  const database = options.url === undefined ? await freshDatabase() : undefined
  const url = options.url ?? (database?.url as string)
  const nodes: NodeProcess[] = []
  const balancer = await startBalancer(nodes)
  const { issuer } = balancer
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-nodes-'))
  const env = {
    GATEHOUSE_COOKIE_KEYS: 'a key of thirty-two characters or more for cookies',
    GATEHOUSE_REGISTRATION: 'token',
    GATEHOUSE_AUTHORIZE_LIMIT: '1000000',
    ...options.env,
  }
  // `beside` takes the database and the issuer of another server, which is all that it asks of it.
  const office = await startTestServer({ beside: { url, issuer } as TestServer, env })
  const addNode = async (more: Record<string, string> = {}) => {
    const node = await startNode(storage, issuer, { ...env, DATABASE_URL: url, GATEHOUSE_DATA_DIR: dataDir, ...more })
    nodes.push(node)
    return node
  }
  await Promise.all(Array.from({ length: count }, () => addNode()))
  return {
    issuer,
    url,
    office,
    nodes,
    addNode,
    stop: async () => {
      for (const { child, client } of nodes) {
        client.close()
        child.kill('SIGKILL')
      }
      await Promise.all(nodes.map(({ exited }) => exited))
      balancer.stop()
      await office.stop()
      await database?.drop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

async function startNode(storage: string, issuer: string, env: Record<string, string>): Promise<NodeProcess> {
  const program =
    storage === 'naive' ? [join(import.meta.dirname, 'naive-server.ts')] : [join(root, 'bin/gatehouse.js'), 'serve']
  const child = spawn(process.execPath, program, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: '0',
      GATEHOUSE_WORKERS: '1',
      GATEHOUSE_INSECURE_HTTP: 'true',
      GATEHOUSE_ISSUER: issuer,
      GATEHOUSE_SEALING_KEY: testSealingKey,
      GATEHOUSE_SMTP_URL: 'smtp://127.0.0.1:9',
      ...env,
    },
  })
  const exited = new Promise<number | string>((resolve) => {
    child.on('exit', (code, signal) => resolve(code ?? signal ?? 'gone'))
  })
  const logged: string[] = []
  const ready = new Promise<number>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      logged.push(line)
      if (line.includes('"msg":"ready"')) resolve((JSON.parse(line) as { address: AddressInfo }).address.port)
    })
    createInterface(child.stderr).on('line', (line) => logged.push(line))
    exited.then((code) => reject(new Error(`the server ended with ${code}: ${logged.slice(-20).join('\n')}`)))
  })
  const port = await ready
  return {
    port,
    child,
    logged,
    exited,
    client: createHttpClient({ port, host: new URL(issuer).host }),
    isAlive: () => child.exitCode === null && child.signalCode === null,
  }
}

/** Connection by connection, in turn, to the processes that live. */
async function startBalancer(nodes: NodeProcess[]): Promise<{ issuer: string; stop(): void }> {
  let turn = 0
  const server = createServer((incoming) => {
    const alive = nodes.filter((node) => node.isAlive())
    const node = alive[turn++ % alive.length]
    if (!node) return incoming.destroy()
    const outgoing = tcpConnect(node.port, '127.0.0.1')
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
    return undefined
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { issuer: `http://localhost:${port}`, stop: () => void server.close() }
}
