// Derives the challenge that a passkey signs from the sign-in that it is for, so that nothing need be kept to check it.
import { createHmac } from 'node:crypto'
import type { Sealing } from '../sealing.ts'

/** The answer to it is worth nothing in another sign-in or on another page, and nobody can foresee it. */
export function passkeyChallenge(sealing: Pick<Sealing, 'derive'>) {
  const key = sealing.derive('passkey challenges')
  return (purpose: 'sign-in' | 'second-factor' | 'enrolment', uid: string): string =>
    createHmac('sha256', key).update(`${purpose} ${uid}`).digest('base64url')
}
