// Shows an account in the claims of OpenID Connect, for people, and as a line of an import file.
import type { Account, AccountWithPassword } from '../../accounts/account-store.ts'
import type { AccountLock } from '../../accounts/sign-in/sign-in-throttle-store.ts'
import { lines } from '../terminal.ts'

export const accountState = (account: Account): string => (account.disabledAt ? 'disabled' : 'active')

/** `locks` where one account is shown: what keeps strangers out of it. */
export const accountJson = (account: Account, locks?: readonly AccountLock[]) => ({
  sub: account.sub,
  email: account.email,
  email_verified: account.isEmailVerified,
  name: account.name,
  roles: account.roles,
  has_password: account.hasPassword,
  disabled: account.disabledAt !== undefined,
  locks: locks?.map(({ kind, until }) => ({ kind, until: until?.toISOString() ?? null })),
  created_at: account.createdAt.toISOString(),
  updated_at: account.updatedAt.toISOString(),
})

export const accountText = (account: Account, locks: readonly AccountLock[] = []): string =>
  lines({
    sub: account.sub,
    email: `${account.email}${account.isEmailVerified ? ' (verified)' : ''}`,
    name: account.name,
    roles: account.roles.join(' '),
    state: accountState(account),
    password: account.hasPassword ? 'set' : 'none',
    'locked for strangers': locks.map(({ kind, until }) => `${kind}s, until ${until?.toISOString() ?? 'unlocked'}`),
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
