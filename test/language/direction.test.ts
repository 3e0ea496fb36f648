// Pages that run from right to left, and names that would like to turn a sentence around.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { samplePages } from '../support/sample-pages.ts'
import { sampleHtml, translations, viewsDirectory } from '../support/spoken.ts'

const sheet = readFileSync(join(viewsDirectory, 'assets/gatehouse.css'), 'utf8')
const physical =
  /\b(?:margin|padding|border|inset)-(?:left|right|top|bottom)\b|\b(?:left|right)\s*:|:\s*(?:left|right)\b|\bfloat\b/g
const consent = samplePages.find(({ view, state }) => view === 'consent' && state === 'full')

it('the style sheet knows a start and an end, no left and no right', () => {
  expect(sheet.match(physical)).toBeNull()
  expect('.a { padding-left: 1px; text-align: right }'.match(physical)).toHaveLength(2)
})

it.each([...translations.locales])('each page in %s names its language and direction, and is whole', (locale) => {
  for (const page of samplePages) {
    const html = sampleHtml({ ...page, locale })
    expect(html).toContain(`<html lang="${locale}" dir="${locale === 'ar' ? 'rtl' : 'ltr'}">`)
    expect(html).not.toMatch(/undefined|\[object|\{\{|&lt;\/?\w+\/?&gt;/)
  }
})

it.each(['<client/>', '</client> and <button>you</button>', '{{name}}', '$t(home.title)', 'عميل', '\u202eevil'])(
  'a client named %j stays a name inside its brackets',
  (name) => {
    const html = sampleHtml({ view: 'consent', state: 'named', data: { ...consent?.data, clientName: name } })
    const shown = name.replace('\u202e', '').replace(/</g, '&lt;').replace(/>/g, '&gt;')
    expect(html).toContain(`<h1><bdi>${shown}</bdi> asks for access to your account</h1>`)
  },
)
