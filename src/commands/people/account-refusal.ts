// Tells an operator why an account was not made or changed.
import type { AccountCreated, AccountUpdated, Problem } from '../../accounts/account-registration.ts'
import type { Translator } from '../../language/translations.ts'
import { CommandRefusal, refuseProblems } from '../refusals.ts'

type Refused = (AccountCreated | AccountUpdated) & { ok: false }

const messages: Record<NonNullable<Refused['reason']>, string> = {
  email_taken: 'There is an account with this e-mail address already.',
  username_taken: 'There is an account with this username already.',
  sub_taken: 'There is an account with this sub already.',
  busy: 'Too many passwords are being hashed at once. Try again.',
  not_found: 'There is no such account any more.',
  version_conflict: 'Somebody else changed the account in this moment. Look at it, then try again.',
  last_owner: 'This is the last owner: make another owner first, or nobody can administer this server.',
}

export function accountRefusal(refused: Refused, english: Translator): CommandRefusal {
  if (refused.reason) return new CommandRefusal(refused.reason, messages[refused.reason])
  return refuseProblems(refused.problems.map((problem) => inEnglish(problem, english)))
}

const inEnglish = (problem: Problem, english: Translator) => ({ field: problem.field, message: english.say(problem) })
