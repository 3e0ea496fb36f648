// What each OpenID Connect scope tells about a person (OpenID Connect Core section 5.4). The words are the texts `consent.scope.…`.
import type { Account } from '../../accounts/account-store.ts'

export const claimsByScope = {
  openid: ['sub'],
  profile: ['name', 'updated_at'],
  email: ['email', 'email_verified'],
}

export const openidScopes: ReadonlySet<string> = new Set([...Object.keys(claimsByScope), 'offline_access'])

export const claimsOf = (account: Account) => ({
  sub: account.sub,
  name: account.name,
  email: account.email,
  email_verified: account.isEmailVerified,
  updated_at: Math.floor(account.updatedAt.getTime() / 1000),
})
