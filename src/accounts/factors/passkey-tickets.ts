// Seals the challenge of a passkey into the page that asks for it: for one sign-in or session, and for a while, so that nothing need be kept.
import { randomBytes } from 'node:crypto'
import type { Sealing } from '../../sealing.ts'

export interface PasskeyTicket {
  /** In base64url; nobody can foresee it. */
  challenge: string
  /** Brings it back with the answer, in a field of the form. */
  ticket: string
}

interface Sealed {
  challenge: string
  scope: string
  /** Milliseconds since the epoch. */
  until: number
}

const purpose = 'passkey ticket'
const lifetime = 15 * 60 * 1000

export type PasskeyTickets = ReturnType<typeof createPasskeyTickets>

export function createPasskeyTickets({ sealing }: { sealing: Pick<Sealing, 'seal' | 'open'> }) {
  return {
    /** `scope` says what it is for, such as an interaction or a session, and on which page. */
    issue: (scope: string): PasskeyTicket => {
      const challenge = randomBytes(32).toString('base64url')
      const sealed: Sealed = { challenge, scope, until: Date.now() + lifetime }
      return { challenge, ticket: sealing.seal(JSON.stringify(sealed), purpose) }
    },

    /** Undefined when it was made for something else, is too old, or is none of ours. */
    challengeOf: (ticket: string, scope: string): string | undefined => {
      const sealed = opened(sealing, ticket)
      return sealed?.scope === scope && sealed.until > Date.now() ? sealed.challenge : undefined
    },
  }
}

function opened(sealing: Pick<Sealing, 'open'>, ticket: string): Sealed | undefined {
  try {
    return JSON.parse(sealing.open(ticket, purpose)) as Sealed
  } catch {
    return undefined
  }
}
