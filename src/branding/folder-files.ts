// Lists the files of a branding folder and reads them: only names that are known, no file that is too large, nothing from outside.
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'

/** By their names in the folder, such as `logo.svg` or `views/sign-in.eta`. */
export type Files = ReadonlyMap<string, Buffer>

interface Kind {
  name: RegExp
  /** Bytes. */
  limit: number
}

const kinds: readonly Kind[] = [
  { name: /^branding\.json$/, limit: 16_000 },
  { name: /^logo(-dark)?\.(svg|png)$/, limit: 200_000 },
  { name: /^favicon\.(svg|png|ico)$/, limit: 100_000 },
  { name: /^custom\.css$/, limit: 200_000 },
  { name: /^fonts\/[\w-]+\.woff2$/, limit: 500_000 },
  { name: /^views\/([\w-]+\/)?[\w-]+\.eta$/, limit: 100_000 },
  { name: /^locales\/[\w-]+\/[\w-]+\.json$/, limit: 200_000 },
]
const folders = new Set(['fonts', 'views', 'locales'])
const allowed =
  'branding.json, logo.svg or .png, logo-dark.svg or .png, favicon.svg, .png or .ico, custom.css, fonts/, views/, locales/ and clients/'
/** What people keep beside such files in git. Names that begin with a dot are passed over too. */
const isPassedOver = (name: string) => /^\.|\.md$|^LICEN[CS]E/.test(name)

export interface Listing {
  files: Files
  /** Each begins with the name of its file. */
  problems: string[]
}

/** `root` is the branding folder, `folder` that or a client's folder in it. */
export function filesOf(root: string, folder: string): Listing {
  const files = new Map<string, Buffer>()
  const problems: string[] = []
  const unknown: string[] = []
  for (const name of namesOf(join(root, folder))) {
    if (folder === '' && name === 'clients/') continue
    const kind = kinds.find((one) => one.name.test(name))
    const read = kind ? readWithin(root, join(folder, name), kind.limit) : undefined
    if (read === undefined) unknown.push(name)
    else if (typeof read === 'string') problems.push(`${name}: ${read}.`)
    else files.set(name, read)
  }
  if (unknown.length > 0) problems.push(`${someOf(unknown)}: no such name is known here. Known are ${allowed}.`)
  return { files, problems }
}

const someOf = (names: readonly string[]): string =>
  names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ')

/** The names of the folders of clients/. */
export function clientFoldersOf(root: string): { clients: string[]; problems: string[] } {
  const clients: string[] = []
  const problems: string[] = []
  for (const name of entriesOf(join(root, 'clients'))) {
    const isFolder = statSync(join(root, 'clients', name), { throwIfNoEntry: false })?.isDirectory()
    if (isFolder && /^[\w-]{1,100}$/.test(name)) clients.push(name)
    else problems.push(`clients/${name}: must be a folder that bears the id of a client.`)
  }
  return { clients, problems }
}

/** A folder that means nothing is named, but not entered: the variable may point to the wrong place. */
function namesOf(directory: string, inside = ''): string[] {
  return entriesOf(join(directory, inside)).flatMap((name) => {
    const path = `${inside}${name}`
    const isFolder = statSync(join(directory, path), { throwIfNoEntry: false })?.isDirectory()
    const isEntered = folders.has(path.split('/')[0] ?? '') && path.split('/').length < 3
    if (!isFolder) return [path]
    return isEntered ? namesOf(directory, `${path}/`) : [`${path}/`]
  })
}

const entriesOf = (directory: string): string[] =>
  statSync(directory, { throwIfNoEntry: false })?.isDirectory()
    ? readdirSync(directory)
        .filter((name) => !isPassedOver(name))
        .sort()
    : []

/** Links are followed, since mounted folders are made of them (Kubernetes), but never out of the branding folder. */
function readWithin(root: string, name: string, limit: number): Buffer | string {
  try {
    const file = realpathSync(join(root, name))
    if (!file.startsWith(realpathSync(root) + sep)) return 'leads out of the branding folder. Copy the file into it'
    const { size } = statSync(file)
    if (size > limit) return `has ${size} bytes; at most ${limit} are allowed. Make it smaller`
    return readFileSync(file)
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}). Check it and its rights`
  }
}
