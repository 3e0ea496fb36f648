// Completes an operator's colours to those that the pages use, and measures every pair of them that meets on a page.
import { contrast, mix, nearestShade } from './contrast.ts'

export const schemes = ['light', 'dark'] as const
export type Scheme = (typeof schemes)[number]

/** As they stand in the stylesheet of the pages, by their custom properties. */
export type Tokens = Readonly<Record<Scheme, Readonly<Record<string, string>>>>

/** What an operator sets; each `#rrggbb`. */
export interface Colours {
  brandColor?: string | undefined
  brandColorDark?: string | undefined
  groundColor?: string | undefined
  groundColorDark?: string | undefined
}

interface Pair {
  what: string
  colour: string
  on: string
  /** WCAG 2.2: 4.5 for text (1.4.3), 3 for what is not text (1.4.11). */
  needs: 4.5 | 3
}

const backgrounds = { surface: 'the card', ground: 'the page', inset: 'a notice' }
const onEach = (pair: Omit<Pair, 'on'>): Pair[] =>
  Object.entries(backgrounds).map(([on, place]) => ({ ...pair, on, what: `${pair.what} on ${place}` }))

/** Every pair of which an operator can change a side. The others are ours, and the tests of the pages look at them. */
export const pairs: readonly Pair[] = [
  { what: 'the text of a button', colour: 'on-brand', on: 'brand', needs: 4.5 },
  { what: 'the text of a button under the pointer', colour: 'on-brand', on: 'brand-strong', needs: 4.5 },
  ...onEach({ what: 'a link', colour: 'brand', needs: 4.5 }),
  ...onEach({ what: 'a link under the pointer', colour: 'brand-strong', needs: 4.5 }),
  ...onEach({ what: 'the focus ring', colour: 'brand', needs: 3 }),
  { what: 'the shape of a button on the card', colour: 'brand', on: 'surface', needs: 3 },
  ...onEach({ what: 'text', colour: 'text', needs: 4.5 }),
  ...onEach({ what: 'muted text', colour: 'muted', needs: 4.5 }),
  { what: 'an error on the card', colour: 'danger', on: 'surface', needs: 4.5 },
  { what: 'the edge of a field on the card', colour: 'field-line', on: 'surface', needs: 3 },
]

/** A brand that was given for light pages alone is lifted to this on dark ones: more than it must be, since it is ours to choose. */
const comfortable = 6

/** The custom properties that these colours set. Whatever one scheme sets, the other sets too: a rule for both would win over ours. */
export function paletteOf(colours: Colours, scheme: Scheme, tokens: Tokens): Record<string, string> {
  const { brandColor, brandColorDark, groundColor, groundColorDark } = colours
  const given = scheme === 'light' ? groundColor : groundColorDark
  const grounds = given
    ? groundTokens(given, scheme, tokens[scheme])
    : only(['ground', 'surface', 'inset', 'line'], tokens[scheme])
  return {
    ...(brandColor || brandColorDark
      ? brandTokens(brandOf(colours, scheme, { ...tokens[scheme], ...grounds }), scheme)
      : undefined),
    ...(groundColor || groundColorDark ? grounds : undefined),
  }
}

const only = (names: readonly string[], all: Tokens[Scheme]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, all[name] ?? '']))

/** What lies on the ground takes its tint, by the same shares as ours. */
const groundTokens = (ground: string, scheme: Scheme, ours: Tokens[Scheme]): Record<string, string> =>
  scheme === 'light'
    ? { ground, surface: ours.surface ?? '', inset: mix(ground, '#ffffff', 0.4), line: mix(ground, '#000000', 0.075) }
    : {
        ground,
        surface: mix(ground, '#ffffff', 0.04),
        inset: mix(ground, '#ffffff', 0.075),
        line: mix(ground, '#ffffff', 0.14),
      }

function brandOf(colours: Colours, scheme: Scheme, ours: Tokens[Scheme]): string {
  const { brandColor, brandColorDark } = colours
  if (scheme === 'light') return brandColor ?? ours.brand ?? ''
  if (brandColorDark || !brandColor) return brandColorDark ?? ours.brand ?? ''
  const stands = (ratio: number) => (shade: string) =>
    Object.keys(backgrounds).every((name) => contrast(shade, ours[name] ?? '') >= ratio)
  return nearestShade(brandColor, stands(comfortable)) ?? nearestShade(brandColor, stands(4.5)) ?? brandColor
}

/** Under the pointer a colour moves away from the background, so a link only gains by it. */
function brandTokens(brand: string, scheme: Scheme): Record<string, string> {
  const strong = scheme === 'light' ? mix(brand, '#000000', 0.22) : mix(brand, '#ffffff', 0.25)
  const worst = (text: string) => Math.min(contrast(text, brand), contrast(text, strong))
  return { brand, 'brand-strong': strong, 'on-brand': worst('#ffffff') >= worst('#000000') ? '#ffffff' : '#000000' }
}

interface Failure extends Pair {
  scheme: Scheme
  ratio: number
  background: string
  /** The colour to change. */
  key: keyof Colours
}

function failuresOf(colours: Colours, scheme: Scheme, tokens: Tokens): Failure[] {
  const all: Record<string, string> = { ...tokens[scheme], ...paletteOf(colours, scheme, tokens) }
  return pairs.flatMap((pair) => {
    const background = all[pair.on] ?? ''
    const ratio = contrast(all[pair.colour] ?? '', background)
    const key = keyToChange(colours, scheme, pair)
    return ratio < pair.needs && key ? [{ ...pair, scheme, ratio, background, key }] : []
  })
}

/** Undefined where neither side is the operator's. */
function keyToChange(colours: Colours, scheme: Scheme, { colour, on }: Pair): keyof Colours | undefined {
  const brand = scheme === 'dark' && colours.brandColorDark ? 'brandColorDark' : 'brandColor'
  const ground = scheme === 'dark' ? 'groundColorDark' : 'groundColor'
  const isBrands = /brand/.test(colour + on)
  if (isBrands && colours[brand]) return brand
  return on in backgrounds && colours[ground] ? ground : undefined
}

/** One sentence for each colour that does not stand out enough, with what was measured and the nearest shade that does. */
export const contrastProblems = (given: Colours, tokens: Tokens): string[] =>
  schemes.flatMap((scheme) => {
    const grounds = failuresOf(given, scheme, tokens).filter(({ key }) => key.startsWith('ground'))
    const { groundColor, groundColorDark } = given
    const groundKey = scheme === 'light' ? 'groundColor' : 'groundColorDark'
    const groundPasses = (shade: string) =>
      failuresOf({ groundColor, groundColorDark, [groundKey]: shade }, scheme, tokens).every(
        (failure) => keyToChange(given, scheme, failure) !== groundKey,
      )
    // A brand colour is not blamed for a ground on which nothing can be read: it is measured on ours until that is mended.
    const usable = { ...given }
    for (const { key } of grounds) usable[key] = undefined
    const brands = failuresOf(usable, scheme, tokens).filter(({ key }) => key.startsWith('brand'))
    const brandKey = brands[0]?.key
    const brandPasses = (shade: string) =>
      brandKey !== undefined &&
      failuresOf({ ...usable, [brandKey]: shade }, scheme, tokens).every(({ key }) => key !== brandKey)
    return [...sentences(grounds, given, groundPasses), ...sentences(brands, given, brandPasses)]
  })

/** `failures` are those of one colour. */
function sentences(failures: readonly Failure[], given: Colours, passes: (shade: string) => boolean): string[] {
  const [worst, ...others] = failures.toSorted((a, b) => a.ratio / a.needs - b.ratio / b.needs)
  if (!worst) return []
  const { key, scheme, what, background, ratio, needs } = worst
  const colour = given[key] ?? ''
  const shade = nearestShade(colour, passes)
  const measured = `${what} (${colour === background ? 'on it' : `on ${background}`}) has ${shown(ratio)}:1 and needs ${needs}:1`
  const more = others.length > 0 ? `, and ${others.length} more of its pairs fail` : ''
  const remedy = shade ? `The nearest shade that passes is ${shade}.` : 'No shade of it passes: choose another colour.'
  return [`${key} ${colour} stands out too little on ${scheme} pages: ${measured}${more}. ${remedy}`]
}

/** Cut, not rounded: 4.499 must not read as 4.5. */
const shown = (ratio: number): string => (Math.floor(ratio * 100) / 100).toFixed(2)
