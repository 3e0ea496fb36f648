// Limits how often one may have mail sent: nobody's mailbox is flooded through us, and no stranger uses us up as a sender.
import type { Sealing } from '../../sealing.ts'
import { mailboxOf, networkOf } from './counted-names.ts'
import type { CountedMail, MailThrottleStore } from './mail-throttle-store.ts'

export interface MailRequest {
  /** Whether or not there is an account: both are limited in the same way. */
  email: string
  /** The caller's IP address. */
  address: string
}

export type MailThrottle = ReturnType<typeof createMailThrottle>

interface Parts {
  store: MailThrottleStore
  sealing: Pick<Sealing, 'digest'>
}

const minutes = 60
const hours = 60 * minutes

// Two more when the first does not come at once (a link lives 15 minutes), and ten on a bad day.
const ofMailbox = [
  { most: 3, seconds: 15 * minutes },
  { most: 10, seconds: 24 * hours },
]
// An office behind one address seldom forgets more passwords than that; for mail to strangers' mailboxes it is a trickle.
const ofNetwork = { most: 20, seconds: hours }

export function createMailThrottle({ store, sealing }: Parts) {
  const keyOf = (...parts: string[]) => sealing.digest(JSON.stringify(parts))

  return {
    /** Counts the request before anything is sent; `retryAfter` in seconds. */
    reserve: ({ email, address }: MailRequest): Promise<CountedMail> => {
      const mailbox = keyOf('mailbox', mailboxOf(email))
      const network = keyOf('mail-network', networkOf(address))
      return store.reserve([...ofMailbox.map((limit) => ({ key: mailbox, ...limit })), { key: network, ...ofNetwork }])
    },
  }
}
