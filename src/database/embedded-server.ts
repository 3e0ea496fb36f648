// Starts one PostgreSQL process on a cluster, recognises a running one, and stops it.
import { type ChildProcess, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { lastLines, readPassword, superuser } from './embedded-cluster.ts'
import { type DataFolder, give, type ServerRecord } from './embedded-folder.ts'
import { asError, childOptions, EmbeddedPostgresError, isAlive, isPostmaster } from './embedded-process.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'

const startLimit = 60_000
const fullLog = 5 * 1024 * 1024
const database = 'gatehouse'

export interface Launch {
  folder: DataFolder
  binaries: PostgresBinaries
  port: number
  isThrowaway: boolean
}

export const logFile = ({ path }: Pick<DataFolder, 'path'>) => join(path, 'postgres.log')

/** What PostgreSQL itself wrote down about the process on this cluster; it may be long gone. */
export function readPostmaster(cluster: string): { pid: number; port: number; status: string } | undefined {
  try {
    const lines = fs.readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), port: Number(lines[3]), status: lines[7]?.trim() ?? '' }
  } catch {
    return undefined
  }
}

export function recordOf(cluster: string, pid: number, port: number): ServerRecord {
  const password = readPassword(cluster)
  const url = `postgres://${superuser}:${password}@127.0.0.1:${port}/${database}`
  return { pid, port, user: superuser, password, database, url }
}

/** The server that runs on this cluster, once it is ready; it is waited for while it starts or stops. */
export async function findServer(cluster: string): Promise<ServerRecord | undefined> {
  for (const since = Date.now(); ; await sleep(20)) {
    const postmaster = readPostmaster(cluster)
    if (!postmaster || !isPostmaster(postmaster.pid, cluster)) return undefined
    if (postmaster.status !== 'ready') {
      if (Date.now() - since < startLimit) continue
      throw new EmbeddedPostgresError(
        `A PostgreSQL (process ${postmaster.pid}) on ${cluster} says "${postmaster.status}" for a minute: stop it with kill -INT ${postmaster.pid}.`,
      )
    }
    const record = recordOf(cluster, postmaster.pid, postmaster.port)
    const refusal = await openDatabase(record, cluster)
    if (refusal === undefined) return record
    if (Date.now() - since > startLimit / 4) throw unrecognised(record, cluster, refusal)
  }
}

const unrecognised = ({ pid, port }: ServerRecord, cluster: string, reason: string) =>
  new EmbeddedPostgresError(
    `A PostgreSQL (process ${pid}, port ${port}) runs on ${cluster}, but is not the one this folder describes (${reason}): stop it with kill -INT ${pid}, or name another folder with GATEHOUSE_DATA_DIR.`,
  )

/** Says why not, where the server does not let us in; makes the database where it is missing. */
async function openDatabase(record: ServerRecord, cluster: string): Promise<string | undefined> {
  try {
    const [row] = await ask(record.url, `select current_setting('data_directory') as folder`)
    if (resolve(String(row?.folder)) !== cluster) throw unrecognised(record, cluster, `it serves ${row?.folder}`)
    return undefined
  } catch (thrown) {
    const error = asError(thrown)
    if (error instanceof EmbeddedPostgresError) throw error
    if (error.code === '28P01' || error.code === '28000') throw unrecognised(record, cluster, 'wrong password')
    // It may be stopping just now, or have no database yet.
    return error.code === '3D000' ? makeDatabase(record) : error.message
  }
}

// Renaming the empty one that initdb made takes 2 ms, making another 400.
async function makeDatabase({ url }: ServerRecord): Promise<string> {
  const maintenance = url.replace(/\/[^/]*$/, '/template1')
  const renamed = ask(maintenance, `alter database postgres rename to ${database}`)
  const made = renamed.catch(() => ask(maintenance, `create database ${database} template template0`))
  // Where another process made it in this moment this fails, and the next try to open it tells.
  return made.then(
    () => 'it has just been made',
    (error) => asError(error).message,
  )
}

async function ask(connectionString: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** `taken`: another program has the port; `wait`: another process was quicker, or the last server is not all gone yet. */
export async function launch({ folder, binaries, port, isThrowaway }: Launch): Promise<'ready' | 'taken' | 'wait'> {
  const { cluster, account } = folder
  const { log, begin } = openLog(folder)
  const last = readPostmaster(cluster)?.pid
  const options = childOptions(binaries.postgres, account)
  // The pid in its file may be another program's by now. This is how PostgreSQL is told not to mind that one number.
  const stale = last && !isPostmaster(last, cluster) && { PG_GRANDPARENT_PID: String(last) }
  const env = { ...options.env, ...stale }
  let child: ChildProcess
  let fault: Error | undefined
  try {
    // A session of its own: Ctrl-C must not stop it before the server has drained. A file, not a pipe, as it may outlive us.
    const stdio = ['ignore', log, log] as const
    child = spawn(binaries.postgres, settings(cluster, port, isThrowaway, binaries), {
      ...options,
      env,
      stdio: [...stdio],
      detached: true,
    })
    child.on('error', (error) => {
      fault = error
    })
  } catch (error) {
    throw failure(folder, binaries, asError(error).message)
  } finally {
    fs.closeSync(log)
  }
  child.unref()
  for (const since = Date.now(); ; await sleep(10)) {
    if (fault) throw failure(folder, binaries, fault.message)
    if (child.exitCode !== null || child.signalCode !== null) break
    const postmaster = readPostmaster(cluster)
    if (postmaster?.pid === child.pid && postmaster?.status === 'ready') return 'ready'
    if (Date.now() - since < startLimit) continue
    child.kill('SIGQUIT')
    throw failure(folder, binaries, 'it was not ready after a minute', begin)
  }
  const said = readLog(folder, begin)
  if (/Address already in use/.test(said)) return 'taken'
  if (/lock file "postmaster.pid"|shared memory block .* still in use/.test(said)) return 'wait'
  throw failure(folder, binaries, `it ended with ${child.signalCode ?? child.exitCode}`, begin)
}

function settings(cluster: string, port: number, isThrowaway: boolean, { preload }: PostgresBinaries): string[] {
  const values = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 100,
    shared_buffers: '64MB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(preload.length > 0 && { shared_preload_libraries: preload.join(',') }),
    ...(isThrowaway && { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  }
  return [
    '-D',
    cluster,
    '-p',
    String(port),
    ...Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]
}

const failure = (folder: DataFolder, { postgres }: PostgresBinaries, reason: string, begin?: number) =>
  new EmbeddedPostgresError(
    [
      `${postgres} could not be started on ${folder.cluster}: ${reason}. Mend that, name another folder with GATEHOUSE_DATA_DIR, or set DATABASE_URL.`,
      ...(begin === undefined ? [] : [`The end of ${logFile(folder)}:`, lastLines(readLog(folder, begin))]),
    ].join('\n'),
  )

function openLog(folder: DataFolder): { log: number; begin: number } {
  const file = logFile(folder)
  if ((fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0) > fullLog) fs.renameSync(file, `${file}.1`)
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW = 0 } = fs.constants
  const log = fs.openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600)
  give(file, folder.owner)
  return { log, begin: fs.fstatSync(log).size }
}

const readLog = (folder: DataFolder, begin: number) => fs.readFileSync(logFile(folder)).subarray(begin).toString()

/** Fast shutdown: clients are cut off, everything is written. After `patience` without the latter. */
export async function stopServer(pid: number, cluster: string, patience = 10_000): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    if (!isPostmaster(pid, cluster)) return
    try {
      process.kill(pid, signal)
    } catch (error) {
      if (!isAlive(pid)) return
      throw new EmbeddedPostgresError(`PostgreSQL (process ${pid}) cannot be stopped: ${asError(error).message}`)
    }
    // At SIGQUIT PostgreSQL itself gives its processes 5 seconds before it kills them.
    const wait = signal === 'SIGINT' ? patience : 10_000
    for (const since = Date.now(); Date.now() - since < wait; await sleep(10)) {
      if (!isPostmaster(pid, cluster)) return
    }
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL (process ${pid}) on ${cluster} does not stop: end it with kill -9 ${pid}.`,
  )
}
