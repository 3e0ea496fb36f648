// Makes the key for an algorithm that an API or a client has begun to ask for, and puts it to use on this node at once.
import type { Database } from '../database/database.ts'
import type { KeyRing, KeySet } from '../keys/key-ring.ts'

export interface MissingKeysParts {
  database: Pick<Database, 'independently'>
  keyRing: Pick<KeyRing, 'ensureAlgorithm' | 'load'>
  current(): KeySet | undefined
  use(keySet: KeySet): void
}

type Algorithm = Parameters<KeyRing['ensureAlgorithm']>[0]

export function createMissingKeys({ database, keyRing, current, use }: MissingKeysParts) {
  const underWay = new Map<Algorithm, Promise<void>>()

  // Outside the request's transaction: it may be rolled back, and must not sign with a key that nobody else has.
  const make = (alg: Algorithm) =>
    database.independently(async () => {
      await keyRing.ensureAlgorithm(alg)
      use(await keyRing.load())
    })

  return async (alg: Algorithm): Promise<void> => {
    if (current()?.signing.some((key) => key.alg === alg)) return
    const making = underWay.get(alg) ?? make(alg).finally(() => underWay.delete(alg))
    underWay.set(alg, making)
    await making
  }
}
