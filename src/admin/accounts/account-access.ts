// Who may lay hands on an account, and the refusals where that, or the account, is missing.
import type { Account, AccountStore } from '../../accounts/account-store.ts'
import { type AppError, conflict, notFound, serviceUnavailable } from '../../http/errors.ts'
import { demandRoles } from '../admin-rights.ts'
import type { Caller } from '../guard.ts'
import { changedMeanwhile } from '../preconditions.ts'

export type Refusal =
  | 'not_found'
  | 'version_conflict'
  | 'email_taken'
  | 'username_taken'
  | 'sub_taken'
  | 'last_owner'
  | 'busy'
  | 'disabled'
  | 'accepted'

/** The account, if the caller may lay hands on it. */
export async function changeable(id: string, caller: Caller, accounts: Pick<AccountStore, 'find'>): Promise<Account> {
  const account = await accounts.find(id)
  if (!account) throw refusal('not_found')
  demandRoles(caller, account.roles)
  return account
}

export function refusal(reason: Refusal): AppError {
  if (reason === 'not_found') return notFound('There is no account with this sub.')
  if (reason === 'version_conflict') return changedMeanwhile()
  if (reason === 'busy') return serviceUnavailable(2, 'The server is busy with passwords. Try again shortly.')
  if (reason === 'last_owner')
    return conflict('last_owner', 'This is the last owner. Make somebody else an owner first.')
  if (reason === 'disabled') return conflict('account_disabled', 'This account is disabled. Enable it first.')
  if (reason === 'accepted')
    return conflict('invitation_accepted', 'This account is in use already: it has a password or a passkey.')
  return conflict(reason, 'There is an account with this e-mail address, username or sub already.')
}
