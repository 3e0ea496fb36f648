// Every text is asked for, everything that is asked for is a text, and no page holds words of its own.
import { activityTypes } from '../../src/accounts/activity-log.ts'
import { profileClaims } from '../../src/accounts/standard-claims.ts'
import { catalogOf, keysIn, type SourceFile, sourceFiles, templates, textOf } from './catalogs.ts'

const texts = new Set(Object.keys(catalogOf('en')).map(textOf))
const areas = [...new Set([...texts].map((text) => text.split('.')[0] ?? ''))]
const files = [...sourceFiles(), ...templates()]
const used = new Map(files.map((file) => [file.name, keysIn(file, areas).flatMap(bothUnits)]))

/** A time to wait has a text in seconds and one in minutes. */
function bothUnits(key: string): string[] {
  return texts.has(`${key}.seconds`) && !texts.has(key) ? [`${key}.seconds`, `${key}.minutes`] : [key]
}

/** Keys that code puts together; error-texts.test.ts holds these to their texts. */
const dynamic = [/^errors\.(?!label\.)/, /^consent\.scope\./]
const composed = [
  ...activityTypes.map((type) => `activity.${type}`),
  ...profileClaims.map((claim) => `account-fields.${claim}`),
]

it('finds the uses that it looks for', () => {
  const sample: SourceFile = {
    name: 'sample.eta',
    text: `it.t('a.b') t( 'c.d', { x }) { key: 'e.f' } it.t(it.x ? 'home.g' : 'home.h') './home.ts' 'other.i' it.t('x.' + y)`,
  }
  expect(keysIn(sample, ['home']).sort()).toEqual(['a.b', 'c.d', 'e.f', 'home.g', 'home.h'])
})

it.each(files.map(({ name }) => name))('%s asks only for texts that are there', (name) => {
  expect(
    used
      .get(name)
      ?.filter((key) => !texts.has(key))
      .map((key) => `${name} asks for ${key}`),
  ).toEqual([])
})

it('what code puts together is there', () => {
  expect(composed.filter((key) => !texts.has(key))).toEqual([])
})

it('no text is left without a use', () => {
  const asked = new Set([...[...used.values()].flat(), ...composed])
  const unused = [...texts].filter((text) => !asked.has(text) && !dynamic.some((pattern) => pattern.test(text)))
  expect(unused).toEqual([])
})

/** What a reader would see of a template, or hear: words between tags, words in attributes, and sentences in its code. */
function wordsIn(text: string): string[] {
  const code = [...text.matchAll(/<%[\s\S]*?%>/g)].map(([tag]) => tag.replace(/\/\*[\s\S]*?\*\//g, ''))
  const markup = text.replace(/<%[\s\S]*?%>/g, '')
  const attributes = [...markup.matchAll(/\s(?:aria-label|alt|title|placeholder|value)="([^"]+)"/g)].map(
    (match) => match[1],
  )
  const between = markup.replace(/<[^>]*>/g, '\n').split('\n')
  const sentences = code.flatMap((tag) => [
    ...[...tag.matchAll(/'([A-Z][^'<>=]*)'/g)].map((match) => match[1]),
    ...[...tag.matchAll(/\b(?:label|hint|title|message):\s*'([^']+)'/g)].map((match) => match[1]),
  ])
  return [...attributes.filter((value = '') => !machineValues.has(value)), ...between, ...sentences].flatMap(
    (words = '') => (/\p{L}{2,}/u.test(words) ? [words.trim()] : []),
  )
}
const machineValues = new Set(['yes', 'allow', 'deny'])

describe('a template', () => {
  it.each(templates().map(({ name, text }) => [name, text]))('%s holds no words of its own', (_, text) => {
    expect(wordsIn(text)).toEqual([])
  })

  it.each([
    ['<p>Hello there</p>'],
    ['<%= it.x %> or else'],
    ['<ul aria-label="About this">'],
    ["<% layout('/x', { title: 'sign in' }) %>"],
    ["<%= it.x ? 'Error: ' : '' %>"],
  ])('would be found out with %s', (text) => {
    expect(wordsIn(text)).not.toEqual([])
  })

  it.each([
    ['<% /* Words of a comment */ %><input value="<%= it.t(\'home.title\') %>">'],
    ['<button name="decision" value="allow"><%= it.t(it.a) %></button> · '],
  ])('is left alone with %s', (text) => {
    expect(wordsIn(text)).toEqual([])
  })
})
