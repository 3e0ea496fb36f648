// Checks that this node shares its sealing key with the others, and moves the database to a newer one when told to.
import type { Database } from '../database/database.ts'
import type { Sealing } from '../sealing.ts'
import { createDeploymentStore } from './deployment-store.ts'
import { openPrivateJwk, sealPrivateJwk } from './sealed-jwk.ts'
import { createSigningKeyStore } from './signing-key-store.ts'

export type SealingKeyCheck = { ok: true } | { ok: false; message: string }

interface Parts {
  database: Database
  sealing: Pick<Sealing, 'seal' | 'open' | 'fingerprints'>
}

const name = 'sealing_key_fingerprint'

export function createDeploymentCheck({ database, sealing }: Parts) {
  const deployment = createDeploymentStore({ database })
  const signingKeys = createSigningKeyStore({ database })
  const [newest = ''] = sealing.fingerprints
  let isSettled = false

  const reseal = () =>
    database.transaction(async () => {
      await signingKeys.lock()
      const stored = await deployment.find(name)
      if (stored === newest || !stored || !sealing.fingerprints.includes(stored)) return
      for (const key of await signingKeys.list()) {
        await signingKeys.reseal(key.kid, sealPrivateJwk(sealing, key.kid, openPrivateJwk(sealing, key)))
      }
      await deployment.update(name, newest)
    })

  return {
    /** For a node's readiness. The first call may move the database to this node's newest sealing key. */
    checkSealingKey: async (): Promise<SealingKeyCheck> => {
      const stored = (await deployment.find(name)) ?? (await firstFingerprint())
      if (!sealing.fingerprints.includes(stored)) return { ok: false, message: otherKey(newest, stored) }
      // Only once: two nodes that list the same keys in another order must not take turns for ever.
      if (stored !== newest && !isSettled) await reseal()
      isSettled = true
      return { ok: true }
    },
  }

  async function firstFingerprint(): Promise<string> {
    await deployment.insert(name, newest)
    return (await deployment.find(name)) ?? newest
  }
}

const otherKey = (mine: string, stored: string) =>
  `GATEHOUSE_SEALING_KEY (fingerprint ${mine}) is not the key that this database was sealed with (fingerprint ${stored}). ` +
  'Give this node the key that the other nodes have. To replace a sealing key, set the new one as GATEHOUSE_SEALING_KEY ' +
  'and list the former one in GATEHOUSE_SEALING_KEYS_OLD. In development the key is the file keys/development-sealing-key: ' +
  'put it back, or start with an empty database.'
