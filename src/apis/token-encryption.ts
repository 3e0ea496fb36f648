// To which key the access tokens of an API are encrypted (JWE, RFC 7516): its own public one, given here or found at an address.
import { createPublicKey, type KeyObject } from 'node:crypto'

export interface PublicJwks {
  keys: Record<string, unknown>[]
}

export type ApiEncryption = { jwks: PublicJwks; jwksUri?: never } | { jwksUri: string; jwks?: never }

export interface EncryptionKey {
  alg: 'RSA-OAEP-256' | 'ECDH-ES'
  enc: 'A256GCM'
  key: KeyObject
  kid?: string
}

const curves = ['P-256', 'P-384', 'P-521', 'X25519']
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']
const mostKeys = 20

/** The first key of the set that one can encrypt to; undefined when there is none. */
export function encryptionKeyIn(jwks: unknown): EncryptionKey | undefined {
  const keys = isRecord(jwks) && Array.isArray(jwks.keys) ? jwks.keys.slice(0, mostKeys) : []
  for (const jwk of keys) {
    const found = isRecord(jwk) ? encryptionKey(jwk) : undefined
    if (found) return found
  }
  return undefined
}

function encryptionKey(jwk: Record<string, unknown>): EncryptionKey | undefined {
  const alg = jwk.kty === 'RSA' ? 'RSA-OAEP-256' : curves.includes(String(jwk.crv)) ? 'ECDH-ES' : undefined
  const isForThis = (jwk.use ?? 'enc') === 'enc' && (jwk.alg ?? alg) === alg
  const key = alg && isForThis ? readable(jwk) : undefined
  if (!alg || !key) return undefined
  return { alg, enc: 'A256GCM', key, ...(typeof jwk.kid === 'string' && { kid: jwk.kid }) }
}

function readable(jwk: Record<string, unknown>): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    return (key.asymmetricKeyDetails?.modulusLength ?? 2048) >= 2048 ? key : undefined
  } catch {
    return undefined
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** What is wrong with it, in a sentence; undefined when nothing is. */
export function encryptionProblem(encryption: ApiEncryption): string | undefined {
  const { jwks, jwksUri } = encryption
  if ((jwks === undefined) === (jwksUri === undefined)) return 'Give either a key set or the address of one.'
  if (jwksUri !== undefined) {
    const isGood = URL.canParse(jwksUri) && /^https:\/\/[^@#\s]+$/.test(jwksUri) && jwksUri.length <= 2000
    return isGood
      ? undefined
      : 'The address of the key set must be an https URL without user name, password or fragment.'
  }
  const keys = isRecord(jwks) && Array.isArray(jwks.keys) ? jwks.keys : []
  if (keys.some((jwk) => isRecord(jwk) && privateMembers.some((member) => member in jwk)))
    return 'The key set holds a private or secret key. Send public keys only, and replace the key that you have just shown.'
  if (keys.length > mostKeys || JSON.stringify(jwks).length > 40_000) return `A key set has at most ${mostKeys} keys.`
  return encryptionKeyIn(jwks)
    ? undefined
    : `The key set has no key to encrypt to: RSA of 2048 bits or more, or ${curves.join(', ')}, with use enc or without use.`
}
