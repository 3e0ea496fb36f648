// Shows an account in the claims of OpenID Connect, for people, and as a line of an import file.
import type { Account, AccountWithPassword } from '../../accounts/account-store.ts'
import { lines } from '../terminal.ts'

export const accountState = (account: Account): string => (account.disabledAt ? 'disabled' : 'active')

export const accountJson = (account: Account) => ({
  sub: account.sub,
  email: account.email,
  email_verified: account.isEmailVerified,
  name: account.name,
  roles: account.roles,
  has_password: account.hasPassword,
  disabled: account.disabledAt !== undefined,
  created_at: account.createdAt.toISOString(),
  updated_at: account.updatedAt.toISOString(),
})

export const accountText = (account: Account): string =>
  lines({
    sub: account.sub,
    email: `${account.email}${account.isEmailVerified ? ' (verified)' : ''}`,
    name: account.name,
    roles: account.roles.join(' '),
    state: accountState(account),
    password: account.hasPassword ? 'set' : 'none',
    'created at': account.createdAt.toISOString(),
  })

/** What `accounts import` reads. */
export const exportedLine = (account: AccountWithPassword): string =>
  JSON.stringify({
    sub: account.sub,
    email: account.email,
    email_verified: account.isEmailVerified,
    name: account.name,
    password_hash: account.passwordHash,
    roles: account.roles,
    created_at: account.createdAt.toISOString(),
    // Or a copy would let in whom this server keeps out.
    disabled: account.disabledAt ? true : undefined,
  })
