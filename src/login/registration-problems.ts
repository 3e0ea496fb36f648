// Puts the reasons why an account was not made into words for the page.
import type { AccountCreated } from '../accounts/account-registration.ts'
import type { Translator } from '../language/translations.ts'

export interface FieldProblem {
  field: string
  message: string
}

const reasons = {
  email_taken: { field: 'email', key: 'sign-up.email-taken' },
  username_taken: { field: 'username', key: 'sign-up.username-taken' },
  sub_taken: { field: 'email', key: 'sign-up.email-taken' },
  busy: { field: 'password', key: 'sign-in.busy.seconds', values: { count: 5 } },
}

export function registrationProblems(
  refused: Extract<AccountCreated, { ok: false }>,
  { say }: Pick<Translator, 'say'>,
): FieldProblem[] {
  const problems = refused.reason === undefined ? refused.problems : [reasons[refused.reason]]
  return problems.map((problem) => ({ field: problem.field, message: say(problem) }))
}
