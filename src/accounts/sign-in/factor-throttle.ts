// Slows down and stops those who guess codes: second factors of every kind are counted together and by account, so that neither another factor nor a new interaction gives another try.
import type { Sealing } from '../../sealing.ts'
import type { ReservedTry } from './sign-in-throttle.ts'
import { mostInARow, type SignInThrottleStore } from './sign-in-throttle-store.ts'

export type FactorTry =
  | {
      sub: string
      /** Of the browser, when this account has shown a second factor on it before (`devices.find`). */
      deviceId?: string | undefined
    }
  /** A code whose owner is not known yet, such as one that proves an address: counted for what it was sent for. */
  | { scope: string }

export type FactorThrottle = ReturnType<typeof createFactorThrottle>

interface Parts {
  store: SignInThrottleStore
  sealing: Pick<Sealing, 'digest'>
}

// Of a million codes three are right at a time (one step to either side): a hundred guesses hit once in 3,300.
const free = 5

export function createFactorThrottle({ store, sealing }: Parts) {
  const keyOf = (...parts: string[]) => sealing.digest(JSON.stringify(parts))

  return {
    /** Counts the code as wrong before it is looked at. */
    reserve: async (attempt: FactorTry): Promise<ReservedTry> => {
      const sub = 'sub' in attempt ? attempt.sub : undefined
      const deviceId = 'sub' in attempt ? attempt.deviceId : undefined
      const ofAccount = 'sub' in attempt ? keyOf('code', attempt.sub) : keyOf('code-scope', attempt.scope)
      const ofDevice = sub !== undefined && deviceId && keyOf('code-device', sub, deviceId)
      const limit = ofDevice
        ? ({ key: ofDevice, kind: 'code-device' } as const)
        : ({ key: ofAccount, kind: 'code' } as const)
      const reserved = await store.reserve([{ ...limit, free, inARow: mostInARow }], sub)
      if (!reserved.ok) return reserved
      return {
        ok: true,
        isLast: reserved.isLast,
        succeeded: () => store.remove(ofDevice ? [ofAccount, ofDevice] : [ofAccount]),
        giveBack: async () => {
          for (const reservation of reserved.reservations) await store.giveBack(reservation)
        },
      }
    },

    /** For an operator, and for whoever has proved to be the person by a passkey. A password reset is no such proof. */
    unlock: (sub: string): Promise<void> => store.removeOf(sub, ['code', 'code-device']),
  }
}
