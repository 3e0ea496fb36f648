// Seals the challenge of a new passkey into the page that asks for it: for one session, and for a while.
import { randomBytes } from 'node:crypto'
import type { Sealing } from '../../sealing.ts'

interface Ticket {
  challenge: string
  sessionUid: string
  /** Milliseconds since the epoch. */
  until: number
}

const purpose = 'passkey for an account page'
const lifetime = 15 * 60 * 1000

export type PasskeyTickets = ReturnType<typeof createPasskeyTickets>

export function createPasskeyTickets({ sealing }: { sealing: Pick<Sealing, 'seal' | 'open'> }) {
  return {
    /** A challenge that nobody can foresee, and what brings it back. */
    issue: (sessionUid: string): { challenge: string; ticket: string } => {
      const challenge = randomBytes(32).toString('base64url')
      const ticket: Ticket = { challenge, sessionUid, until: Date.now() + lifetime }
      return { challenge, ticket: sealing.seal(JSON.stringify(ticket), purpose) }
    },

    /** Undefined when it is another session's, too old, or none of ours. */
    challengeOf: (sealed: string, sessionUid: string): string | undefined => {
      const ticket = opened(sealing, sealed)
      const isGood = ticket?.sessionUid === sessionUid && ticket.until > Date.now()
      return isGood ? ticket.challenge : undefined
    },
  }
}

function opened(sealing: Pick<Sealing, 'open'>, sealed: string): Ticket | undefined {
  try {
    return JSON.parse(sealing.open(sealed, purpose)) as Ticket
  } catch {
    return undefined
  }
}
