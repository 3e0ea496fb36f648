// A PostgreSQL that one test may kill, freeze and start again; its writes survive that, unlike those of the throwaway one.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.ts'
import { readPostmaster } from '../../src/database/embedded-server.ts'
import { createMigrator } from '../../src/database/migrator.ts'
import { databaseParent } from './postgres.ts'

export interface OwnPostgres {
  url: string
  /** As a power cut for the server: nobody is told, nothing is tidied up. */
  kill(): Promise<void>
  /** Resolves when it takes connections again, on the same port. */
  start(): Promise<void>
  /** Every process stands still, with all connections open. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const dataDir = mkdtempSync(join(databaseParent(), 'gatehouse-own-'))
  chmodSync(dataDir, 0o711)
  const cluster = join(dataDir, 'postgres')
  const first = await startEmbeddedPostgres({ dataDir })
  await createMigrator({ url: first.url }).up()
  const uses = [first]
  const signal = (name: NodeJS.Signals) => {
    const postmaster = postmasterOf(cluster)
    for (const pid of [...childrenOf(postmaster), postmaster]) process.kill(pid, name)
  }
  return {
    url: first.url,
    kill: async () => {
      const pid = postmasterOf(cluster)
      // `immediate`, in the words of pg_ctl.
      process.kill(pid, 'SIGQUIT')
      while (await canConnect(first.url)) await sleep(5)
    },
    start: async () => {
      uses.push(await startEmbeddedPostgres({ dataDir }))
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    stop: async () => {
      for (const use of uses) await use.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

function postmasterOf(cluster: string): number {
  const pid = readPostmaster(cluster)?.pid
  if (!pid) throw new Error(`No PostgreSQL runs on ${cluster}.`)
  return pid
}

function childrenOf(parent: number): number[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([pid, ppid]) => (ppid === parent && pid ? [pid] : []))
}

export async function canConnect(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 500 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}
