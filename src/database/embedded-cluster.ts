// Makes a PostgreSQL cluster with a password of its own: whole, or not at all.
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type DataFolder, give } from './embedded-folder.ts'
import { asError, EmbeddedPostgresError, isAlive, run } from './embedded-process.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'

export const superuser = 'gatehouse'

const passwordFile = (cluster: string) => join(cluster, 'gatehouse.password')

/** The major version that made the cluster; only the same one can run it. */
export function clusterVersion(cluster: string): number | undefined {
  try {
    return Number.parseInt(fs.readFileSync(join(cluster, 'PG_VERSION'), 'utf8'), 10)
  } catch {
    return undefined
  }
}

export function readPassword(cluster: string): string {
  try {
    return fs.readFileSync(passwordFile(cluster), 'utf8').trim()
  } catch (error) {
    throw new EmbeddedPostgresError(
      `The password of the embedded database cannot be read (${asError(error).message}): put the file back, or remove the data folder to begin with an empty database.`,
    )
  }
}

// The cluster is made beside its place and moved there: one that was killed half way is never taken for a whole one,
// and of two processes that start at once the second finds the place taken and uses what is there.
export async function ensureCluster(folder: DataFolder, binaries: PostgresBinaries, isThrowaway: boolean) {
  const { cluster, account } = folder
  if (clusterVersion(cluster) !== undefined) return
  removeAbandoned(cluster)
  const draft = `${cluster}.new-${process.pid}-${randomBytes(6).toString('hex')}`
  const password = `${draft}.password`
  try {
    fs.mkdirSync(draft, { mode: 0o700 })
    give(draft, account)
    fs.writeFileSync(password, `${randomBytes(24).toString('base64url')}\n`, { flag: 'wx', mode: 0o600 })
    give(password, account)
    await initialise(draft, password, folder, binaries, isThrowaway)
    fs.renameSync(password, passwordFile(draft))
    moveIntoPlace(draft, cluster)
  } finally {
    fs.rmSync(draft, { recursive: true, force: true })
    fs.rmSync(password, { force: true })
  }
}

async function initialise(
  draft: string,
  password: string,
  { account }: DataFolder,
  { initdb }: PostgresBinaries,
  isThrowaway: boolean,
): Promise<void> {
  const options = ['-D', draft, '-U', superuser, '-E', 'UTF8', '--auth=scram-sha-256', `--pwfile=${password}`]
  const attempt = (locale: string) =>
    run(initdb, [...options, '--data-checksums', `--locale=${locale}`, ...(isThrowaway ? ['--no-sync'] : [])], account)
  let made = await attempt('C.UTF-8')
  if (!made.ok && /invalid locale/.test(made.output)) made = await attempt('C')
  if (made.ok) return
  throw new EmbeddedPostgresError(
    `${initdb} could not make the database in ${dirname(draft)}: name another folder with GATEHOUSE_DATA_DIR, or set DATABASE_URL.\n${lastLines(made.output)}`,
  )
}

function moveIntoPlace(draft: string, cluster: string): void {
  try {
    fs.renameSync(draft, cluster)
  } catch (error) {
    if (clusterVersion(cluster) !== undefined) return
    throw new EmbeddedPostgresError(
      `${cluster} is in the way and is not a PostgreSQL cluster (${asError(error).message}): move it elsewhere.`,
    )
  }
}

function removeAbandoned(cluster: string): void {
  const prefix = `${basename(cluster)}.new-`
  for (const name of fs.readdirSync(dirname(cluster))) {
    if (!name.startsWith(prefix) || isAlive(Number.parseInt(name.slice(prefix.length), 10))) continue
    fs.rmSync(join(dirname(cluster), name), { recursive: true, force: true })
  }
}

export const lastLines = (text: string) =>
  text
    .trim()
    .split('\n')
    .slice(-12)
    .map((line) => `  ${line}`)
    .join('\n')
