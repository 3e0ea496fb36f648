// `npm run bench`: requests a second, times, memory and cold start, against oidc-provider alone in the same minute on the same machine.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createMigrator } from '../src/database/migrator.ts'
import { type Cluster, startCluster } from '../test/support/cluster.ts'
import { basic, createHttpClient, type HttpClient, jsonOf, type Request } from '../test/support/http-client.ts'
import { mintRefreshToken } from '../test/support/minted-tokens.ts'
import { startTestPostgres } from '../test/support/postgres.ts'
import { quantile } from '../test/support/race-harness.ts'
import { freePort, testSealingKey } from '../test/support/test-server.ts'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '1.5' },
    rounds: { type: 'string', default: '2' },
    parallel: { type: 'string', default: '16' },
  },
})
const seconds = Number(options.seconds)
const rounds = Number(options.rounds)
const parallel = Number(options.parallel)
const root = join(import.meta.dirname, '..')

interface Contestant {
  name: string
  pid: number
  client: HttpClient
  /** The request of one of the parallel callers; it may learn from the answer to its last one. */
  workloads: Record<string, (caller: number) => { request(): Request; learn?(answer: string): void }>
}

interface Measured {
  perSecond: number
  p50: number
  p99: number
}

const form =
  (headers: Record<string, string>, fields: Record<string, string>, path = '/token') =>
  () => ({
    request: () => ({ path, headers, form: fields }),
  })

const rotating = (headers: Record<string, string>, tokens: string[]) => (caller: number) => ({
  request: () => ({
    path: '/token',
    headers,
    form: { grant_type: 'refresh_token', refresh_token: tokens[caller] ?? '' },
  }),
  learn: (answer: string) => {
    tokens[caller] = (JSON.parse(answer) as { refresh_token: string }).refresh_token
  },
})

const discovery = () => ({ request: () => ({ path: '/.well-known/openid-configuration' }) })
const machine = (resource: string) => ({ grant_type: 'client_credentials', resource, scope: 'things:read' })

async function gatehouse(cluster: Cluster): Promise<Contestant> {
  const { office, nodes } = cluster
  const [node] = nodes
  if (!node) throw new Error('no server')
  // It writes its log, one line a request; nobody here reads it.
  node.child.stdout?.removeAllListeners('data').resume()
  const jwt = await office.makeApi({ tokenTtl: 86_400 })
  const opaque = await office.makeApi({ tokenFormat: 'opaque', tokenTtl: 86_400 })
  const caller = await office.makeClient({
    kind: 'machine',
    apis: { [jwt]: ['things:read'], [opaque]: ['things:read'] },
  })
  const redirectUri = 'https://app.example.com/callback'
  const app = { redirectUri, ...(await office.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
  const person = await office.makeAccount()
  const tokens = await Promise.all(Array.from({ length: parallel }, () => mintRefreshToken(office, app, person)))
  const headers = basic(caller)
  const issued = await node.client.send({ path: '/token', headers, form: machine(opaque) })
  return {
    name: 'Gatehouse',
    pid: node.child.pid as number,
    client: node.client,
    workloads: {
      'client credentials, JWT (ES256)': form(headers, machine(jwt)),
      'client credentials, opaque': form(headers, machine(opaque)),
      'introspection, opaque': form(headers, { token: String(jsonOf(issued).access_token) }, '/introspect'),
      'refresh with rotation and ID token (RS256)': rotating(basic(app), tokens),
      discovery,
    },
  }
}

/** The engine's notices come first. */
async function startLine({ stdout }: ChildProcess): Promise<string> {
  for await (const line of createInterface(stdout as NodeJS.ReadableStream)) if (line.startsWith('{')) return line
  throw new Error('oidc-provider did not start')
}

async function bare(child: ChildProcess, issuer: string): Promise<Contestant> {
  const started = await startLine(child)
  const { port, secret, refreshTokens } = JSON.parse(started) as {
    port: number
    secret: string
    refreshTokens: string[]
  }
  const client = createHttpClient({ port, host: new URL(issuer).host })
  const headers = basic({ clientId: 'bench', clientSecret: secret })
  const issued = await client.send({ path: '/token', headers, form: machine('urn:opaque') })
  return {
    name: 'oidc-provider in memory',
    pid: child.pid as number,
    client,
    workloads: {
      'client credentials, JWT (ES256)': form(headers, machine('urn:jwt')),
      'client credentials, opaque': form(headers, machine('urn:opaque')),
      'introspection, opaque': form(headers, { token: String(jsonOf(issued).access_token) }, '/token/introspection'),
      'refresh with rotation and ID token (RS256)': rotating(headers, refreshTokens),
      discovery,
    },
  }
}

async function run({ client, workloads }: Contestant, workload: string, limit: number): Promise<Measured> {
  const times: number[] = []
  const make = workloads[workload]
  if (!make) throw new Error(`no workload ${workload}`)
  const began = performance.now()
  const callers = Array.from({ length: parallel }, async (_, index) => {
    const caller = make(index)
    while (performance.now() - began < limit * 1000) {
      const answer = await client.send(caller.request())
      if (answer.status !== 200) throw new Error(`${workload}: ${answer.status} ${answer.text}`)
      caller.learn?.(answer.text)
      times.push(answer.milliseconds)
    }
  })
  await Promise.all(callers)
  const elapsed = (performance.now() - began) / 1000
  return { perSecond: times.length / elapsed, p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
}

const average = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
const table = (rows: string[][]) =>
  rows
    .map((row, index) => `| ${row.join(' | ')} |${index === 0 ? `\n|${row.map(() => '---|').join('')}` : ''}`)
    .join('\n')
const write = (text: string) => process.stdout.write(`${text}\n`)

/** Megabytes; elsewhere than on Linux nobody tells. */
function residentMemory(pid: number): string {
  try {
    return `${Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024)} MB`
  } catch {
    return 'unknown'
  }
}

async function throughput(contestants: Contestant[]): Promise<void> {
  const [own, other] = contestants as [Contestant, Contestant]
  const rows = [['workload', 'server', 'requests/s', 'p50 ms', 'p99 ms', 'of oidc-provider in memory']]
  for (const workload of Object.keys(own.workloads)) {
    const results = new Map(contestants.map((contestant) => [contestant, [] as Measured[]]))
    for (const contestant of contestants) await run(contestant, workload, 0.4)
    for (let round = 0; round < rounds; round += 1) {
      // Whoever was first is second in the next round.
      for (const contestant of round % 2 ? contestants.toReversed() : contestants)
        results.get(contestant)?.push(await run(contestant, workload, seconds))
    }
    const rate = (contestant: Contestant) => average((results.get(contestant) ?? []).map(({ perSecond }) => perSecond))
    for (const contestant of contestants) {
      const measured = results.get(contestant) ?? []
      const [p50, p99] = [measured.map((each) => each.p50), measured.map((each) => each.p99)].map(average)
      const ratio = contestant === own ? `${Math.round((rate(own) / rate(other)) * 100)} %` : ''
      rows.push([
        workload,
        contestant.name,
        rate(contestant).toFixed(0),
        (p50 ?? 0).toFixed(1),
        (p99 ?? 0).toFixed(1),
        ratio,
      ])
    }
  }
  write(table(rows))
}

/** Seconds from the start of the process to its first token. */
async function coldStart(env: Record<string, string>, client: () => { clientId: string; clientSecret: string }) {
  const port = await freePort()
  const began = performance.now()
  const child = spawn(process.execPath, [join(root, 'bin/gatehouse.js'), 'serve'], {
    stdio: 'ignore',
    env: { PATH: process.env.PATH, PORT: String(port), GATEHOUSE_WORKERS: '1', ...env },
  })
  const host = env.GATEHOUSE_ISSUER ? new URL(env.GATEHOUSE_ISSUER).host : `localhost:${port}`
  const http = createHttpClient({ port, host })
  try {
    for (;;) {
      try {
        const form = { grant_type: 'client_credentials' }
        const answer = await http.send({ path: '/token', headers: basic(client()), form })
        if (answer.status === 200) break
      } catch {
        // Not yet.
      }
      if (performance.now() - began > 60_000) throw new Error('no token within a minute')
      await sleep(5)
    }
    return { seconds: (performance.now() - began) / 1000, memory: residentMemory(child.pid as number) }
  } finally {
    http.close()
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
}

async function firstStartEver() {
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
  try {
    return await coldStart({ GATEHOUSE_DATA_DIR: dataDir }, () => {
      const text = readFileSync(join(dataDir, 'development-client.json'), 'utf8')
      const made = JSON.parse(text) as { client_id: string; client_secret: string }
      return { clientId: made.client_id, clientSecret: made.client_secret }
    })
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

const postgres = await startTestPostgres()
await createMigrator({ url: postgres.url }).up()
const cluster = await startCluster({ url: postgres.url, nodes: 1 })
const { issuer, office } = cluster
const child = spawn(process.execPath, [join(import.meta.dirname, 'bare-provider.ts')], {
  stdio: ['ignore', 'pipe', 'ignore'],
  env: { PATH: process.env.PATH, NODE_ENV: 'production', BENCH_ISSUER: issuer },
})
try {
  const contestants = [await gatehouse(cluster), await bare(child, issuer)]
  const idle = contestants.map(({ pid }) => residentMemory(pid))
  write(
    `${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${cpus().length} x ${cpus()[0]?.model}, `,
  )
  write(
    `${Math.round(totalmem() / 2 ** 30)} GB; ${parallel} callers, ${rounds} rounds of ${seconds} s, one process each.\n`,
  )
  await throughput(contestants)
  write('')
  const memory = contestants.map(({ name, pid }, index) => [name, idle[index] ?? '', residentMemory(pid)])
  write(table([['resident memory', 'before', 'after the load'], ...memory]))
  const audience = await office.makeApi()
  const machine = await office.makeClient({ kind: 'machine', apis: { [audience]: ['things:read'] } })
  const production = await coldStart(
    {
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      DATABASE_URL: postgres.url,
      GATEHOUSE_ISSUER: issuer,
      GATEHOUSE_INSECURE_HTTP: 'true',
      GATEHOUSE_SEALING_KEY: testSealingKey,
      GATEHOUSE_SMTP_URL: 'smtp://127.0.0.1:9',
      GATEHOUSE_COOKIE_KEYS: 'a key of thirty-two characters or more for cookies',
    },
    () => machine,
  )
  const first = await firstStartEver()
  write('')
  write(
    table([
      ['cold start, to the first token', 'seconds', 'resident memory then'],
      ['production, on a database that is there', production.seconds.toFixed(2), production.memory],
      ['first start ever, with an embedded PostgreSQL to be made', first.seconds.toFixed(2), first.memory],
    ]),
  )
} finally {
  child.kill('SIGTERM')
  await cluster.stop()
  await postgres.stop()
}
