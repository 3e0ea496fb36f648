// Holds README's table of variables to the schema that reads them.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { variables } from '../src/config/variables.ts'

const file = join(import.meta.dirname, '../README.md')

// `UPDATE_README=1 npm test -- test/readme.test.ts` writes the table.
function table(): string {
  const rows = Object.entries(variables).map(([name, schema]) => {
    const fallback = schema.safeParse(undefined)
    const value = fallback.success ? fallback.data : undefined
    const shown = value === undefined || (Array.isArray(value) && value.length === 0) ? '' : `\`${value}\``
    return `| \`${name}\` | ${shown} | ${schema.description} |`
  })
  return ['| variable | default | what it is |', '| --- | --- | --- |', ...rows].join('\n')
}

describe('README', () => {
  it('lists every variable with its default', () => {
    const text = readFileSync(file, 'utf8')
    const [, before = '', after = ''] = /^(.*<!-- environment -->\n).*(\n<!-- \/environment -->.*)$/s.exec(text) ?? []
    const wanted = `${before}${table()}${after}`
    if (process.env.UPDATE_README) writeFileSync(file, wanted)
    expect(readFileSync(file, 'utf8')).toBe(wanted)
  })
  it('says something about each', () => {
    expect(Object.entries(variables).filter(([, schema]) => !schema.description)).toEqual([])
  })
})
