// Builds one node's key parts on a database, the way that the server wires them.

import { createDatabase, type Database } from '../../src/database/database.ts'
import { createKeyRing, type KeySet } from '../../src/keys/key-ring.ts'
import { createSigningKeyStore } from '../../src/keys/signing-key-store.ts'
import { createSealing } from '../../src/sealing.ts'

export const sealingKey = (seed: number): Buffer => Buffer.alloc(32, seed)

export function keyParts(database: Database, sealingKeys: Buffer[] = [sealingKey(1)]) {
  const sealing = createSealing(sealingKeys)
  const store = createSigningKeyStore({ database })
  return { database, sealing, store, ring: createKeyRing({ database, store, sealing }) }
}

/** A ring that waits after reading the keys, so that without the lock two changes at once would surely cross. */
export function hesitantRing({ database, sealing, store }: ReturnType<typeof keyParts>) {
  const list: typeof store.list = async () => {
    const keys = await store.list()
    await pause(50)
    return keys
  }
  return createKeyRing({ database, sealing, store: { ...store, list } })
}

/** A second node: a pool of its own on the same database. */
export function secondNode(url: string, sealingKeys?: Buffer[]) {
  const database = createDatabase({ url, poolSize: 3, preparedStatements: true, onError: () => undefined })
  return { ...keyParts(database, sealingKeys), end: () => database.end() }
}

export const kidsOf = (keySet: KeySet, alg: string): (string | undefined)[] =>
  keySet.public.keys.filter((key) => key.alg === alg).map((key) => key.kid)

export const pause = (milliseconds: number) => new Promise<void>((done) => setTimeout(done, milliseconds))
