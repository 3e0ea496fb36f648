// Decides which text may go further: what PostgreSQL cannot store (NUL, lone surrogates) or nobody can decode may not.

const deepestJson = 64

export function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}

/** The text that these bytes are in UTF-8, or undefined where they are not. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** Undoes percent-encoding strictly: undefined for `%zz`, for bytes that are not UTF-8 and for a cut sequence. */
export function decodePercent(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Looks at every string and key, however deep, without recursion; too deep a document counts as not storable. */
export function isStorableJson(document: unknown): boolean {
  const waiting: { value: unknown; depth: number }[] = [{ value: document, depth: 0 }]
  for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
    const { value, depth } = item
    if (typeof value === 'string' && !isStorable(value)) return false
    if (typeof value !== 'object' || value === null) continue
    if (depth >= deepestJson) return false
    for (const [key, inner] of Object.entries(value)) {
      if (!isStorable(key)) return false
      waiting.push({ value: inner, depth: depth + 1 })
    }
  }
  return true
}

/**
 * A JWT carries JSON of its own, and the engine looks clients up by an unverified `sub` or `aud` (RFC 7523, 3; OpenID
 * RP-Initiated Logout, 2). As lenient as its decoder, so that nothing is read there that was not seen here.
 */
export function isStorableToken(text: string): boolean {
  const parts = text.split('.')
  if (parts.length < 3 || parts.length > 5) return true
  return parts.slice(0, 2).every((part) => {
    const document = parseJson(Buffer.from(part, 'base64url').toString())
    return document === undefined || isStorableJson(document)
  })
}

/** undefined when it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
