// Slows down and stops those who guess passwords: per account and address, per address, and per account over all addresses, which locks out strangers but no browser that the account knows.
import type { Sealing } from '../../sealing.ts'
import { networkOf, plainName } from './counted-names.ts'
import { type Limit, mostInARow, type SignInThrottleStore } from './sign-in-throttle-store.ts'

export interface SignInTry {
  /** The account's sub, or what was typed when there is no such account: both are limited in the same way. */
  subject: string
  /** The caller's IP address. */
  address: string
  /** Of the browser, when this account has signed in with it before (`devices.find`). */
  deviceId?: string | undefined
}

export type ReservedTry =
  | {
      ok: true
      /** Should this one fail, there are no more tries: the moment to tell the person. */
      isLast: boolean
      /** The password was right: the failures of the account are forgotten, those of the address stay. */
      succeeded(): Promise<void>
      /** The password was never looked at, because the server was busy say: the try does not count. */
      giveBack(): Promise<void>
    }
  | {
      ok: false
      /** In seconds. */
      retryAfter: number
      /** Waiting does not help: a password reset, another way in, a known device or an operator does. */
      isLocked: boolean
    }

export type SignInThrottle = ReturnType<typeof createSignInThrottle>

interface Parts {
  store: SignInThrottleStore
  sealing: Pick<Sealing, 'digest'>
}

const freeForAccountAndAddress = 5
const freeForAddress = 50
// Four places at which one person mistypes five times each. A net of a thousand addresses gets no more than that, then
// one try each second, two, four … 15 minutes; and all in all the hundred in a row.
const freeForAccount = 20

export function createSignInThrottle({ store, sealing }: Parts) {
  const limit = (kind: Limit['kind'], names: readonly string[], free: number, inARow?: number): Limit => ({
    key: sealing.digest(JSON.stringify([kind, ...names])),
    kind,
    free,
    ...(inARow === undefined ? undefined : { inARow }),
  })

  return {
    /** Counts the try as a failure before its password is looked at: parallel guesses pass no limit together. */
    reserve: async ({ subject, address, deviceId }: SignInTry): Promise<ReservedTry> => {
      const isAccount = await store.isAccount(subject)
      // A sub counts letter by letter: whoever can choose theirs must not share another's counter.
      const name = isAccount ? `sub:${subject}` : `name:${plainName(subject)}`
      const network = networkOf(address)
      const ofAccount = [
        limit('password-address', [name, network], freeForAccountAndAddress),
        limit('password', [name], freeForAccount, mostInARow),
      ]
      const ofDevice = deviceId && limit('password-device', [name, deviceId], freeForAccountAndAddress, mostInARow)
      const limits = ofDevice ? [ofDevice] : [...ofAccount, limit('address', [network], freeForAddress)]

      const reserved = await store.reserve(limits, isAccount ? subject : undefined)
      if (!reserved.ok) return reserved
      return {
        ok: true,
        isLast: reserved.isLast,
        succeeded: async () => {
          await store.remove([...ofAccount, ...(ofDevice ? [ofDevice] : [])].map(({ key }) => key))
          const ofAddress = reserved.reservations[limits.findIndex(({ kind }) => kind === 'address')]
          if (ofAddress) await store.giveBack(ofAddress)
        },
        giveBack: async () => {
          for (const reservation of reserved.reservations) await store.giveBack(reservation)
        },
      }
    },

    /** For an operator, and for whoever has come in by another way: a password reset, a link, a passkey. */
    unlock: (sub: string): Promise<void> => store.removeOf(sub, ['password', 'password-address', 'password-device']),
  }
}
