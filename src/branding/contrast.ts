// Measures how well two colours stand apart, by the formula of WCAG 2.2, and finds shades of a colour.

/** `#rgb` or `#rrggbb`, in lower case and with six digits; undefined for anything else. */
export function colourOf(text: string): string | undefined {
  if (/^#[0-9a-f]{6}$/i.test(text)) return text.toLowerCase()
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(text)
  return short ? `#${[...short.slice(1)].map((digit) => digit + digit).join('')}`.toLowerCase() : undefined
}

/** From 1 to 21 (WCAG 2.2, "contrast ratio"). */
export function contrast(one: string, other: string): number {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (lighter + 0.05) / (darker + 0.05)
}

/** WCAG 2.2, "relative luminance". */
function luminance(colour: string): number {
  const [red, green, blue] = channels(colour).map((value) =>
    value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4,
  ) as Triple
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/** `share` of `other` in `colour`, from 0 to 1. */
export function mix(colour: string, other: string, share: number): string {
  const added = channels(other)
  return fromChannels(channels(colour).map((value, index) => value + ((added[index] ?? 0) - value) * share) as Triple)
}

// Finer than the 256 values of a channel.
const steps = 512

/** The shade of the colour (the same hue, lighter or darker) that passes and lies nearest to it. */
export function nearestShade(colour: string, passes: (shade: string) => boolean): string | undefined {
  const { hue, saturation, lightness } = toHsl(channels(colour))
  for (let step = 0; step <= steps; step += 1) {
    for (const candidate of [lightness - step / steps, lightness + step / steps]) {
      if (candidate < 0 || candidate > 1) continue
      const shade = step === 0 ? colour : fromHsl({ hue, saturation, lightness: candidate })
      if (passes(shade)) return shade
    }
  }
  return undefined
}

type Triple = [number, number, number]
interface Hsl {
  hue: number
  saturation: number
  lightness: number
}

const channels = (colour: string): Triple =>
  [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255) as Triple

const fromChannels = (values: Triple): string =>
  `#${values
    .map((value) =>
      Math.round(value * 255)
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`

function toHsl([red, green, blue]: Triple): Hsl {
  const most = Math.max(red, green, blue)
  const range = most - Math.min(red, green, blue)
  const lightness = most - range / 2
  const saturation = range === 0 ? 0 : range / (1 - Math.abs(2 * lightness - 1))
  if (range === 0) return { hue: 0, saturation, lightness }
  if (most === red) return { hue: ((green - blue) / range + 6) % 6, saturation, lightness }
  return { hue: most === green ? (blue - red) / range + 2 : (red - green) / range + 4, saturation, lightness }
}

function fromHsl({ hue, saturation, lightness }: Hsl): string {
  const reach = saturation * Math.min(lightness, 1 - lightness)
  const channel = (offset: number) => {
    const position = (offset + hue * 2) % 12
    return lightness - reach * Math.max(-1, Math.min(position - 3, 9 - position, 1))
  }
  return fromChannels([channel(0), channel(8), channel(4)])
}
