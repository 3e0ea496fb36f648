// Brings a TOTP seed from another system into the one spelling of its bytes in base32 (RFC 4648), which strict readers demand.
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** RFC 4226 section 4 demands 128 bits; more than a block of HMAC-SHA-1 would be hashed first. */
const fewestBytes = 16
const mostBytes = 64

/** Undefined where it is no base32, or of another length. */
export function readTotpSeed(given: string): string | undefined {
  // Apps show it in groups, in small letters too.
  const text = given.replace(/[\s-]|=+$/g, '').toUpperCase()
  const bytes = Math.floor((text.length * 5) / 8)
  if (!/^[A-Z2-7]+$/.test(text) || bytes < fewestBytes || bytes > mostBytes) return undefined
  // What is left over beyond whole bytes says nothing, and lenient apps have always dropped it.
  const characters = Math.ceil((bytes * 8) / 5)
  const spareBits = characters * 5 - bytes * 8
  const last = (alphabet.indexOf(text.charAt(characters - 1)) >> spareBits) << spareBits
  return text.slice(0, characters - 1) + alphabet.charAt(last)
}
