// Recovery codes: ten on paper for the day when every other factor is gone, each good once.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Database } from '../../database/database.ts'
import type { Sealing } from '../../sealing.ts'
import { createRecoveryCodeStore } from './recovery-code-store.ts'

interface Parts {
  database: Database
  sealing: Pick<Sealing, 'seal' | 'open' | 'fingerprints'>
}

// Crockford's base32: what is easily taken for one another is one. Twelve of its letters are 60 bits.
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const codeLength = 12
const codeCount = 10

/** Sealed and not only keyed, because the paper outlives a sealing key: they are sealed anew when it is replaced. */
export const recoveryCodePurpose = (sub: string) => `recovery code ${sub}`

export type RecoveryCodes = ReturnType<typeof createRecoveryCodes>

export function createRecoveryCodes({ database, sealing }: Parts) {
  const store = createRecoveryCodeStore({ database })
  const [sealingKey = ''] = sealing.fingerprints

  return {
    /** Ten new ones, to be shown once: they are nowhere kept. The earlier ones are dead. */
    regenerate: async (sub: string): Promise<string[]> => {
      const codes = Array.from({ length: codeCount }, newCode)
      const sealed = codes.map((code) =>
        sealing.seal(digest(sub, code).toString('base64url'), recoveryCodePurpose(sub)),
      )
      await store.replaceAll(sub, sealed, sealingKey)
      return codes.map(grouped)
    },

    /** Strikes the code off. */
    use: async (sub: string, code: string): Promise<boolean> => {
      const plain = plainCode(code)
      if (plain === undefined) return false
      const given = digest(sub, plain)
      const [match] = (await store.listUnused(sub)).filter(({ sealedDigest }) =>
        timingSafeEqual(Buffer.from(sealing.open(sealedDigest, recoveryCodePurpose(sub)), 'base64url'), given),
      )
      return match !== undefined && store.use(match.id)
    },
  }
}

const newCode = () => Array.from(randomBytes(codeLength), (byte) => alphabet[byte % alphabet.length]).join('')

const grouped = (code: string) => code.replace(/.{4}(?=.)/g, '$&-')

const digest = (sub: string, code: string) =>
  createHash('sha256')
    .update(JSON.stringify([sub, code]))
    .digest()

/** Case, spaces and dashes do not count, and O is 0, I and L are 1. */
function plainCode(typed: unknown): string | undefined {
  if (typeof typed !== 'string' || typed.length > 64) return undefined
  const code = typed
    .replace(/[\s\p{Pd}]/gu, '')
    .toUpperCase()
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1')
  return code.length === codeLength && /^[0-9A-HJKMNP-TV-Z]+$/.test(code) ? code : undefined
}
