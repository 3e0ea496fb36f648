// Decides from their times what each key does now, and in which order the engine must see them.
import { keyAlgorithms, type SigningAlgorithm } from './generate-signing-key.ts'
import type { StoredKey } from './signing-key-store.ts'

export type KeyState = 'signing' | 'upcoming' | 'retiring' | 'retired'
type Times = Pick<StoredKey, 'kid' | 'alg' | 'signsIn' | 'retiresIn'>
export type Scheduled<Key extends Times> = { key: Key; state: KeyState }

const hasRetired = (key: Times) => key.retiresIn !== undefined && key.retiresIn <= 0
const byNewest = (a: Times, b: Times) => b.signsIn - a.signsIn || (a.kid < b.kid ? -1 : 1)

/** For each algorithm: the key that signs, then the upcoming ones, then those that only verify, then the retired. */
export function keySchedule<Key extends Times>(keys: Key[]): Scheduled<Key>[] {
  // The engine signs with the first key that fits the algorithm.
  return keyAlgorithms.flatMap((alg) => {
    const mine = keys.filter((key) => key.alg === alg).sort(byNewest)
    const live = mine.filter((key) => !hasRetired(key))
    const [signing, ...retiring] = live.filter((key) => key.signsIn <= 0)
    return [
      ...(signing ? [{ key: signing, state: 'signing' as const }] : []),
      ...live.filter((key) => key.signsIn > 0).map((key) => ({ key, state: 'upcoming' as const })),
      ...retiring.map((key) => ({ key, state: 'retiring' as const })),
      ...mine.filter(hasRetired).map((key) => ({ key, state: 'retired' as const })),
    ]
  })
}

/** The one key of the algorithm whose end is not yet planned: it signs, or will as soon as a rotation is over. */
export const openEndedKey = <Key extends Times>(keys: Key[], alg: SigningAlgorithm): Key | undefined =>
  keys.find((key) => key.alg === alg && key.retiresIn === undefined)

/** Milliseconds until any key changes what it does. */
export function nextTransition(keys: Times[]): number | undefined {
  const ahead = keys
    .filter((key) => !hasRetired(key))
    .flatMap((key) => [key.signsIn, key.retiresIn ?? 0])
    .filter((time) => time > 0)
  return ahead.length > 0 ? Math.min(...ahead) : undefined
}
