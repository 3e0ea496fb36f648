// Authentication levels: what the methods that somebody has passed amount to (acr, amr), and what a request demands. Pure.

/** In rising order. `phr` is phishing-resistant (OpenID Connect Extended Authentication Profile ACR Values 1.0). */
export const acrValues = ['urn:gatehouse:acr:1fa', 'urn:gatehouse:acr:2fa', 'phr'] as const
const [oneFactor, twoFactors, phishingResistant] = acrValues

export type Method = 'password' | 'link' | 'totp' | 'email_code' | 'recovery_code' | 'passkey'

export interface PassedMethod {
  method: Method
  /** Seconds since the epoch. */
  at: number
  isUserVerified?: boolean
  /** Whether its key is kept by a provider for several devices; undefined when nobody knows. */
  isMultiDevice?: boolean
}

/** OpenID Connect Core section 2: "0" says that nothing was done that counts. */
const nothing = '0'

/** What alone lets nobody in (a code without a password, say) is no level: such a sign-in must not pass for one. */
export function acrOf(methods: readonly PassedMethod[]): string {
  const passed = new Set(methods.map(({ method }) => method))
  const [password, link, passkey] = [passed.has('password'), passed.has('link'), passed.has('passkey')]
  if (methods.some(isVerifiedPasskey) || (password && passkey)) return phishingResistant
  const isSecondToAny = passkey || passed.has('totp') || passed.has('recovery_code')
  // A link and a code by mail both prove the mailbox: that is one factor, twice.
  if ((password || link) && isSecondToAny) return twoFactors
  if (password && passed.has('email_code')) return twoFactors
  return password || link || passkey ? oneFactor : nothing
}

const isVerifiedPasskey = ({ method, isUserVerified }: PassedMethod) => method === 'passkey' && isUserVerified === true

/**
 * Authentication Method Reference Values (RFC 8176), sorted. A recovery code is a password that works once: `otp`. For a link or a
 * code by mail nothing is registered (`sms` and `tel` are other channels); `email` is ours, as section 1 there allows.
 */
export function amrOf(methods: readonly PassedMethod[]): string[] {
  const values = new Set(methods.flatMap(referencesOf))
  if (levelOf(acrOf(methods)) > 1) values.add('mfa')
  return [...values].sort()
}

function referencesOf({ method, isMultiDevice }: PassedMethod): string[] {
  if (method === 'password') return ['pwd']
  if (method === 'totp' || method === 'recovery_code') return ['otp']
  if (method === 'link' || method === 'email_code') return ['email']
  // Every passkey asks whether somebody is there. How that person was verified (a PIN, a finger) the browser does not tell.
  return ['user', isMultiDevice === undefined ? 'pop' : isMultiDevice ? 'swk' : 'hwk']
}

/** 0 for none and for what this server does not know, then 1 to 3. */
export function levelOf(acr: string | undefined): number {
  return acrValues.findIndex((value) => value === acr) + 1
}

export interface AcrDemand {
  /** The least that is enough; 0 when nothing is demanded, Infinity when no sign-in could be enough. */
  level: number
  /** OpenID Connect Core section 5.5.1.1: without it the sign-in counts as failed. */
  isEssential: boolean
  /** Those that this server knows, each once, in the order of preference. */
  values: string[]
}

/** Reads `acr_values` and the claim `acr` of the `claims` parameter; takes request parameters as they were stored. */
export function demandedAcr(params: Readonly<Record<string, unknown>>): AcrDemand {
  const { named, isEssential, isNamed } = requestedClaim(params.claims)
  // Both together are not specified. What is essential stands alone, so that nothing voluntary softens it.
  const asked = isEssential && isNamed ? named : [...named, ...listed(params.acr_values)]
  const values = [...new Set(asked)].filter((value) => levelOf(value) > 0)
  const least = Math.min(...values.map(levelOf))
  const isDemand = values.length > 0 || (isEssential && isNamed)
  return { level: isDemand ? least : 0, isEssential: isEssential && isNamed, values }
}

const listed = (text: unknown): string[] => (typeof text === 'string' ? text.split(' ').filter(Boolean) : [])

function requestedClaim(claims: unknown) {
  const { value, values, essential } = member(member(parsed(claims), 'id_token'), 'acr')
  const given = [value, values].filter((each) => each !== undefined && each !== null)
  const named = given.flat().filter((each) => typeof each === 'string')
  return { named, isNamed: given.length > 0, isEssential: essential === true }
}

function parsed(claims: unknown): unknown {
  if (typeof claims !== 'string') return claims
  try {
    return JSON.parse(claims)
  } catch {
    return undefined
  }
}

type Members = Record<string, unknown>
const isObject = (value: unknown): value is Members => typeof value === 'object' && value !== null
const member = (value: unknown, name?: string): Members => {
  const inner = isObject(value) && name !== undefined ? value[name] : value
  return isObject(inner) ? inner : {}
}

/** What tokens tell: of the requested values the highest that was reached, else what was reached. */
export function reportedAcr(
  reached: string | undefined,
  params: Readonly<Record<string, unknown>>,
): string | undefined {
  // A higher level includes the lower ones, so that the lower one's name is just as true, and the application compares names: who
  // asked for two factors and got a passkey must find what it asked for.
  const fitting = demandedAcr(params).values.filter((value) => levelOf(value) <= levelOf(reached))
  return fitting.sort((left, right) => levelOf(right) - levelOf(left))[0] ?? reached
}
