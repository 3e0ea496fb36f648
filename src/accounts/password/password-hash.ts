// Hashes passwords with argon2id and checks them; the only file that knows the parameters and the package.
import { randomBytes } from 'node:crypto'
import * as argon2 from 'argon2'

// OWASP's minimum for argon2id: 19 MiB, two passes, one lane. Raised here, every account follows at its next sign-in.
const parameters = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

// The same password typed on two devices may arrive composed or decomposed (RFC 8265 4.2.2, NIST SP 800-63B-4 3.1.1.2).
// NFC, not NFKC: NFKC would make what looks different, such as ² and 2, the same, and a password weaker than it was typed.
const normalised = (password: string) => password.normalize('NFC')

export const hash = (password: string): Promise<string> => argon2.hash(normalised(password), parameters)

export const verify = (stored: string, password: string): Promise<boolean> =>
  argon2.verify(stored, normalised(password))

export const needsRehash = (stored: string): boolean =>
  !stored.startsWith('$argon2id$') || argon2.needsRehash(stored, parameters)

/** Costs as much to verify as a real hash and fits no password: its digest is random. */
export function unmatchableHash(): string {
  const random = (bytes: number) => randomBytes(bytes).toString('base64').replace(/=+$/, '')
  const { memoryCost, timeCost, parallelism } = parameters
  return `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$${random(16)}$${random(32)}`
}
