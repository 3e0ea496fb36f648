// What the tests of the texts look at: the catalogs of views/locales/, and every place in src/ and views/ that asks for a text.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const localesFolder = join(root, 'views/locales')

export type Catalog = Record<string, string>

/** A catalog file by file, for the rule that a key begins with the name of its file. */
export const areasOf = (locale: string): Record<string, Catalog> =>
  Object.fromEntries(
    readdirSync(join(localesFolder, locale))
      .filter((name) => name.endsWith('.json'))
      .map((name) => [
        name.replace(/\.json$/, ''),
        JSON.parse(readFileSync(join(localesFolder, locale, name), 'utf8')) as Catalog,
      ]),
  )

export const catalogOf = (locale: string): Catalog => Object.assign({}, ...Object.values(areasOf(locale)))

const pluralEnding = /_(zero|one|two|few|many|other)$/

/** `wait_one` and `wait_other` are two forms of the text `wait`. */
export const textOf = (key: string): string => key.replace(pluralEnding, '')
export const pluralsIn = (catalog: Catalog): string[] => [
  ...new Set(
    Object.keys(catalog)
      .filter((key) => pluralEnding.test(key))
      .map(textOf),
  ),
]
export const formsOf = (catalog: Catalog, text: string): string[] =>
  Object.keys(catalog)
    .filter((key) => pluralEnding.test(key) && textOf(key) === text)
    .map((key) => key.slice(text.length + 1))

export const placeholdersIn = (text: string): string[] =>
  [...text.matchAll(/\{\{\s*(\w+)/g)].map(([, name]) => String(name)).sort()
export const tagsIn = (text: string): string[] => (text.match(/<\/?\w+\/?>/g) ?? []).sort()

export interface SourceFile {
  name: string
  text: string
}

function filesUnder(folder: string, ending: string): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => ({ name: join(folder, name), text: readFileSync(join(root, folder, name), 'utf8') }))
}

export const sourceFiles = (): SourceFile[] => filesUnder('src', '.ts')

/** Of pages. Messages by mail are templates of another kind. */
export const templates = (): SourceFile[] =>
  filesUnder('views', '.eta').filter(({ name }) => !name.startsWith(join('views', 'mail/')))

/** Every key that stands in a file as a literal: in `t('…')`, as `key: '…'`, or as any literal that begins as a key of an area does. */
export function keysIn({ text }: SourceFile, areas: readonly string[]): string[] {
  const asked = [...text.matchAll(/\bt\(\s*'([^']+)'|\bkey:\s*'([a-z][\w-]*\.[^']+)'/g)].map(
    (match) => match[1] ?? match[2] ?? '',
  )
  const literals = [...text.matchAll(/'([a-z][a-z-]*)\.([\w.-]+)'/g)]
    .filter(([, area = '', rest = '']) => areas.includes(area) && !/(^|\.)(ts|eta|js|json|css)$/.test(rest))
    .map(([, area, rest]) => `${area}.${rest}`)
  return [...new Set([...asked, ...literals])].filter((key) => !key.endsWith('.'))
}
