// Seals what must be readable again (AES-256-GCM), keys ids by HMAC, and derives every other key from GATEHOUSE_SEALING_KEY.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'

export interface Sealing {
  /** Encrypts text; `purpose` is authenticated, so that a value cannot be moved to another column. */
  seal(text: string, purpose: string): string
  /** Throws when the value was altered, was sealed for another purpose, or under a key that is not configured. */
  open(sealed: string, purpose: string): string
  /** HMAC-SHA-256 of a bearer value under the newest key: the form in which it is stored. */
  digest(value: string): Buffer
  /** The same under every configured key, newest first: for look-ups while a sealing key is being rotated. */
  digests(value: string): Buffer[]
  /** 32 bytes for one purpose, equal on every node with the same newest key. */
  derive(purpose: string): Buffer
  /** Tells two keys apart without telling anything about them. */
  fingerprints: string[]
}

const derived = (key: Buffer, purpose: string) =>
  Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), `gatehouse ${purpose}`, 32))

export function createSealing(keys: Buffer[]): Sealing {
  const [newest] = keys
  if (!newest) throw new TypeError('at least one sealing key is needed')
  const sealKeys = keys.map((key) => derived(key, 'sealing'))
  const idKeys = keys.map((key) => derived(key, 'ids'))
  const digests = (value: string) => idKeys.map((key) => createHmac('sha256', key).update(value).digest())
  return {
    seal: (text, purpose) => seal(sealKeys[0] as Buffer, text, purpose),
    open: (sealed, purpose) => open(sealKeys, sealed, purpose),
    digest: (value) => digests(value)[0] as Buffer,
    digests,
    derive: (purpose) => derived(newest, purpose),
    fingerprints: keys.map((key) => derived(key, 'fingerprint').toString('base64url').slice(0, 16)),
  }
}

// Layout: 12 bytes nonce, 16 bytes tag, ciphertext.
function seal(key: Buffer, text: string, purpose: string): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(purpose))
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')
}

function open(keys: Buffer[], sealed: string, purpose: string): string {
  const bytes = Buffer.from(sealed, 'base64url')
  for (const key of keys) {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 })
    decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(12, 28))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8')
    } catch {
      // Sealed under another key: an older one may fit.
    }
  }
  throw new Error(
    `A value sealed for ${purpose} cannot be opened: it was altered, or its key is missing from GATEHOUSE_SEALING_KEYS_OLD.`,
  )
}
