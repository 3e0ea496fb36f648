// Puts the reasons why an account was not made into words for the page.
import type { AccountCreated } from '../accounts/account-registration.ts'

export interface FieldProblem {
  field: string
  message: string
}

const reasons = {
  email_taken: { field: 'email', message: 'There is an account with this email address already. Sign in instead.' },
  username_taken: { field: 'username', message: 'This username is taken. Choose another one.' },
  sub_taken: { field: 'email', message: 'This account exists already.' },
  busy: { field: 'password', message: 'Many people are signing in at the moment. Wait a few seconds, then try again.' },
}

export function registrationProblems(refused: Extract<AccountCreated, { ok: false }>): FieldProblem[] {
  return refused.reason === undefined ? refused.problems : [reasons[refused.reason]]
}
