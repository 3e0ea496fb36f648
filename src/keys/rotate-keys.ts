// Replaces keys without a pause: the new one is published, then signs, then the old one leaves.
import { generateSigningKey, type SigningAlgorithm } from './generate-signing-key.ts'
import type { KeyChanges } from './key-changes.ts'
import { openEndedKey } from './key-schedule.ts'

export interface Rotation {
  kid: string
  alg: SigningAlgorithm
  signsFrom: Date
  /** Undefined when there was no key of this algorithm before. */
  oldRetiresAt: Date | undefined
}

export interface RotateOptions {
  /** Every algorithm that has a key, if it is left out. */
  alg?: SigningAlgorithm | undefined
  /** The new key is published this long before it signs; it must outlast the verifiers' JWKS cache (300 s). */
  delaySeconds?: number | undefined
  /** The longest lifetime of any API's access tokens, in seconds. */
  longestTokenTtl: number
  /** The old key is published this long after the new one has begun to sign. */
  overlapSeconds?: number | undefined
}

export type RotateResult =
  | { ok: true; rotated: Rotation[] }
  | { ok: false; reason: 'rotation_pending'; alg: SigningAlgorithm; until: Date }

const idTokenTtl = 3600
// Verifiers' clocks may be a minute behind, and a node may follow a second late.
const overlapMargin = 60

export async function rotateKeys({ store, insert, change }: KeyChanges, options: RotateOptions): Promise<RotateResult> {
  const { alg, delaySeconds = 600, longestTokenTtl } = options
  const overlapSeconds = options.overlapSeconds ?? Math.max(idTokenTtl, longestTokenTtl) + overlapMargin
  const before = await store.list()
  const algs = alg ? [alg] : [...new Set(before.filter((key) => key.retiresIn === undefined).map((key) => key.alg))]
  const generated = await Promise.all(algs.map(generateSigningKey))
  return change(async (keys) => {
    const pending = algs
      .map((each) => ({ known: openEndedKey(before, each), current: openEndedKey(keys, each) }))
      // Another kid than a moment ago: somebody else has rotated, and two rotations at once are one.
      .find(({ known, current }) => current && (current.signsIn > 0 || current.kid !== known?.kid))
    if (pending?.current) {
      return { ok: false, reason: 'rotation_pending', alg: pending.current.alg, until: pending.current.signsFrom }
    }
    const rotated: Rotation[] = []
    for (const key of generated) {
      const signsFrom = await insert(key, openEndedKey(keys, key.alg) ? delaySeconds : 0)
      const oldRetiresAt = await store.retireAfter(key.kid, overlapSeconds)
      rotated.push({ kid: key.kid, alg: key.alg, signsFrom, oldRetiresAt })
    }
    return { ok: true, rotated }
  })
}
