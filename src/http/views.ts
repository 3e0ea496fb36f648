// Renders the hosted pages from views/: every value is escaped and stripped of characters that could make text lie.
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { Eta } from 'eta'

/** What a page must know here of the brand that it wears; its templates know the rest. */
interface Brand {
  name: string
  /** Looked through before our own views, in this order: whoever overrides a view or a partial puts it there. */
  viewFolders: readonly string[]
}

interface Parts {
  directory: string
  /** Values that every page may use: `productName`, `assetUrl` and what a deployment adds. */
  common: { productName: string; assetUrl: (name: string) => string } & Record<string, unknown>
  /** Of pages that name none in `data.brand`. */
  brand?: () => Brand
  /** Reads the templates again at each render, for development. Otherwise each is compiled once. */
  isReloading?: boolean
}

/** Whom a page speaks to: as much of a chosen language as a page needs. */
export interface Reader {
  /** A BCP 47 tag, for `lang`. */
  locale: string
  direction: 'ltr' | 'rtl'
  t: (key: string, values?: Record<string, string | number>) => string
  has: (key: string) => boolean
}

export interface Views {
  render: (name: string, data: Record<string, unknown> & { brand?: Brand | undefined }, reader: Reader) => string
}

// Control characters are invalid in HTML; bidirectional overrides let `gro.knab` read as `bank.org` (Unicode TR 36, 2.10).
const deceptive =
  /(?![\t\n\r])\p{Cc}|\u00ad|\u061c|\u180e|[\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Cs}/gu
const stackedMarks = /(\p{M}{4})\p{M}+/gu
const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

export function createViews({ directory, common, brand: usual, isReloading = false }: Parts): Views {
  const engines = new Map<string, Eta>()
  // A compiled template is remembered by its name, so each list of folders has an engine of its own.
  const engineFor = (folders: readonly string[]) => {
    const key = folders.join('\n')
    const engine = engines.get(key) ?? createEngine(directory, folders, isReloading)
    engines.set(key, engine)
    return engine
  }
  return {
    render: (name, data, { locale, direction, t }) => {
      const brand = data.brand ?? usual?.()
      const named = brand ? { productName: brand.name } : {}
      return engineFor(brand?.viewFolders ?? []).render(name, {
        ...{ ...common, ...named, clip, webUrl, rich },
        ...{ ...data, brand, locale, direction, t },
      })
    },
  }
}

// Names are resolved, and held inside, as if there were our folder only; then the first folder that has such a file is read.
function createEngine(directory: string, folders: readonly string[], isReloading: boolean): Eta {
  const eta = new Eta({ views: directory, cache: !isReloading, escapeFunction: escapeText })
  const readOurs = eta.readFile
  eta.readFile = (file) => {
    const name = relative(directory, file)
    const override = folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
    return readOurs.call(eta, override ?? file)
  }
  return eta
}

function escapeText(value: unknown): string {
  return cleaned(value).replace(/[&<>"']/g, (character) => entities[character] ?? '')
}

// Puts markup into a sentence: `{ link: (words) => '<a href="…">' + words + '</a>' }` is what `<link>words</link>` becomes. The
// sentence itself is text and is escaped; the markup is the template's own. What a stranger wrote comes in as markup (`<client/>`,
// an escaping partial), never as a value: a value that holds a tag would be taken for one.
function rich(sentence: string, markup: Record<string, (words: string) => string>): string {
  return escapeText(sentence).replace(
    /&lt;(\w+)(?:\/&gt;|&gt;(.*?)&lt;\/\1&gt;)/g,
    // A partial ends with a line break, which has no place before a full stop.
    (whole, name: string, words: string | undefined) => markup[name]?.(words ?? '').trim() ?? whole,
  )
}

// Cuts to `limit` characters. Templates call it on whatever a stranger may have written.
function clip(value: unknown, limit: number): string {
  const characters = [...cleaned(String(value ?? '').slice(0, limit * 8))]
  return characters.length <= limit ? characters.join('') : `${characters.slice(0, limit - 1).join('')}…`
}

function cleaned(value: unknown): string {
  return String(value ?? '')
    .replace(deceptive, '')
    .replace(stackedMarks, '$1')
}

// A link that a client registered is shown only when following it can do no more than open a page.
function webUrl(value: unknown): string {
  const url = typeof value === 'string' && value.length <= 2048 ? URL.parse(value) : null
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:') ? url.href : ''
}
