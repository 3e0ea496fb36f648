// Scrypt (RFC 7914) as a PHC string, and the derivation that Firebase's variant builds on.
import { type ScryptOptions, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { areEqual, base64, bytesOf, type HashScheme } from './hash-scheme.ts'

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)
const form = new RegExp(`^\\$scrypt\\$ln=(\\d{1,2}),r=(\\d{1,3}),p=(\\d{1,3})\\$(${base64})\\$(${base64})$`)
/** N · r · p, and as much memory as 128 bytes each: 256 MiB, 0.7 seconds of a core. */
const mostWork = 2 ** 21

export interface ScryptCost {
  /** The binary logarithm of N. */
  ln: number
  r: number
  p: number
}

export function scryptCostProblem({ ln, r, p }: ScryptCost): 'malformed' | 'too_costly' | undefined {
  // RFC 7914 section 6: N is less than 2^(16 · r).
  if (!(ln >= 1 && r >= 1 && p >= 1 && ln < 16 * r)) return 'malformed'
  return 2 ** ln * r * p > mostWork ? 'too_costly' : undefined
}

export function deriveByScrypt(
  password: string,
  salt: Buffer,
  bytes: number,
  { ln, r, p }: ScryptCost,
): Promise<Buffer> {
  // Somewhat more than it takes, which is 128 · r · (N + p).
  const maxmem = 128 * r * (2 ** ln + p + 16)
  return derive(password, salt, bytes, { N: 2 ** ln, r, p, maxmem })
}

function read(hash: string) {
  const [, ln, r, p, salt, key] = form.exec(hash) ?? []
  if (!salt || !key) return undefined
  const read = { cost: { ln: Number(ln), r: Number(r), p: Number(p) }, salt: bytesOf(salt), key: bytesOf(key) }
  return read.key.length >= 16 && read.key.length <= 512 && read.salt.length <= 512 ? read : undefined
}

export const scryptHash: HashScheme = {
  name: 'scrypt',
  recognises: (hash) => hash.startsWith('$scrypt$'),
  problem: (hash) => {
    const given = read(hash)
    return given ? scryptCostProblem(given.cost) : 'malformed'
  },
  verify: async (hash, password) => {
    const given = read(hash)
    if (!given) return false
    return areEqual(await deriveByScrypt(password, given.salt, given.key.length, given.cost), given.key)
  },
}
