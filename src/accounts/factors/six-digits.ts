// Reads a code of six digits as a person types it: spaces go, and anything else that is no such code is no code at all.
export function sixDigits(typed: unknown): string | undefined {
  if (typeof typed !== 'string' || typed.length > 32) return undefined
  const code = typed.replace(/\s/g, '')
  return /^[0-9]{6}$/.test(code) ? code : undefined
}
