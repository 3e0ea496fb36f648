// Opens what only commands about accounts need: the rules for them, and the hashing of passwords.
import { type AccountRegistration, createAccountRegistration } from '../../accounts/account-registration.ts'
import type { Account, AccountWithPassword } from '../../accounts/account-store.ts'
import { createPasswords } from '../../accounts/password/password.ts'
import { createPasswordQueue } from '../../accounts/password/password-queue.ts'
import { passwordProblem } from '../../accounts/password/password-rules.ts'
import { type AccountLocks, createAccountLocks } from '../../accounts/sign-in/account-locks.ts'
import { createSignInThrottleStore } from '../../accounts/sign-in/sign-in-throttle-store.ts'
import type { OpenDatabase } from '../open-database.ts'
import { notFound } from '../refusals.ts'

/** In characters, where the password is the only factor (NIST SP 800-63B-4 section 3.1.1.2). */
const minimumLength = 15

export function openAccounts({ accounts, database }: OpenDatabase): AccountRegistration {
  return createAccountRegistration({
    store: accounts,
    transaction: database.transaction,
    hashPassword: createPasswords({ queue: createPasswordQueue() }).hash,
    passwordProblem: (password, { personalWords }) =>
      passwordProblem(password, { minimumLength, personalWords: [...personalWords, 'Gatehouse'] }),
  })
}

export const openLocks = ({ database }: OpenDatabase): AccountLocks =>
  createAccountLocks({ store: createSignInThrottleStore({ database }) })

/** By its sub, or by its e-mail address. */
export async function demandAccount({ accounts }: OpenDatabase, who: string): Promise<Account | AccountWithPassword> {
  const account = (await accounts.find(who)) ?? (await accounts.findByEmail(who))
  if (!account) throw notFound('account', who)
  return account
}
