// Takes one key out of use at once, for the day on which it may have been stolen.
import { generateSigningKey } from './generate-signing-key.ts'
import type { KeyChanges } from './key-changes.ts'
import { type KeyState, keySchedule } from './key-schedule.ts'

export type RetireResult =
  /** `successor` is the key that signs now, when another one had to take over. */
  { ok: true; successor: string | undefined } | { ok: false; reason: 'not_found' | 'already_retired' }

export async function retireKey({ store, insert, change }: KeyChanges, kid: string): Promise<RetireResult> {
  const found = await store.find(kid)
  if (!found) return { ok: false, reason: 'not_found' }
  const spare = await generateSigningKey(found.alg)
  return change(async (keys) => {
    const schedule = keySchedule(keys.filter((key) => key.alg === found.alg))
    const state = schedule.find(({ key }) => key.kid === kid)?.state
    if (!state) return { ok: false, reason: 'not_found' }
    if (state === 'retired') return { ok: false, reason: 'already_retired' }
    await store.retire(kid)
    if (state === 'retiring') return { ok: true, successor: undefined }
    const inState = (wanted: KeyState) => schedule.find((entry) => entry.state === wanted)?.key.kid
    if (state === 'upcoming') {
      // The rotation is called off: whoever was to leave stays.
      const signing = inState('signing')
      if (signing) await store.keep(signing)
      return { ok: true, successor: undefined }
    }
    // A key that is itself about to leave must not sign again: its tokens would outlive it.
    const upcoming = inState('upcoming')
    if (upcoming) await store.signNow(upcoming)
    else await insert(spare, 0)
    return { ok: true, successor: upcoming ?? spare.kid }
  })
}
