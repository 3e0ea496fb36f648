// One PostgreSQL for a test run: a throwaway in a fresh folder, or the one that TEST_DATABASE_URL names.
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.ts'
import { isAlive } from '../../src/database/embedded-process.ts'
import { readPostmaster, stopServer } from '../../src/database/embedded-server.ts'

export interface TestPostgres {
  url: string
  stop(): Promise<void>
}

const prefix = 'gatehouse-test-'

export async function startTestPostgres(): Promise<TestPostgres> {
  const given = process.env.TEST_DATABASE_URL
  if (given) return { url: given, stop: async () => undefined }
  const parent = databaseParent()
  await removeAbandoned(parent)
  const dataDir = mkdtempSync(join(parent, `${prefix}${process.pid}-`))
  // Started by root it runs as nobody, who passes through here to its own folder.
  chmodSync(dataDir, 0o711)
  const remove = () => rmSync(dataDir, { recursive: true, force: true })
  try {
    const { url, stop } = await startEmbeddedPostgres({ dataDir, throwaway: true })
    return { url, stop: () => stop().then(remove) }
  } catch (error) {
    remove()
    throw error
  }
}

/** Memory halves the time to make a database; a container often has too little of it (64 MB). */
export function databaseParent(): string {
  const memory = '/dev/shm'
  if (!existsSync(memory)) return tmpdir()
  const { bavail, bsize } = statfsSync(memory)
  return bavail * bsize > 2 * 1024 ** 3 ? memory : tmpdir()
}

/** A test run of ours that was killed leaves its folder, and a server that nobody would ever adopt. */
async function removeAbandoned(parent: string): Promise<void> {
  for (const name of readdirSync(parent)) {
    const folder = join(parent, name)
    const pid = Number.parseInt(name.slice(prefix.length), 10)
    if (!name.startsWith(prefix) || Number.isNaN(pid) || isAlive(pid)) continue
    if (statSync(folder, { throwIfNoEntry: false })?.uid !== process.getuid?.()) continue
    const cluster = join(folder, 'postgres')
    const server = readPostmaster(cluster)
    if (server) await stopServer(server.pid, cluster)
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}
