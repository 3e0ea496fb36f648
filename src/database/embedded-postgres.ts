// Gives a process the embedded PostgreSQL of its data folder: adopts the one that runs, or starts it.
import { rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { clusterVersion, ensureCluster } from './embedded-cluster.ts'
import {
  type DataFolder,
  findCluster,
  openDataFolder,
  readRecord,
  type ServerRecord,
  writeRecord,
} from './embedded-folder.ts'
import { EmbeddedPostgresError } from './embedded-process.ts'
import { findServer, launch, logFile, readPostmaster, recordOf, stopServer } from './embedded-server.ts'
import { joinUsers } from './embedded-users.ts'
import { type BinaryCandidate, findBinaries, type PostgresBinaries } from './postgres-binaries.ts'

export interface EmbeddedPostgresOptions {
  dataDir: string
  /** Trades safety against a power cut for speed, and removes the data once the server has stopped. */
  throwaway?: boolean
  log?: (message: string) => void
  /** Where root keeps what an unprivileged PostgreSQL could not reach otherwise. */
  sharedDir?: string
  /** Instead of looking for a PostgreSQL. */
  candidates?: BinaryCandidate[]
}

export interface EmbeddedPostgres {
  url: string
  /** False: it was running already. */
  started: boolean
  /** Ends this process's use. The server stops when no other living process uses it. */
  stop(): Promise<void>
}

interface Start extends Required<Pick<EmbeddedPostgresOptions, 'throwaway' | 'log' | 'sharedDir'>> {
  folder: DataFolder
  candidates: BinaryCandidate[] | undefined
}

const attempts = 50

export async function startEmbeddedPostgres({
  dataDir,
  throwaway = false,
  log = () => undefined,
  sharedDir = '/var/lib/gatehouse',
  candidates,
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const folder = openDataFolder(dataDir, sharedDir)
  const user = await joinUsers(join(folder.path, 'postgres-users'), folder.owner)
  const leave = (pid?: number) => user.leave(() => stopLast(folder, throwaway, pid))
  try {
    const { record, started } = await adoptOrStart({ folder, throwaway, log, sharedDir, candidates })
    let stopped: Promise<void> | undefined
    return {
      url: record.url,
      started,
      stop: () => {
        stopped ??= leave(record.pid ?? undefined)
        return stopped
      },
    }
  } catch (error) {
    // Whoever used the server beside us may have gone and left it to us. One that is not ours is not ours to stop.
    const running = await findServer(folder.cluster).catch(() => undefined)
    await user.leave(() => (running ? stopLast(folder, throwaway, undefined) : Promise.resolve()))
    throw error
  }
}

/** Address of the server of a data folder if one runs there; starts and changes nothing. */
export async function findRunningPostgres(dataDir: string): Promise<{ url: string } | undefined> {
  const cluster = findCluster(dataDir)
  const record = cluster && (await findServer(cluster))
  return record ? { url: record.url } : undefined
}

async function adoptOrStart(start: Start): Promise<{ record: ServerRecord; started: boolean }> {
  const { folder, log, sharedDir, candidates, throwaway } = start
  let binaries: PostgresBinaries | undefined
  let port = readRecord(folder.path).port
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const running = await findServer(folder.cluster)
    if (running) {
      log(`Using the embedded PostgreSQL that runs on port ${running.port} already (process ${running.pid}).`)
      writeRecord(folder, running)
      return { record: running, started: false }
    }
    const major = clusterVersion(folder.cluster)
    binaries ??= await findBinaries({ account: folder.account, sharedDir, major, log, candidates })
    await ensureCluster(folder, binaries, throwaway)
    // The port of last time, where it is free: a pool in another process then finds the server again.
    port ??= await freePort()
    const record = await startOn(port, start, binaries)
    if (record) return { record, started: true }
    port = undefined
    await sleep(100)
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL could not be started on ${folder.cluster}: ports or the folder were taken ${attempts} times. ${logFile(folder)} says by whom.`,
  )
}

async function startOn(
  port: number,
  { folder, throwaway }: Start,
  binaries: PostgresBinaries,
): Promise<ServerRecord | undefined> {
  const outcome = await launch({ folder, binaries, port, isThrowaway: throwaway })
  if (outcome !== 'ready') return undefined
  const record = await findServer(folder.cluster)
  if (record) writeRecord(folder, record)
  return record
}

async function stopLast(folder: DataFolder, throwaway: boolean, known: number | undefined): Promise<void> {
  // Where the folder was removed under the server, its file is gone but the process is not.
  const pid = readPostmaster(folder.cluster)?.pid ?? known
  if (pid !== undefined) await stopServer(pid, folder.cluster)
  const { port } = readRecord(folder.path)
  if (throwaway) rmSync(folder.cluster, { recursive: true, force: true })
  else if (pid !== undefined && port !== undefined)
    writeRecord(folder, { ...recordOf(folder.cluster, pid, port), pid: null })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
