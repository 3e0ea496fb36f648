// Decides whether a decoded token is of the right kind and for this service: the rules of RFC 9068 section 4 and RFC 8725.
import type { JWTPayload, ProtectedHeaderParameters } from 'jose'

export interface Expected {
  issuer: string
  audience: string
  /** Seconds. */
  clockTolerance: number
  now: Date
}

/** What tells one kind of token from the others. */
export interface TokenKind {
  /** The header's `typ`, without `application/`. */
  type: string
  /** Claims that must be there, as strings that are not empty. */
  needed: readonly string[]
  standard: string
}

export const accessToken: TokenKind = { type: 'at+jwt', needed: ['sub', 'client_id', 'jti'], standard: 'RFC 9068' }

const MAX_LENGTH = 16_384
// A clock that lags a minute behind the issuer's must not refuse fresh tokens; `exp` is what ends a token.
const FUTURE_SECONDS = 60

/** What is wrong with the token's outer form, or undefined. */
export function shapeProblem(token: string): string | undefined {
  if (token.length > MAX_LENGTH) return `The token is longer than ${MAX_LENGTH} characters.`
  const parts = token.split('.').length
  if (parts === 1) return 'The token is not a JWT; an opaque token can be checked by introspection only (RFC 7662).'
  if (parts === 5) return 'The token is encrypted (JWE); this service expects a signed one (JWS).'
  if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)) return 'The token is malformed: it is not a compact JWS (RFC 7515).'
  return undefined
}

/** What is wrong with the token's header, or undefined. */
export function headerProblem(
  header: ProtectedHeaderParameters,
  algorithms: readonly string[],
  { type, standard } = accessToken,
): string | undefined {
  const { alg, typ, crit } = header
  const isAllowed = typeof alg === 'string' && algorithms.includes(alg)
  if (!isAllowed) return `The token's algorithm is ${shown(alg)}; accepted are ${algorithms.join(', ')}.`
  if (!isOfType(typ, type)) {
    const isPerhapsIdToken = type === accessToken.type && (typeof typ !== 'string' || typ.toUpperCase() === 'JWT')
    const hint = isPerhapsIdToken ? ' An ID token is not an access token.' : ''
    return `The token's type (typ) is ${shown(typ)}, this service expects '${type}' (${standard}).${hint}`
  }
  if (crit !== undefined) return "The token's header demands extensions (crit) that this service does not know."
  return undefined
}

/** What is wrong with the token's claims, or undefined. */
export function claimsProblem(
  claims: JWTPayload,
  expected: Expected,
  { needed, standard } = accessToken,
): string | undefined {
  if (claims.iss !== expected.issuer) {
    return `The token's issuer is ${shown(claims.iss)}, this service expects ${shown(expected.issuer)}.`
  }
  if (!audienceOf(claims).includes(expected.audience)) {
    return `The token's audience is ${shown(claims.aud)}, this service expects ${shown(expected.audience)}.`
  }
  const missing = needed.find((name) => typeof claims[name] !== 'string' || claims[name] === '')
  if (missing) return `The token's claim '${missing}' is missing or is not a string (${standard}).`
  if (claims.scope !== undefined && typeof claims.scope !== 'string')
    return "The token's claim 'scope' is not a string."
  if (claims.cnf !== undefined) {
    return "The token is bound to its client's key (cnf) and was presented without proof of that key: as a Bearer token it is worth nothing."
  }
  return timeProblem(claims, expected)
}

function timeProblem({ exp, iat, nbf }: JWTPayload, { now, clockTolerance }: Expected): string | undefined {
  const seconds = Math.floor(now.getTime() / 1000)
  if (!isTime(exp)) return "The token's claim 'exp' is missing or is not a time."
  if (!isTime(iat)) return "The token's claim 'iat' is missing or is not a time."
  if (nbf !== undefined && !isTime(nbf)) return "The token's claim 'nbf' is not a time."
  if (exp <= seconds - clockTolerance) return `The token expired ${seconds - exp} seconds ago.`
  if (nbf !== undefined && nbf > seconds + clockTolerance)
    return `The token is not valid for another ${nbf - seconds} seconds.`
  if (iat > seconds + Math.max(FUTURE_SECONDS, clockTolerance)) {
    return `The token was issued ${iat - seconds} seconds in the future: check the clocks of the issuer and this service.`
  }
  return undefined
}

export function audienceOf({ aud }: JWTPayload): string[] {
  return [aud].flat().filter((value) => typeof value === 'string')
}

/** The token's scopes (RFC 9068 section 2.2.3: one string, separated by spaces). */
export function scopesOf({ scope }: JWTPayload): string[] {
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []
}

/** The token's roles (RFC 9068 section 2.2.3.1): a list of names. */
export function rolesOf({ roles }: JWTPayload): string[] {
  return [roles].flat().filter((value) => typeof value === 'string')
}

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)

// RFC 9068 section 4 takes both; RFC 7515 section 4.1.9 makes media types case-insensitive.
const isOfType = (typ: unknown, type: string) =>
  typeof typ === 'string' && [type, `application/${type}`].includes(typ.toLowerCase())

/** A value from outside, short enough and clean enough for a message. */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const printable = text.replace(/[^ -~]/g, '?')
  return `'${printable.length > 100 ? `${printable.slice(0, 100)}...` : printable}'`
}
