// Owns the life of signing keys: the first ones, rotation, emergency retirement, and the set that a node works with.
import { createHash } from 'node:crypto'
import type { JWK } from 'jose'
import type { Database } from '../database/database.ts'
import type { Sealing } from '../sealing.ts'
import { generateSigningKey, type SigningAlgorithm } from './generate-signing-key.ts'
import { createKeyChanges } from './key-changes.ts'
import { type KeyState, keySchedule, nextTransition, openEndedKey } from './key-schedule.ts'
import { type RetireResult, retireKey } from './retire-key.ts'
import { type RotateOptions, type RotateResult, rotateKeys } from './rotate-keys.ts'
import { openPrivateJwk } from './sealed-jwk.ts'
import type { SigningKeyStore } from './signing-key-store.ts'

export interface KeySet {
  /** Private keys in the engine's order: of each algorithm the one that signs comes first. */
  signing: JWK[]
  public: { keys: JWK[] }
  /** Changes with the order and with the content. */
  fingerprint: string
  /** Milliseconds, from the moment of loading, until the set changes by itself. */
  nextTransition: number | undefined
}

export interface ListedKey {
  kid: string
  alg: SigningAlgorithm
  state: KeyState
  createdAt: Date
  signsFrom: Date
  retiresAt: Date | undefined
}

interface Parts {
  database: Database
  store: SigningKeyStore
  sealing: Pick<Sealing, 'seal' | 'open'>
}

export type KeyRing = ReturnType<typeof createKeyRing>

export function createKeyRing({ database, store, sealing }: Parts) {
  const changes = createKeyChanges({ database, store, sealing })

  const ensure = async (algs: SigningAlgorithm[]): Promise<void> => {
    const before = await store.list()
    const missing = algs.filter((alg) => !openEndedKey(before, alg))
    if (missing.length === 0) return
    const generated = await Promise.all(missing.map(generateSigningKey))
    await changes.change(async (keys) => {
      for (const key of generated) if (!openEndedKey(keys, key.alg)) await changes.insert(key, 0)
    })
  }

  return {
    /** At start: the two keys that every deployment needs; of two nodes that start at once, one makes them. */
    ensureKeys: (): Promise<void> => ensure(['ES256', 'RS256']),

    /** When an API or a client first asks for `alg`. */
    ensureAlgorithm: (alg: SigningAlgorithm): Promise<void> => ensure([alg]),

    load: async (): Promise<KeySet> => {
      const keys = await store.list()
      const live = keySchedule(keys).filter(({ state }) => state !== 'retired')
      const publicKeys = live.map(({ key }) => key.publicJwk)
      return {
        signing: live.map(({ key }) => openPrivateJwk(sealing, key)),
        public: { keys: publicKeys },
        fingerprint: createHash('sha256').update(JSON.stringify(publicKeys)).digest('base64url'),
        nextTransition: nextTransition(keys),
      }
    },

    list: async (): Promise<ListedKey[]> =>
      keySchedule(await store.list()).map(({ key: { kid, alg, createdAt, signsFrom, retiresAt }, state }) => {
        return { kid, alg, state, createdAt, signsFrom, retiresAt }
      }),

    /** Publishes new keys, which sign after a delay; refused while an earlier rotation is under way. */
    rotate: (options: RotateOptions): Promise<RotateResult> => rotateKeys(changes, options),

    /** For a key that may be stolen: it leaves at once, and another one signs. */
    retire: (kid: string): Promise<RetireResult> => retireKey(changes, kid),

    removeRetired: (): Promise<number> => store.removeRetired(),
  }
}
