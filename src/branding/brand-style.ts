// Reads the tokens of the pages' stylesheet, and writes the stylesheet that sets a brand's own.
import { type Colours, paletteOf, schemes, type Tokens } from './palette.ts'

const darkBlock = /@media \(prefers-color-scheme: dark\) \{\s*:root \{([^}]*)\}/
const lightBlock = /:root \{([^}]*)\}/

/** Only what is a plain `#rrggbb`. A stylesheet without the tokens that are measured is refused: nothing could be checked. */
export function tokensOf(stylesheet: string): Tokens {
  const tokens = { light: colours(lightBlock.exec(stylesheet)?.[1]), dark: colours(darkBlock.exec(stylesheet)?.[1]) }
  for (const scheme of schemes)
    for (const name of ['brand', 'surface', 'ground', 'inset', 'line', 'text', 'muted', 'danger', 'field-line'])
      if (!tokens[scheme][name]) throw new TypeError(`The stylesheet sets no --${name} for ${scheme} pages.`)
  return tokens
}

const colours = (block = ''): Record<string, string> =>
  Object.fromEntries([...block.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]))

/** Undefined for a brand that sets no colour. In the layer of our tokens, so that our rules of later layers and custom.css still win. */
export function brandStyle(given: Colours, tokens: Tokens): string | undefined {
  const light = paletteOf(given, 'light', tokens)
  const dark = paletteOf(given, 'dark', tokens)
  if (Object.keys(light).length === 0) return undefined
  return `@layer tokens {
  :root {${declarations(light, 4)}
  }
  @media (prefers-color-scheme: dark) {
    :root {${declarations(dark, 6)}
    }
  }${light.line ? strongLines : ''}
}
`
}

// As in our stylesheet, whose rule stands before these.
const strongLines = `
  @media (prefers-contrast: more) {
    :root {
      --line: var(--muted);
    }
  }`

const declarations = (palette: Record<string, string>, indent: number): string =>
  Object.entries(palette)
    .map(([name, value]) => `\n${' '.repeat(indent)}--${name}: ${value};`)
    .join('')
