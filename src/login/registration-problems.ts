// Puts the reasons why an account was not made into sentences at the fields of a page.
import type { AccountCreated } from '../accounts/account-registration.ts'
import type { Sentence } from '../language/translations.ts'

export interface FieldProblem {
  field: string
  sentence: Sentence
}

const reasons: Record<string, FieldProblem> = {
  email_taken: { field: 'email', sentence: { key: 'sign-up.email-taken' } },
  username_taken: { field: 'username', sentence: { key: 'sign-up.username-taken' } },
  sub_taken: { field: 'email', sentence: { key: 'sign-up.email-taken' } },
  busy: { field: 'password', sentence: { key: 'sign-in.busy.seconds', values: { count: 5 } } },
}

export function registrationProblems(refused: Extract<AccountCreated, { ok: false }>): FieldProblem[] {
  if (refused.reason === undefined) return refused.problems
  const reason = reasons[refused.reason]
  return reason ? [reason] : []
}
