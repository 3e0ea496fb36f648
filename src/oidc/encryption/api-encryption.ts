// Finds the key to which an API's access tokens are encrypted; one at an address is fetched, kept, and outlives an outage there.
import { errors } from 'oidc-provider'
import type { Api } from '../../apis/api-store.ts'
import { type ApiEncryption, type EncryptionKey, encryptionKeyIn } from '../../apis/token-encryption.ts'

export interface ApiEncryptionParts {
  /** Calls nobody within the own network, and reads no more than a key set may have. */
  fetch(url: string, options: { signal: AbortSignal }): Promise<Response>
  now(): Date
}

interface Kept {
  key: EncryptionKey | undefined
  at: number
}

export type ApiEncryptionKeys = ReturnType<typeof createApiEncryption>

/** Milliseconds. */
const timeLimit = 2500
const fresh = 300_000
const longest = 86_400_000
const cooldown = 10_000

export function createApiEncryption({ fetch, now }: ApiEncryptionParts) {
  const given = new WeakMap<ApiEncryption, EncryptionKey | undefined>()
  const fetched = new Map<string, Kept>()
  const triedAt = new Map<string, number>()

  const fetchKey = async (uri: string): Promise<void> => {
    triedAt.set(uri, now().getTime())
    const answer = await fetch(uri, { signal: AbortSignal.timeout(timeLimit) })
    fetched.set(uri, { key: encryptionKeyIn(await answer.json()), at: now().getTime() })
  }

  const at = async (uri: string): Promise<EncryptionKey | undefined> => {
    const time = now().getTime()
    const known = fetched.get(uri)
    if (known && time - known.at < fresh) return known.key
    if (time - (triedAt.get(uri) ?? 0) >= cooldown) await fetchKey(uri).catch(() => undefined)
    const found = fetched.get(uri)
    return found && time - found.at < longest ? found.key : undefined
  }

  const of = async (encryption: ApiEncryption): Promise<EncryptionKey | undefined> => {
    if (encryption.jwksUri !== undefined) return at(encryption.jwksUri)
    if (!given.has(encryption)) given.set(encryption, encryptionKeyIn(encryption.jwks))
    return given.get(encryption)
  }

  return {
    /** Undefined for an API whose tokens are not encrypted. Never a token in the clear because a key cannot be had. */
    keyOf: async ({
      encryption,
      audience,
    }: Pick<Api, 'encryption' | 'audience'>): Promise<EncryptionKey | undefined> => {
      if (!encryption) return undefined
      const key = await of(encryption)
      if (key) return key
      const options = { detail: `the key to encrypt tokens for ${audience} cannot be had` } as never
      const refusal = new errors.TemporarilyUnavailable('no token for this API can be issued at the moment', options)
      throw Object.assign(refusal, { status: 503, statusCode: 503, allow_redirect: false })
    },
  }
}
