// Opens the signing keys for one command, with the sealing key that the running servers use or not at all.
import { createDeploymentCheck } from '../keys/deployment-check.ts'
import { createKeyRing, type KeyRing } from '../keys/key-ring.ts'
import { createSigningKeyStore } from '../keys/signing-key-store.ts'
import type { OpenDatabase } from './open-database.ts'
import { CommandRefusal } from './refusals.ts'

type Parts = Pick<OpenDatabase, 'database' | 'sealing'>

export async function openKeyRing(parts: Parts): Promise<KeyRing> {
  await demandSealingKey(parts)
  return createKeyRing({ ...parts, store: createSigningKeyStore(parts) })
}

/** Whatever is sealed or digested here must be understood by the servers. */
export async function demandSealingKey(parts: Parts): Promise<void> {
  const check = await createDeploymentCheck(parts).checkSealingKey()
  if (!check.ok) throw new CommandRefusal('sealing_key', check.message)
}
