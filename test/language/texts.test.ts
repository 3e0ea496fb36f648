// Every text in every language: none missing, none too many, and each with the same places to fill in.
import { translations } from '../support/spoken.ts'
import { areasOf, catalogOf, formsOf, placeholdersIn, pluralsIn, tagsIn, textOf } from './catalogs.ts'

const english = catalogOf('en')
const englishPlurals = pluralsIn(english)
const texts = new Set(Object.keys(english).map(textOf))
const others = translations.locales.filter((locale) => locale !== 'en')

it('speaks eight languages', () => {
  expect([...translations.locales].sort()).toEqual(['ar', 'de', 'en', 'es', 'fr', 'ja', 'pt', 'zh'])
})

describe.each(others)('the texts in %s', (locale) => {
  const catalog = catalogOf(locale)
  const own = new Set(Object.keys(catalog).map(textOf))

  it('lack nothing that is there in English', () => {
    expect([...texts].filter((text) => !own.has(text)).map((text) => `${locale} lacks ${text}`)).toEqual([])
  })

  it('hold nothing that is not there in English', () => {
    expect([...own].filter((text) => !texts.has(text)).map((text) => `${locale} has ${text}, English has not`)).toEqual(
      [],
    )
  })

  it('are not the English ones', () => {
    // These are the same word in some of the languages, or no words at all.
    const same = new Set([
      'common.document-title',
      'common.document-title-problem',
      'consent.website',
      'device.code',
      'administrator.account',
      'administrator.server',
    ])
    const copied = Object.keys(catalog).filter((key) => catalog[key] === english[key] && !same.has(textOf(key)))
    expect(copied.filter((key) => /\s/.test(catalog[key] ?? ''))).toEqual([])
  })

  it('say the same things in the same kind of plural', () => {
    expect(pluralsIn(catalog).sort()).toEqual([...englishPlurals].filter((text) => own.has(text)).sort())
  })

  it('leave the same places for values and for markup', () => {
    const differing = Object.entries(catalog).filter(([key, text]) => {
      const model = english[key] ?? english[`${textOf(key)}_other`] ?? ''
      const places = (of: string) =>
        placeholdersIn(of).filter((name) => name !== 'count' || !isOfOneNumber(locale, key))
      return String(places(text)) !== String(places(model)) || String(tagsIn(text)) !== String(tagsIn(model))
    })
    expect(differing).toEqual([])
  })
})

/** A form for a single number, such as the Arabic dual, says it in words. */
function isOfOneNumber(locale: string, key: string): boolean {
  const rules = new Intl.PluralRules(locale)
  const category = key.slice(textOf(key).length + 1)
  return (
    Array.from({ length: 2000 }, (_, number) => rules.select(number)).filter((one) => one === category).length === 1
  )
}

describe.each([...translations.locales])('the catalog of %s', (locale) => {
  it('has each key in the file that it begins with, and once', () => {
    const strays = Object.entries(areasOf(locale)).flatMap(([area, catalog]) =>
      Object.keys(catalog).filter((key) => !key.startsWith(`${area}.`)),
    )
    expect(strays).toEqual([])
  })

  it('has every plural form that the language has, and no other', () => {
    const needed = new Intl.PluralRules(locale).resolvedOptions().pluralCategories
    const catalog = catalogOf(locale)
    for (const text of pluralsIn(catalog))
      expect([text, formsOf(catalog, text).sort()]).toEqual([text, [...needed].sort()])
  })

  it('has no empty text, and no space at an end', () => {
    expect(Object.entries(catalogOf(locale)).filter(([, text]) => text !== text.trim() || text === '')).toEqual([])
  })

  it('closes every tag that it opens', () => {
    for (const [key, text] of Object.entries(catalogOf(locale)))
      expect([key, text.replace(/<(\w+)>[^<]*<\/\1>|<\w+\/>/g, '')]).toEqual([key, expect.not.stringMatching(/[<>]/)])
  })
})

describe('a text with a count', () => {
  it.each([
    ['en', 1, 'Wait 1 minute,'],
    ['en', 7, 'Wait 7 minutes,'],
    ['fr', 0, '0 minute,'],
    ['ja', 1, '1 分'],
    ['ar', 1, 'دقيقة واحدة'],
    ['ar', 2, 'دقيقتين'],
    ['ar', 5, '5 دقائق'],
    ['ar', 15, '15 دقيقة'],
    ['ar', 100, '100 دقيقة'],
  ])('is in %s for %i what its grammar demands', (locale, count, expected) => {
    expect(translations.choose([locale]).t('errors.too_many_requests.minutes', { count })).toContain(expected)
  })
})
