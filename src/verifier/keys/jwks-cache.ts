// Keeps the issuer's keys at hand: through a rotation, through an outage, and without ever hammering the issuer.
import { type CryptoKey, createLocalJWKSet, errors, type JSONWebKeySet } from 'jose'

interface Parts {
  /** Fetches the key set; rejects with an Error that says why it could not. */
  load: () => Promise<JSONWebKeySet>
  now: () => Date
  /** Seconds after which the set is fetched again in the background. */
  cacheMaxAge: number
  /** Seconds after a fetch, successful or not, in which an unknown key causes no other. */
  cooldown: number
}

type KeySet = ReturnType<typeof createLocalJWKSet>

/** How long the last good set serves while the issuer cannot be reached: 24 hours, in seconds. */
const OUTAGE_SECONDS = 86_400

/** No key set to check with, or one that may be too old to know the key. */
export class KeysUnavailable extends Error {
  /** Seconds. */
  readonly retryAfter: number

  constructor(retryAfter: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.retryAfter = retryAfter
  }
}

export function createJwksCache({ load, now, cacheMaxAge, cooldown }: Parts) {
  let keys: KeySet | undefined
  let loadedAt = Number.NEGATIVE_INFINITY
  let triedAt = Number.NEGATIVE_INFINITY
  let failures = 0
  let failure: unknown
  let pending: Promise<void> | undefined

  const seconds = () => now().getTime() / 1000
  // A clock that was set back must not freeze the cache: a time in the future counts as long ago.
  const isWithin = (since: number, duration: number) => seconds() >= since && seconds() - since < duration
  const isUsable = () => keys !== undefined && isWithin(loadedAt, OUTAGE_SECONDS)

  async function fetchKeys(): Promise<void> {
    try {
      keys = createLocalJWKSet(await load())
      loadedAt = seconds()
      failures = 0
    } catch (error) {
      failures += 1
      failure = error
    } finally {
      triedAt = seconds()
      pending = undefined
    }
  }

  // One fetch at a time, shared by all who wait; one per cooldown, save that a failed first fetch is tried again at once.
  function refresh(): Promise<void> {
    const isRetry = failures === 1 && !isUsable()
    if (!pending && isWithin(triedAt, cooldown) && !isRetry) return Promise.resolve()
    pending ??= fetchKeys()
    return pending
  }

  async function freshen(): Promise<void> {
    if (!isUsable()) return refresh()
    if (isWithin(loadedAt, cacheMaxAge)) return
    const refreshed = refresh()
    // Whoever was idle waits, lest a key withdrawn long ago pass once more; in an outage nobody does.
    if (!isWithin(loadedAt, 2 * cacheMaxAge) && failures === 0) await refreshed
  }

  const unavailable = () => new KeysUnavailable(Math.max(1, triedAt + cooldown - seconds()), failure)

  return {
    /** Resolves once there are keys to check with; throws KeysUnavailable. */
    prepare: async (): Promise<void> => {
      await freshen()
      if (!isUsable()) throw unavailable()
    },
    /** The key of this token's header, as jose asks for it; throws jose's JWKS errors or KeysUnavailable. */
    find: async (...[header, token]: Parameters<KeySet>): Promise<CryptoKey> => {
      await freshen()
      if (!keys || !isUsable()) throw unavailable()
      try {
        return await keys(header, token)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
        await refresh()
      }
      try {
        return await keys(header, token)
      } catch (error) {
        if (error instanceof errors.JWKSNoMatchingKey && failures > 0) throw unavailable()
        throw error
      }
    },
  }
}
