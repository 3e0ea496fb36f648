// Makes branding folders: of a few given files, or of the example with some files changed.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

export const exampleFolder = resolve(import.meta.dirname, '../../examples/branding')
export const ourViews = resolve(import.meta.dirname, '../../views')

export interface TemporaryFolder {
  path: string
  /** Writes or, with undefined, removes. */
  put(files: Record<string, string | Buffer | undefined>): void
  remove(): void
}

export function brandingFolder(files: Record<string, string | Buffer> = {}, from?: string): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), 'gatehouse-branding-'))
  if (from) cpSync(from, path, { recursive: true })
  const put: TemporaryFolder['put'] = (changes) => {
    for (const [name, content] of Object.entries(changes)) {
      const file = join(path, name)
      mkdirSync(dirname(file), { recursive: true })
      if (content === undefined) rmSync(file)
      else writeFileSync(file, content)
    }
  }
  put(files)
  return { path, put, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export const drawing = (inside = '<path d="M0 0h9"/>', attributes = ''): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"${attributes}>${inside}</svg>`
