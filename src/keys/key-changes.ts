// Changes keys one change at a time across all nodes, and seals what it inserts.
import type { Database } from '../database/database.ts'
import type { Sealing } from '../sealing.ts'
import type { GeneratedKey } from './generate-signing-key.ts'
import { sealPrivateJwk } from './sealed-jwk.ts'
import type { SigningKeyStore, StoredKey } from './signing-key-store.ts'

interface Parts {
  database: Database
  store: SigningKeyStore
  sealing: Pick<Sealing, 'seal'>
}

export type KeyChanges = ReturnType<typeof createKeyChanges>

export function createKeyChanges({ database, store, sealing }: Parts) {
  return {
    store,

    /** Returns the time from which it signs. */
    insert: ({ kid, alg, publicJwk, privateJwk }: GeneratedKey, delaySeconds: number): Promise<Date> =>
      store.insert({ kid, alg, publicJwk, sealedPrivateJwk: sealPrivateJwk(sealing, kid, privateJwk), delaySeconds }),

    /**
     * One transaction that nobody else's change overlaps; `work` receives the keys as they are under the lock.
     * RSA keys take long to make: make them before, and throw them away when another node was faster.
     */
    change: <T>(work: (keys: StoredKey[]) => Promise<T>): Promise<T> =>
      database.transaction(async () => {
        await store.lock()
        return work(await store.list())
      }),
  }
}
