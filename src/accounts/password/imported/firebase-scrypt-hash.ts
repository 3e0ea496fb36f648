// Firebase's scrypt: the project's signer key, encrypted with what scrypt makes of the password, is the hash.
import { createCipheriv } from 'node:crypto'
import type { Sealing } from '../../../sealing.ts'
import { areEqual, base64, bytesOf, type HashScheme } from './hash-scheme.ts'
import { deriveByScrypt, scryptCostProblem } from './scrypt-hash.ts'

export interface FirebaseScryptHash extends HashScheme {
  /** With the signer key sealed: a secret of the old project, without which nobody can try passwords on a stolen table. */
  toStored(hash: string): string
  toPortable(stored: string): string
  isSealed(hash: string): boolean
}

const form = new RegExp(
  `^\\$firebase-scrypt(-sealed)?\\$ln=(\\d{1,2}),r=(\\d{1,3})\\$(${base64})\\$((?:${base64})?)\\$(${base64})\\$(${base64})$`,
)
const purpose = 'firebase signer key'

function parts(hash: string) {
  const [, sealed, ln, r, salt = '', separator = '', signerKey = '', key = ''] = form.exec(hash) ?? []
  if (ln === undefined) return undefined
  return { isSealed: sealed !== undefined, ln: Number(ln), r: Number(r), salt, separator, signerKey, key }
}

type Parts = NonNullable<ReturnType<typeof parts>>
const write = ({ ln, r, salt, separator, key }: Parts, form: string, signerKey: string) =>
  `$${form}$ln=${ln},r=${r}$${salt}$${separator}$${signerKey}$${key}`

/** AES-256 in counter mode, from zero. */
function encrypt(signerKey: Buffer, derivedKey: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-ctr', derivedKey, Buffer.alloc(16))
  return Buffer.concat([cipher.update(signerKey), cipher.final()])
}

export function createFirebaseScryptHash({ sealing }: { sealing: Pick<Sealing, 'seal' | 'open'> }): FirebaseScryptHash {
  const signerKeyOf = ({ isSealed, signerKey }: Parts) => (isSealed ? sealing.open(signerKey, purpose) : signerKey)
  return {
    name: 'firebase-scrypt',
    recognises: (hash) => hash.startsWith('$firebase-scrypt'),
    problem: (hash) => {
      const given = parts(hash)
      if (!given) return 'malformed'
      const { length } = bytesOf(given.key)
      if (length < 16 || length > 512) return 'malformed'
      if (!given.isSealed && bytesOf(given.signerKey).length !== length) return 'malformed'
      return scryptCostProblem({ ...given, p: 1 })
    },
    verify: async (hash, password) => {
      const given = parts(hash)
      if (!given) return false
      const salt = Buffer.concat([bytesOf(given.salt), bytesOf(given.separator)])
      const derived = await deriveByScrypt(password, salt, 32, { ...given, p: 1 })
      return areEqual(encrypt(bytesOf(signerKeyOf(given)), derived), bytesOf(given.key))
    },
    isSealed: (hash) => parts(hash)?.isSealed ?? false,
    toStored: (hash) => {
      const given = parts(hash)
      if (!given || given.isSealed) return hash
      return write(given, 'firebase-scrypt-sealed', sealing.seal(given.signerKey, purpose))
    },
    toPortable: (stored) => {
      const given = parts(stored)
      return given?.isSealed ? write(given, 'firebase-scrypt', signerKeyOf(given)) : stored
    },
  }
}
