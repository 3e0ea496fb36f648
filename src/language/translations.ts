// Holds every sentence that a person reads in the languages of views/locales/ (a folder each), and chooses the language for a reader.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInstance, type i18n } from 'i18next'

export type Values = Record<string, string | number>

/** A sentence that is yet to be said: the domain decides which, the page or the command in which language. */
export interface Sentence {
  key: string
  values?: Values
}

export interface Translator {
  /** A BCP 47 tag, for `lang`. */
  locale: string
  direction: 'ltr' | 'rtl'
  t(key: string, values?: Values): string
  has(key: string): boolean
  say(sentence: Sentence): string
}

export interface Translations {
  locales: readonly string[]
  /** The same with the name that each gives itself: what a reader chooses from. */
  languages: readonly { locale: string; name: string }[]
  /** The first wish that is on offer, as it is or in a wider language: `de-AT` is answered in `de` (RFC 4647 section 3.4). */
  find(wishes: readonly string[]): Translator | undefined
  /** The same, and English where none is on offer. */
  choose(wishes: readonly string[]): Translator
  /** For operators: the command line, the admin API and the log. */
  english: Translator
}

const rightToLeft = new Set(['ar', 'fa', 'he', 'ur'])

/** Longer tags are nobody's language (RFC 5646 section 4.4.1). */
const longestTag = 35

interface Parts {
  directory: string
  /** Folders of the same shape whose texts replace ours one by one, or add to them; the last has the last word. */
  overrides?: readonly string[]
}

export function createTranslations({ directory, overrides = [] }: Parts): Translations {
  const directories = [directory, ...overrides]
  const locales = [...new Set(directories.flatMap(foldersIn))]
  const resources = Object.fromEntries(
    locales.map((locale) => [
      locale,
      { translation: Object.assign({}, ...directories.map((folder) => textsIn(join(folder, locale)))) },
    ]),
  )
  const texts = createInstance()
  void texts.init({
    resources,
    initAsync: false,
    fallbackLng: 'en',
    // Keys are whole: `sign-in.title`. Pages escape what they show.
    keySeparator: false,
    nsSeparator: false,
    interpolation: { escapeValue: false },
    returnNull: false,
  })
  const translators = new Map(locales.map((locale) => [locale.toLowerCase(), createTranslator(texts, locale)]))
  const english = translators.get('en')
  if (!english) throw new TypeError(`${directory} holds no texts in English.`)
  const find = (wishes: readonly string[]) => {
    for (const wish of wishes) {
      const parts = wish.slice(0, longestTag).toLowerCase().split('-')
      for (let length = parts.length; length > 0; length -= 1) {
        const found = translators.get(parts.slice(0, length).join('-'))
        if (found) return found
      }
    }
    return undefined
  }
  return {
    locales,
    languages: [...translators.values()].map(({ locale, t }) => ({ locale, name: t('common.language-name') })),
    english,
    find,
    choose: (wishes) => find(wishes) ?? english,
  }
}

const foldersIn = (directory: string): string[] =>
  readdirSync(directory).filter((name) => !name.startsWith('.') && statSync(join(directory, name)).isDirectory())

/** One file for each kind of page. */
function textsIn(directory: string): Record<string, string> {
  if (!existsSync(directory)) return {}
  const files = readdirSync(directory).filter((name) => name.endsWith('.json'))
  return Object.assign({}, ...files.map((name) => JSON.parse(readFileSync(join(directory, name), 'utf8'))))
}

function createTranslator(texts: i18n, locale: string): Translator {
  const t = (key: string, values: Values = {}): string => {
    if (!texts.exists(key, { ...values, lng: locale })) throw new Error(`There is no text for the key ${key}.`)
    return texts.t(key, { ...values, lng: locale })
  }
  return {
    locale,
    direction: rightToLeft.has(locale.split('-')[0] ?? '') ? 'rtl' : 'ltr',
    t,
    // A count finds plural forms, and does no harm to a text that has none.
    has: (key) => texts.exists(key, { lng: locale, count: 1 }),
    say: ({ key, values }) => t(key, values),
  }
}
