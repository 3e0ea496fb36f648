// What each OpenID Connect scope tells about a person (OpenID Connect Core section 5.4), in claims and in words.
import type { Account } from '../../accounts/account-store.ts'

export const claimsByScope = {
  openid: ['sub'],
  profile: ['name', 'updated_at'],
  email: ['email', 'email_verified'],
}

export const openidScopes: ReadonlySet<string> = new Set([...Object.keys(claimsByScope), 'offline_access'])

/** For the consent page. */
export const scopeDescriptions: Readonly<Record<string, string>> = {
  openid: 'Know who you are',
  profile: 'See your name',
  email: 'See your e-mail address',
  offline_access: 'Keep access while you are not using it',
}

export const claimsOf = (account: Account) => ({
  sub: account.sub,
  name: account.name,
  email: account.email,
  email_verified: account.isEmailVerified,
  updated_at: Math.floor(account.updatedAt.getTime() / 1000),
})
