// Decides whose the data folder is, as whom PostgreSQL runs and where its cluster lies; keeps the record of the server.
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type Account, asError, EmbeddedPostgresError } from './embedded-process.ts'

export interface DataFolder {
  path: string
  cluster: string
  /** PostgreSQL runs as this account; undefined where we are not root. */
  account: Account | undefined
  /** Gets the files that root writes. */
  owner: Account | undefined
}

export interface ServerRecord {
  pid: number | null
  port: number
  user: string
  password: string
  database: string
  url: string
}

export function openDataFolder(dataDir: string, sharedDir: string): DataFolder {
  const uid = process.getuid?.()
  const path = makeFolder(dataDir, uid === 0 ? 0o711 : 0o700)
  const stat = fs.statSync(path)
  if (uid === undefined) return { path, cluster: join(path, 'postgres'), account: undefined, owner: undefined }
  if (uid === 0) {
    const owner = { uid: stat.uid, gid: stat.gid }
    const account = stat.uid !== 0 && isKnown(stat.uid) ? owner : nobody()
    return { path, cluster: clusterForRoot(path, stat.uid, account, sharedDir), account, owner }
  }
  const cluster = join(path, 'postgres')
  for (const place of [path, cluster]) refuseForeign(place, uid)
  return { path, cluster, account: undefined, owner: undefined }
}

/** The cluster of a data folder that was used before. */
export function findCluster(dataDir: string): string | undefined {
  const cluster = readLocation(dataDir) ?? join(dataDir, 'postgres')
  try {
    fs.statSync(join(cluster, 'PG_VERSION'))
    return fs.realpathSync(cluster)
  } catch {
    return undefined
  }
}

function makeFolder(dataDir: string, mode: number): string {
  try {
    if (fs.mkdirSync(dataDir, { recursive: true }) !== undefined) fs.chmodSync(dataDir, mode)
    return fs.realpathSync(dataDir)
  } catch (error) {
    throw new EmbeddedPostgresError(
      `The data folder ${dataDir} cannot be used (${asError(error).message}): name another with GATEHOUSE_DATA_DIR, or set DATABASE_URL.`,
    )
  }
}

function refuseForeign(place: string, uid: number): void {
  const owner = fs.statSync(place, { throwIfNoEntry: false })?.uid ?? uid
  if (owner === uid) return
  const name = owner === 0 ? 'root' : `another user (uid ${owner})`
  throw new EmbeddedPostgresError(
    `The database folder ${place} belongs to ${name}: run as that user, name another folder with GATEHOUSE_DATA_DIR, or set DATABASE_URL.`,
  )
}

// PostgreSQL refuses uid 0, so root's database runs as nobody, and must lie where nobody can reach it: a home such as
// /root is 0700. The name is random, not derived, so that a data folder that was moved away keeps its own cluster.
function clusterForRoot(path: string, ownerUid: number, account: Account, sharedDir: string): string {
  const inside = join(path, 'postgres')
  // Somebody else's folder must not lead root to a place of their choice.
  const noted = ownerUid === 0 ? readLocation(path) : undefined
  if (noted !== undefined) return noted
  const reachable = canReach(path, account)
  if (reachable) return inside
  if (fs.existsSync(inside)) {
    throw new EmbeddedPostgresError(
      `The database in ${inside} runs as uid ${account.uid}, which can no longer reach it: let others pass (chmod o+x) through each folder above it, or name another with GATEHOUSE_DATA_DIR.`,
    )
  }
  const elsewhere = join(openSharedDir(sharedDir, account), `${basename(path)}-${randomBytes(6).toString('hex')}`)
  return noteLocation(path, elsewhere)
}

/** A folder of root's that everybody may pass through and only root may write to. */
export function openSharedDir(sharedDir: string, account: Account = nobody()): string {
  makeFolder(sharedDir, 0o711)
  const stat = fs.lstatSync(sharedDir)
  if (!stat.isDirectory() || stat.uid !== 0 || (stat.mode & 0o022) !== 0 || !canReach(sharedDir, account)) {
    throw new EmbeddedPostgresError(
      `${sharedDir} must be a folder that belongs to root, that only root may write to and that uid ${account.uid} can reach: mend it, or set DATABASE_URL.`,
    )
  }
  return sharedDir
}

const locationFile = (path: string) => join(path, 'postgres-location')

function readLocation(path: string): string | undefined {
  try {
    return fs.readFileSync(locationFile(path), 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

// A link fails where the name exists: of two processes that start at once, both use the place of the first.
function noteLocation(path: string, cluster: string): string {
  const draft = `${locationFile(path)}.${randomBytes(6).toString('hex')}`
  fs.writeFileSync(draft, `${cluster}\n`, { flag: 'wx', mode: 0o600 })
  try {
    fs.linkSync(draft, locationFile(path))
  } catch (error) {
    if (asError(error).code !== 'EEXIST') throw error
  } finally {
    fs.rmSync(draft)
  }
  return readLocation(path) ?? cluster
}

function canReach(path: string, { uid, gid }: Account): boolean {
  for (let folder = fs.realpathSync(path); ; folder = dirname(folder)) {
    const stat = fs.statSync(folder)
    const bit = stat.uid === uid ? 0o100 : stat.gid === gid ? 0o010 : 0o001
    if ((stat.mode & bit) === 0) return false
    if (folder === dirname(folder)) return true
  }
}

const accounts = () =>
  fs.existsSync('/etc/passwd')
    ? fs
        .readFileSync('/etc/passwd', 'utf8')
        .split('\n')
        .map((line) => line.split(':'))
    : []

// initdb refuses an account that has no name.
const isKnown = (uid: number) => accounts().some(([, , id]) => Number(id) === uid)

function nobody(): Account {
  const [, , uid = 65534, gid = 65534] = accounts().find(([name]) => name === 'nobody') ?? []
  return { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }
}

/** Hands over what root made. A link at the place itself is not followed. */
export function give(path: string, account: Account | undefined): void {
  if (account) fs.lchownSync(path, account.uid, account.gid)
}

const recordFile = (path: string) => join(path, 'postgres.json')

export function readRecord(path: string): Partial<ServerRecord> {
  try {
    const record: unknown = JSON.parse(fs.readFileSync(recordFile(path), 'utf8'))
    return typeof record === 'object' && record !== null ? record : {}
  } catch {
    return {}
  }
}

export function writeRecord({ path, owner }: DataFolder, record: ServerRecord): void {
  const draft = `${recordFile(path)}.${randomBytes(6).toString('hex')}`
  fs.writeFileSync(draft, `${JSON.stringify(record, null, 2)}\n`, { flag: 'wx', mode: 0o600 })
  give(draft, owner)
  fs.renameSync(draft, recordFile(path))
}
