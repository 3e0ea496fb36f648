// Says why a new password was not taken.
import type { PasswordPrepared } from '../../accounts/password/password-change.ts'
import type { Sentence } from '../../language/translations.ts'

export const passwordProblem = (refused: Extract<PasswordPrepared, { ok: false }>): Sentence =>
  refused.reason === 'busy' ? { key: 'sign-in.busy.seconds', values: { count: 5 } } : refused.problem
