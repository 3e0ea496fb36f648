// Slows guessers down per account and address and per address, never per account alone: that would let anybody lock anybody out.
import { isIPv6 } from 'node:net'
import type { Sealing } from '../../sealing.ts'
import type { SignInThrottleStore } from './sign-in-throttle-store.ts'

export interface SignInTry {
  email: string
  /** The caller's IP address. */
  address: string
}

export type ReservedTry =
  | {
      ok: true
      /** The password was right: the account's failures from this address are forgotten. */
      succeeded(): Promise<void>
      /** The password was never looked at, because the server was busy say: the try does not count. */
      giveBack(): Promise<void>
    }
  /** In seconds. */
  | { ok: false; retryAfter: number }

export interface SignInThrottle {
  /** Counts the try as a failure before its password is looked at: parallel guesses pass no limit together. */
  reserve(attempt: SignInTry): Promise<ReservedTry>
}

interface Parts {
  store: SignInThrottleStore
  sealing: Pick<Sealing, 'digest'>
}

const freeForAccountAndAddress = 5
const freeForAddress = 50

export function createSignInThrottle({ store, sealing }: Parts): SignInThrottle {
  const key = (...parts: string[]) => sealing.digest(JSON.stringify(parts))

  return {
    reserve: async ({ email, address }) => {
      const network = networkOf(address)
      const accountKey = key('account-address', plain(email), network)
      const reserved = await store.reserve([
        { key: accountKey, free: freeForAccountAndAddress },
        { key: key('address', network), free: freeForAddress },
      ])
      if (!reserved.ok) return reserved
      const [ofAccount, ofAddress] = reserved.reservations
      if (!ofAccount || !ofAddress) throw new TypeError('a try is reserved under two keys')
      return {
        ok: true,
        succeeded: async () => {
          await store.remove(ofAccount.key)
          await store.giveBack(ofAddress)
        },
        giveBack: async () => {
          await store.giveBack(ofAccount)
          await store.giveBack(ofAddress)
        },
      }
    },
  }
}

/** Whatever the database's lower() takes for the same address must count as the same: accents go too. */
const plain = (email: string) => email.trim().toLowerCase().normalize('NFKD').replace(/\p{M}/gu, '')

/** An IPv4 address, or the /64 that one subscriber of IPv6 has for himself. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail = ''] = new URL(`http://[${address.replace(/%.*/, '')}]`).hostname.slice(1, -1).split('::')
  const [first, last] = [head, tail].map((part) => part.split(':').filter(Boolean)) as [string[], string[]]
  const groups = [...first, ...Array(8 - first.length - last.length).fill('0'), ...last]
  if (groups.slice(0, 6).join(':') !== '0:0:0:0:0:ffff') return groups.slice(0, 4).join(':')
  return groups
    .slice(6)
    .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255])
    .join('.')
}
