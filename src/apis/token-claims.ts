// What an API's tokens tell about an account (RFC 9068 section 2.2.3.1), by rules that are declared with the API: data, no code. Pure.

export const ruledClaims = ['roles', 'groups', 'entitlements'] as const
export type RuledClaim = (typeof ruledClaims)[number]

/** Puts `value` into `claim` for accounts with this role, or with a verified address in this domain. */
export interface ClaimRule {
  claim: RuledClaim
  value: string
  role?: string | undefined
  emailDomain?: string | undefined
}

export interface TokenClaims {
  /** Account roles that stand in `roles` by their own names. */
  roles?: 'all' | string[] | undefined
  rules?: ClaimRule[] | undefined
  /** Claims by name, each with the place in the account that it is taken from. */
  claims?: Record<string, string> | undefined
}

/** As much of an account as the rules may look at. */
export interface ClaimedAccount {
  email: string
  isEmailVerified: boolean
  name: string | undefined
  username: string | undefined
  locale: string | undefined
  profile: Readonly<Record<string, unknown>>
  roles: readonly string[]
}

/** The places, each named behind `account.`, beside `account.profile.…`. */
const places = new Map<string, (account: ClaimedAccount) => unknown>([
  ['email', ({ email }) => email],
  ['email_verified', ({ isEmailVerified }) => isEmailVerified],
  ['name', ({ name }) => name],
  ['username', ({ username }) => username],
  ['locale', ({ locale }) => locale],
])
const placeAt = (place: string) =>
  place.startsWith('account.') ? places.get(place.slice('account.'.length)) : undefined
const namedPlaces = [...places.keys()].map((name) => `account.${name}`)

const profilePlace = /^account\.profile\.([a-z_]{1,50})(?:\.([a-z_]{1,50}))?$/

/** What the token engine, the standards and this server mean by these names. */
const reserved = new Set(
  `iss sub aud exp nbf iat jti typ scope client_id azp act may_act cnf auth_time acr amr sid sub_id nonce at_hash events
   authorization_details active token_type txn tctx rctx req_wl purp status roles groups entitlements constructor __proto__`.split(
    /\s+/,
  ),
)

export const mostRules = 100
export const mostClaims = 20
const roleName = /^[\w-]{1,64}$/
const domainName = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$/

/** What is wrong with the rules, each in a sentence. */
export function tokenClaimsProblems({ roles, rules = [], claims = {} }: TokenClaims): string[] {
  const wrongRole = Array.isArray(roles) ? roles.find((role) => !roleName.test(role)) : undefined
  return [
    ...(wrongRole === undefined
      ? []
      : [`${shown(wrongRole)} is no name of a role (1 to 64 letters, digits, - and _).`]),
    ...(rules.length > mostRules ? [`An API must not have more than ${mostRules} rules for claims.`] : []),
    ...(Object.keys(claims).length > mostClaims
      ? [`An API must not have more than ${mostClaims} claims of its own.`]
      : []),
    ...rules.flatMap((rule) => ruleProblem(rule) ?? []),
    ...Object.entries(claims).flatMap(([name, place]) => claimProblem(name, place) ?? []),
  ]
}

const shown = (text: string) => JSON.stringify(text.slice(0, 100))

function ruleProblem({ claim, value, role, emailDomain }: ClaimRule): string | undefined {
  if (!ruledClaims.includes(claim)) return `A rule fills one of ${ruledClaims.join(', ')}, not ${shown(String(claim))}.`
  if (!/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/.test(value))
    return `The value ${shown(value)} must have 1 to 200 printable ASCII characters without spaces, quotes and backslashes.`
  if ((role === undefined) === (emailDomain === undefined))
    return `The rule for ${shown(value)} must ask for either a role or a domain of e-mail addresses.`
  if (role !== undefined && !roleName.test(role)) return `${shown(role)} is no name of a role.`
  return emailDomain !== undefined && !domainName.test(emailDomain)
    ? `${shown(emailDomain)} is no domain; write it in lower case, such as example.com.`
    : undefined
}

function claimProblem(name: string, place: string): string | undefined {
  if (!/^[A-Za-z][\w:./-]{0,99}$/.test(name)) return `${shown(name)} cannot be the name of a claim.`
  if (reserved.has(name)) return `The claim ${name} has a meaning already. Choose another name.`
  return placeAt(place) || profilePlace.test(place)
    ? undefined
    : `${shown(place)} is no place to take a claim from. There are ${namedPlaces.join(', ')} and account.profile.…, such as account.profile.zoneinfo.`
}

/** Only what is there: no claim is empty. */
export function tokenClaimsOf({ roles = [], rules = [], claims = {} }: TokenClaims, account: ClaimedAccount) {
  const own = roles === 'all' ? account.roles : account.roles.filter((role) => roles.includes(role))
  const ruled = ruledClaims.map((claim) => {
    const values = rules.filter((rule) => rule.claim === claim && isMet(rule, account)).map(({ value }) => value)
    return [claim, [...new Set(claim === 'roles' ? [...own, ...values] : values)]] as const
  })
  const custom = Object.entries(claims).map(([name, place]) => [name, valueAt(place, account)] as const)
  return Object.fromEntries<unknown>([
    ...custom.filter(([, value]) => value !== undefined && value !== ''),
    ...ruled.filter(([, values]) => values.length > 0),
  ])
}

function isMet({ role, emailDomain }: ClaimRule, { roles, email, isEmailVerified }: ClaimedAccount): boolean {
  if (role !== undefined) return roles.includes(role)
  // An address that nobody has checked could be anybody's.
  return isEmailVerified && email.toLowerCase().endsWith(`@${emailDomain}`)
}

function valueAt(place: string, account: ClaimedAccount): unknown {
  const read = placeAt(place)
  if (read) return read(account)
  const [, claim = '', part] = profilePlace.exec(place) ?? []
  const value = memberOf(account.profile, claim)
  return part === undefined ? value : memberOf(value, part)
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined

/** Whether there is anything to tell. */
export const tellsNothing = ({ roles, rules, claims }: TokenClaims): boolean =>
  (roles === undefined || roles.length === 0) && (rules?.length ?? 0) === 0 && Object.keys(claims ?? {}).length === 0
