// Refuses an SVG that holds more than a drawing. It is shown by <img> alone and served under a policy of its own; this is the third lock.

const forbidden: readonly { pattern: RegExp; what: string }[] = [
  { pattern: /<(?:[\w.-]+:)?script\b/i, what: 'a script' },
  { pattern: /[\s/"']on\w+\s*=/i, what: 'an event handler' },
  { pattern: /<(?:[\w.-]+:)?(?:foreignObject|iframe|embed|object|audio|video)\b/i, what: 'foreign content' },
  { pattern: /<!DOCTYPE|<!ENTITY/i, what: 'a document type, which may define entities' },
  { pattern: /<\?xml-stylesheet/i, what: 'a style sheet from elsewhere' },
  { pattern: /@import/i, what: 'a style sheet from elsewhere' },
  { pattern: /\b(?:java|vb)script\s*:/i, what: 'a script' },
  // A place in the drawing, or a picture that it carries itself, may be referred to; nothing else.
  {
    pattern: /\b(?:href|src)\s*=\s*(?:["']\s*)?(?!["'\s]|#|data:image\/(?:png|jpeg|gif|webp)[;,])/i,
    what: 'a reference to something outside of it',
  },
  { pattern: /url\(\s*(?:["']\s*)?(?!["'\s]|#)/i, what: 'a reference to something outside of it' },
  {
    pattern: /<(?:[\w.-]+:)?(?:set|animate)\b[^>]*\battributeName\s*=\s*["']?(?:[\w.-]+:)?(?:href|on\w+)/i,
    what: 'a script',
  },
]

/** What is wrong with it, as the end of “holds …”; undefined when it is only a drawing. */
export function svgProblem(body: Uint8Array): string | undefined {
  const text = utf8(body)
  if (text === undefined || /<\?xml[^>]*\bencoding\s*=\s*["'](?!utf-8["'])/i.test(text)) return 'text that is not UTF-8'
  if (!/<(?:[\w.-]+:)?svg[\s>]/.test(text)) return 'no <svg> element'
  const drawing = withoutReferences(text)
  return forbidden.find(({ pattern }) => pattern.test(drawing))?.what
}

function utf8(body: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body)
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}

/** XML and CSS let any character be written by its number. */
const withoutReferences = (text: string): string =>
  text
    .replace(/&#(?:x([0-9a-f]+)|(\d+));?/gi, (_, hex?: string, decimal?: string) =>
      character(hex ? Number.parseInt(hex, 16) : Number(decimal)),
    )
    .replace(/\\([0-9a-f]{1,6})\s?/gi, (_, hex: string) => character(Number.parseInt(hex, 16)))

const character = (code: number): string => (code <= 0x10ffff ? String.fromCodePoint(code) : '')
