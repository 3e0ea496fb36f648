// Knows every scheme of password hashing that an account may come with, and which hash is whose.
import type { Sentence } from '../../../language/translations.ts'
import type { Sealing } from '../../../sealing.ts'
import { needsRehash } from '../password-hash.ts'
import { argon2Hash } from './argon2-hash.ts'
import { bcryptHash } from './bcrypt-hash.ts'
import { createFirebaseScryptHash } from './firebase-scrypt-hash.ts'
import type { HashScheme } from './hash-scheme.ts'
import { pbkdf2Hash } from './pbkdf2-hash.ts'
import { scryptHash } from './scrypt-hash.ts'

const texts = { malformed: 'account-fields.hash_malformed', too_costly: 'account-fields.hash_too_costly' }

export type HashSchemes = ReturnType<typeof createHashSchemes>

export function createHashSchemes({ sealing }: { sealing: Pick<Sealing, 'seal' | 'open'> }) {
  const firebase = createFirebaseScryptHash({ sealing })
  const schemes: HashScheme[] = [argon2Hash, bcryptHash, pbkdf2Hash, scryptHash, firebase]
  const schemeOf = (hash: string) => schemes.find((scheme) => scheme.recognises(hash))

  return {
    /** Why a hash cannot be imported; undefined when it can. */
    problem: (hash: string): Sentence | undefined => {
      const scheme = schemeOf(hash)
      // Sealed here or elsewhere: what is exported is not.
      if (!scheme || firebase.isSealed(hash)) return { key: 'account-fields.hash_unknown' }
      const problem = scheme.problem(hash)
      return problem && { key: texts[problem], values: { scheme: scheme.name } }
    },
    /** As it is kept here: what is secret in it is sealed. */
    toStored: firebase.toStored,
    /** As another deployment can read it. */
    toPortable: firebase.toPortable,
    /** Rejects when the hash cannot be read, or would cost more than it may. */
    verify: async (hash: string, password: string): Promise<boolean> => {
      const scheme = schemeOf(hash)
      if (!scheme || scheme.problem(hash)) throw new Error('The password hash cannot be verified.')
      return scheme.verify(hash, password)
    },
    /** Asked once the password has turned out to be right. */
    needsRehash: (hash: string, password: string): boolean => {
      const scheme = schemeOf(hash)
      if (scheme === argon2Hash) return needsRehash(hash)
      return scheme?.covers?.(password) ?? true
    },
  }
}
