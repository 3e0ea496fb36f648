// Creates the account of somebody who arrives, by the rules for e-mail addresses and passwords.
import type { AccountRegistration } from '../accounts/account-registration.ts'
import type { Account } from '../accounts/account-store.ts'
import type { Translator } from '../language/translations.ts'
import { type FieldProblem, registrationProblems } from './registration-problems.ts'

export interface SignUpParts {
  registration: Pick<AccountRegistration, 'create'>
  throttle: { reserve(key: string): Promise<{ ok: true } | { ok: false; retryAfter: number }> }
  minimumLength: number
}

export type SignUpResult =
  | { ok: true; account: Account }
  | { ok: false; status: number; problems: FieldProblem[]; retryAfter?: number }

export type SignUp = ReturnType<typeof createSignUp>

export function createSignUp({ registration, throttle, minimumLength }: SignUpParts) {
  return {
    minimumLength,
    create: async (given: {
      email: string
      name: string
      password: string
      address: string
      language: Translator
    }): Promise<SignUpResult> => {
      const reservation = await throttle.reserve(given.address)
      if (!reservation.ok) {
        const message = `There were too many attempts. Wait ${reservation.retryAfter} seconds, then try again.`
        return { ok: false, status: 429, retryAfter: reservation.retryAfter, problems: [{ field: 'email', message }] }
      }
      const name = given.name.trim()
      const result = await registration.create({
        email: given.email.trim(),
        password: given.password,
        ...(name ? { name } : undefined),
      })
      if (result.ok) return result
      return {
        ok: false,
        status: result.reason === 'busy' ? 503 : 400,
        problems: registrationProblems(result, given.language),
      }
    },
  }
}
