// WCAG's formula, the colours that are derived from an operator's, and what is said of those that cannot be read.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { brandStyle, tokensOf } from '../../src/branding/brand-style.ts'
import { colourOf, contrast, mix, nearestShade } from '../../src/branding/contrast.ts'
import { type Colours, contrastProblems, pairs, paletteOf, schemes } from '../../src/branding/palette.ts'
import { ourViews } from '../support/branding-folder.ts'

const stylesheet = readFileSync(join(ourViews, 'assets/gatehouse.css'), 'utf8')
const tokens = tokensOf(stylesheet)
const anyColour = fc.integer({ min: 0, max: 0xffffff }).map((value) => `#${value.toString(16).padStart(6, '0')}`)
const shadesOf = (problem: string) => /nearest shade that passes is (#[0-9a-f]{6})\.$/.exec(problem)?.[1]

describe('the contrast of two colours', () => {
  // As WebAIM's checker and the W3C's own examples give them.
  it.each([
    ['#000000', '#ffffff', 21],
    ['#ffffff', '#ffffff', 1],
    ['#777777', '#ffffff', 4.48],
    ['#767676', '#ffffff', 4.54],
    ['#949494', '#ffffff', 3.03],
    ['#ff0000', '#ffffff', 4.0],
    ['#0000ff', '#ffffff', 8.59],
    ['#00ff00', '#ffffff', 1.37],
    ['#ffff00', '#ffffff', 1.07],
    ['#0000ff', '#ff0000', 2.15],
    ['#808080', '#000000', 5.32],
  ])('%s with %s is %d', (one, other, ratio) => {
    expect(contrast(one, other)).toBeCloseTo(ratio, 2)
    expect(contrast(other, one)).toBe(contrast(one, other))
  })

  it('is that of the stylesheet with itself: no pair of ours fails', () => {
    expect(contrastProblems({ brandColor: tokens.light.brand, brandColorDark: tokens.dark.brand }, tokens)).toEqual([])
    expect(contrastProblems({ groundColor: tokens.light.ground, groundColorDark: tokens.dark.ground }, tokens)).toEqual(
      [],
    )
  })
})

describe('a colour as an operator writes it', () => {
  it.each([
    ['#ABC', '#aabbcc'],
    ['#1D4E89', '#1d4e89'],
  ])('%s is %s', (text, colour) => expect(colourOf(text)).toBe(colour))

  it.each(['red', '1d4e89', '#12', '#1234', '#12345678', 'rgb(0,0,0)', '#ggg', '#fff;}', ' #fff', '#fff\n'])(
    '%j is none',
    (text) => expect(colourOf(text)).toBeUndefined(),
  )
})

describe('shades', () => {
  it('mix by their share', () => {
    expect([mix('#204060', '#000000', 0.5), mix('#000000', '#ffffff', 0), mix('#000000', '#ffffff', 1)]).toEqual([
      '#102030',
      '#000000',
      '#ffffff',
    ])
  })

  it('are sought from the colour itself outwards, and keep its hue', () => {
    expect(nearestShade('#f5a623', () => true)).toBe('#f5a623')
    const found = nearestShade('#f5a623', (shade) => contrast(shade, '#ffffff') >= 4.5) ?? ''
    expect(contrast(found, '#ffffff')).toBeGreaterThanOrEqual(4.5)
    expect(contrast(found, '#ffffff')).toBeLessThan(4.7)
    expect(found).toBe('#a56a07')
    expect(nearestShade('#f5a623', () => false)).toBeUndefined()
  })
})

describe('a brand', () => {
  const ratios = (colours: Colours) => {
    return schemes.flatMap((scheme) => {
      const all: Record<string, string> = { ...tokens[scheme], ...paletteOf(colours, scheme, tokens) }
      return pairs.map(({ colour, on, needs }) => contrast(all[colour] ?? '', all[on] ?? '') - needs)
    })
  }

  it('that is accepted stands out in every pair, light and dark; one that is refused is told a shade that does', () => {
    fc.assert(
      fc.property(anyColour, (brandColor) => {
        const problems = contrastProblems({ brandColor }, tokens)
        const accepted = problems.length === 0 ? brandColor : shadesOf(problems[0] ?? '')
        expect(problems.length).toBeLessThanOrEqual(1)
        expect(contrastProblems({ brandColor: accepted }, tokens)).toEqual([])
        expect(Math.min(...ratios({ brandColor: accepted }))).toBeGreaterThanOrEqual(0)
        // Without help the pages fail exactly where the check says so.
        if (problems.length > 0) expect(Math.min(...ratios({ brandColor }))).toBeLessThan(0)
      }),
      { numRuns: 100 },
    )
  }, 60_000)

  it('on any pair of grounds is accepted only where everything can be read, and two rounds of advice lead there', () => {
    const maybe = fc.option(anyColour, { nil: undefined })
    fc.assert(
      fc.property(anyColour, maybe, maybe, maybe, (brandColor, brandColorDark, groundColor, groundColorDark) => {
        let colours: Colours = { brandColor, brandColorDark, groundColor, groundColorDark }
        for (let round = 0; round < 2; round += 1) {
          const problems = contrastProblems(colours, tokens)
          expect(Math.min(...ratios(colours)) >= 0).toBe(problems.length === 0)
          const advice = problems.map((problem) => [problem.split(' ')[0] as string, shadesOf(problem)])
          colours = { ...colours, ...Object.fromEntries(advice) }
        }
        expect(contrastProblems(colours, tokens)).toEqual([])
        expect(Math.min(...ratios(colours))).toBeGreaterThanOrEqual(0)
      }),
      { numRuns: 60 },
    )
  }, 60_000)

  it('gets black or white on it, whichever is easier to read', () => {
    expect(paletteOf({ brandColor: '#1d4e89' }, 'light', tokens)['on-brand']).toBe('#ffffff')
    expect(paletteOf({ brandColor: '#1d4e89' }, 'dark', tokens)['on-brand']).toBe('#000000')
  })

  it('that cannot be read is refused with what was measured, and the nearest shade that can', () => {
    expect(contrastProblems({ brandColor: '#f5a623' }, tokens)).toEqual([
      'brandColor #f5a623 stands out too little on light pages: a link on the page (on #f4f3ef) has 1.82:1 and needs 4.5:1, and 9 more of its pairs fail. The nearest shade that passes is #9a6307.',
    ])
    expect(contrastProblems({ brandColor: '#1d4e89', brandColorDark: '#1d4e89' }, tokens)).toEqual([
      expect.stringMatching(
        /^brandColorDark #1d4e89 stands out too little on dark pages: a link on a notice .* passes is #\w{6}\.$/,
      ),
    ])
  })

  it('is not blamed for a ground on which nothing can be read', () => {
    expect(contrastProblems({ brandColor: '#1d4e89', groundColor: '#777777' }, tokens)).toEqual([
      expect.stringMatching(
        /^groundColor #777777 .*muted text on the page .* The nearest shade that passes is #\w{6}\.$/,
      ),
    ])
  })
})

describe('the stylesheet of a brand', () => {
  it('sets in both schemes whatever it sets in one, since a rule for both would win over our dark one', () => {
    const names = (css = '') => [...css.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name]) => name)
    const onlyLight = brandStyle({ groundColor: '#eef2f6' }, tokens)
    expect(names(onlyLight)).toEqual(['ground', 'surface', 'inset', 'line', 'ground', 'surface', 'inset', 'line'])
    expect(onlyLight).toContain(`--ground: ${tokens.dark.ground}`)
    expect(names(brandStyle({ brandColorDark: '#8db9ec' }, tokens))).toEqual([
      ...['brand', 'brand-strong', 'on-brand'],
      ...['brand', 'brand-strong', 'on-brand'],
    ])
    expect(brandStyle({}, tokens)).toBeUndefined()
  })

  it('needs the tokens that are measured: a stylesheet without them is a bug that shows at once', () => {
    expect(() => tokensOf(stylesheet.replaceAll('--inset:', '--inlet:'))).toThrow('sets no --inset for light pages')
    expect(() => tokensOf(stylesheet.replace('(prefers-color-scheme: dark)', 'print'))).toThrow('for dark pages')
  })
})
