// PBKDF2 (RFC 8018) with HMAC-SHA-1, SHA-256 or SHA-512: Keycloak's values in a PHC string, or as passlib writes them.
import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import { areEqual, base64, bytesOf, type HashScheme } from './hash-scheme.ts'

const derive = promisify(pbkdf2)
const form = new RegExp(
  `^\\$pbkdf2(?:-(sha1|sha256|sha512))?\\$(?:i=)?(\\d{1,9})(?:,l=\\d{1,3})?\\$(${base64})\\$(${base64})$`,
)
/** 0.9 seconds of a core. */
const mostIterations = 2_000_000
const digestBytes = { sha1: 20, sha256: 32, sha512: 64 }
const fewestBytes = 16
const mostBytes = 512

function read(hash: string) {
  const [, digest = 'sha1', iterations, salt, key] = form.exec(hash) ?? []
  if (!iterations || !salt || !key) return undefined
  const read = {
    digest: digest as keyof typeof digestBytes,
    iterations: Number(iterations),
    salt: bytesOf(salt),
    key: bytesOf(key),
  }
  const isWhole = read.iterations > 0 && read.key.length >= fewestBytes && read.key.length <= mostBytes
  return isWhole && read.salt.length <= mostBytes ? read : undefined
}

export const pbkdf2Hash: HashScheme = {
  name: 'pbkdf2',
  recognises: (hash) => hash.startsWith('$pbkdf2'),
  problem: (hash) => {
    const given = read(hash)
    if (!given) return 'malformed'
    return given.iterations > mostIterations ? 'too_costly' : undefined
  },
  verify: async (hash, password) => {
    const given = read(hash)
    if (!given) return false
    // Each digest's length of the key is derived by itself, at the full cost: the first one proves the password.
    const key = given.key.subarray(0, digestBytes[given.digest])
    return areEqual(await derive(password, given.salt, given.iterations, key.length, given.digest), key)
  },
}
