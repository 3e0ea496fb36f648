// Puts the reasons why an account was not made into words for the page.
import type { AccountCreated } from '../accounts/account-registration.ts'
import type { Translator } from '../language/translations.ts'

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

export function registrationProblems(
  refused: Extract<AccountCreated, { ok: false }>,
  { say }: Pick<Translator, 'say'>,
): FieldProblem[] {
  if (refused.reason !== undefined) return [reasons[refused.reason]]
  return refused.problems.map((problem) => ({ field: problem.field, message: say(problem) }))
}
