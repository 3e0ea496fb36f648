// Renders the hosted pages from views/: every value is escaped and stripped of characters that could make text lie.
import { Eta } from 'eta'

interface Parts {
  directory: string
  /** Values that every page may use: `productName`, `assetUrl` and what a deployment adds. */
  common: { productName: string; assetUrl: (name: string) => string } & Record<string, unknown>
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
  render: (name: string, data: Record<string, unknown>, reader: Reader) => string
}

// Control characters are invalid in HTML; bidirectional overrides let `gro.knab` read as `bank.org` (Unicode TR 36, 2.10).
const deceptive =
  /(?![\t\n\r])\p{Cc}|\u00ad|\u061c|\u180e|[\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Cs}/gu
const stackedMarks = /(\p{M}{4})\p{M}+/gu
const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

export function createViews({ directory, common, isReloading = false }: Parts): Views {
  const eta = new Eta({ views: directory, cache: !isReloading, escapeFunction: escapeText })
  return {
    render: (name, data, { locale, direction, t }) =>
      eta.render(name, { ...common, clip, webUrl, rich, ...data, locale, direction, t }),
  }
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
