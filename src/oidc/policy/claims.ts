// What each OpenID Connect scope tells about a person (OpenID Connect Core sections 5.1 and 5.4). The words are the texts `consent.scope.…`.
import type { Account } from '../../accounts/account-store.ts'
import { addressParts, profileClaims } from '../../accounts/standard-claims.ts'

/** Kept in `account.profile` by these names; the others have a column, or follow from one. */
const inProfileScope = profileClaims.filter((claim) => claim !== 'phone_number')

export const claimsByScope = {
  // How somebody signed in stands in every ID token; userinfo does not tell it, since it belongs to one sign-in.
  openid: ['sub', 'acr', 'amr', 'auth_time'],
  profile: ['name', 'preferred_username', ...inProfileScope, 'locale', 'updated_at'],
  email: ['email', 'email_verified'],
  address: ['address'],
  phone: ['phone_number', 'phone_number_verified'],
}

export const openidScopes: ReadonlySet<string> = new Set([...Object.keys(claimsByScope), 'offline_access'])

/** The scopes that would have told these claims: single ones are shown to a person by the same words. */
export const scopesOfClaims = (claims: readonly string[]): string[] =>
  Object.entries(claimsByScope).flatMap(([scope, names]) =>
    names.some((name) => claims.includes(name)) ? [scope] : [],
  )

/** What is unknown is left out (section 5.3.2). */
export const claimsOf = (account: Account) => ({
  ...texts(account.profile, inProfileScope),
  ...addressOf(account.profile.address),
  ...phoneOf(account.profile.phone_number),
  sub: account.sub,
  name: account.name,
  preferred_username: account.username,
  locale: account.locale,
  email: account.email,
  email_verified: account.isEmailVerified,
  updated_at: Math.floor(account.updatedAt.getTime() / 1000),
})

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

const texts = (given: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.flatMap((name) => (isText(given[name]) ? [[name, given[name]]] : [])))

function addressOf(given: unknown): { address?: Record<string, string> } {
  if (typeof given !== 'object' || given === null) return {}
  const address = texts(given as Record<string, unknown>, addressParts)
  return Object.keys(address).length > 0 ? { address } : {}
}

/** Nobody here has called that number. */
const phoneOf = (given: unknown) => (isText(given) ? { phone_number: given, phone_number_verified: false } : {})
