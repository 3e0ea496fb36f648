// Holds a service to the options that exist: a misspelt or senseless one is a TypeError, never a check left out.
import type { Fetch } from './keys/fetch-json.ts'

/** What a service tells its verifier. All times are seconds. */
export interface VerifierOptions {
  /** The authorization server's issuer identifier, exactly as its tokens carry it in `iss` (RFC 8414 section 2). */
  issuer: string
  /** This service's own identifier, which must be in every token's `aud` (RFC 9068 section 4). */
  audience: string
  /** Scopes that every token must have; a request can ask for more. Default: none. */
  requiredScopes?: readonly string[]
  /**
   * Authentication levels, as tokens carry them in `acr`: every token must have one of them (RFC 9470). They are compared by name,
   * so list the higher ones too. Default: any.
   */
  acrValues?: readonly string[]
  /** Seconds since the person behind the token signed in (`auth_time`), at most, whole ones (RFC 9470). Default: any. */
  maxAge?: number
  /** How far the clocks may differ at `exp`, `nbf` and `auth_time`, in seconds. Default 5, at most 300. */
  clockTolerance?: number
  /** Accepted JWS algorithms, asymmetric ones only. Default ES256, RS256, PS256, EdDSA and Ed25519. */
  algorithms?: readonly string[]
  /** Replaces the global `fetch`, for a proxy or a private CA. It must honour `redirect: 'manual'` and `signal`. */
  fetch?: Fetch
  /** The address of the JWKS, to fetch it without the discovery document. */
  jwksUri?: string
  /** The clock. Default: the system's. */
  now?: () => Date
  /** Seconds after which the keys are fetched again in the background. Default 300. */
  cacheMaxAge?: number
  /** Seconds between two fetches of the keys, however many unknown keys arrive meanwhile. Default 5. */
  cooldown?: number
}

/** What a single request needs. */
export interface VerifyOptions {
  /** Scopes that this request needs, in addition to the verifier's own `requiredScopes`. */
  requiredScopes?: readonly string[]
  /** Roles of which the token must have one (RFC 9068 section 2.2.3.1). Default: none is needed. */
  roles?: readonly string[] | undefined
  /** Levels of which this request needs one. With the verifier's own `acrValues` a token must satisfy both lists. */
  acrValues?: readonly string[] | undefined
  /** Seconds since the person signed in, at most; the shorter of this and the verifier's own `maxAge` counts. */
  maxAge?: number | undefined
}

const DEFAULT_ALGORITHMS = ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519']
// RFC 8725 section 3.1: never `none`, never a shared secret.
const ASYMMETRIC = [...DEFAULT_ALGORITHMS, 'ES384', 'ES512', 'RS384', 'RS512', 'PS384', 'PS512']
// What stands in a list that is separated by spaces, in double quotes.
const TOKEN = /^[!#-[\]-~]+$/
const NAMES = new Set(
  'issuer audience requiredScopes acrValues maxAge clockTolerance algorithms fetch jwksUri now cacheMaxAge cooldown'.split(
    ' ',
  ),
)

/** The options with their defaults; throws TypeError. */
export function checkedOptions(options: VerifierOptions) {
  checkNames(options, NAMES, 'createVerifier')
  const { issuer, audience, jwksUri, algorithms = DEFAULT_ALGORITHMS } = options
  const { fetch = globalThis.fetch, now = () => new Date() } = options
  demand(isWebAddress(issuer) && !/[?#]/.test(issuer), 'issuer must be an http(s) URL without query or fragment')
  demand(typeof audience === 'string' && audience !== '', 'audience must be a string: the identifier of this service')
  demand(jwksUri === undefined || isWebAddress(jwksUri), 'jwksUri must be an http(s) URL')
  demand(
    Array.isArray(algorithms) && algorithms.length > 0 && algorithms.every((name) => ASYMMETRIC.includes(name)),
    `algorithms must be some of ${ASYMMETRIC.join(', ')}`,
  )
  demand(typeof fetch === 'function', 'fetch must be a function')
  demand(typeof now === 'function', 'now must be a function that returns a Date')
  return {
    issuer,
    audience,
    jwksUri,
    algorithms: [...algorithms],
    fetch,
    now,
    requiredScopes: checkedScopes('requiredScopes', options.requiredScopes),
    acrValues: checkedAcrValues(options.acrValues),
    maxAge: checkedMaxAge(options.maxAge),
    clockTolerance: seconds('clockTolerance', options.clockTolerance ?? 5, 0, 300),
    cacheMaxAge: seconds('cacheMaxAge', options.cacheMaxAge ?? 300, 1, 86_400),
    cooldown: seconds('cooldown', options.cooldown ?? 5, 1, 3_600),
  }
}

/** The scopes, or none; throws TypeError unless they are a list of scope tokens (RFC 6749 section 3.3). */
export function checkedScopes(name: string, scopes: readonly string[] = []): string[] {
  const isList = Array.isArray(scopes) && scopes.every((scope) => typeof scope === 'string')
  demand(isList && scopes.every((scope) => TOKEN.test(scope)), `${name} must be a list of scope names`)
  return [...scopes]
}

/** The roles, or undefined where none is needed; throws TypeError unless they are a list of at least one name. */
export function checkedRoles(roles: readonly string[] | undefined): string[] | undefined {
  if (roles === undefined) return undefined
  const isList = Array.isArray(roles) && roles.length > 0 && roles.every((role) => typeof role === 'string' && role)
  demand(isList, 'roles must be a list of at least one role')
  return [...roles]
}

/** The levels, or undefined where any will do; throws TypeError unless they are a list of at least one name. */
export function checkedAcrValues(values: readonly string[] | undefined): string[] | undefined {
  if (values === undefined) return undefined
  const isList = Array.isArray(values) && values.length > 0 && values.every((value) => typeof value === 'string')
  demand(isList && values.every((value) => TOKEN.test(value)), 'acrValues must be a list of at least one level')
  return [...values]
}

/** The seconds, or undefined where any age will do; throws TypeError. */
export function checkedMaxAge(value: number | undefined): number | undefined {
  if (value === undefined) return undefined
  demand(Number.isSafeInteger(value) && value >= 0, 'maxAge must be a whole number of seconds, 0 or more')
  return value
}

/** Throws TypeError on an option that does not exist. */
export function checkNames(options: object, names: ReadonlySet<string>, where: string): void {
  demand(typeof options === 'object' && options !== null, `${where} takes an object of options`)
  const unknown = Object.keys(options).find((name) => !names.has(name))
  demand(unknown === undefined, `${where} has no option '${unknown}'; it has ${[...names].join(', ')}`)
}

function seconds(name: string, value: number, least: number, most: number): number {
  const isInRange = typeof value === 'number' && value >= least && value <= most
  demand(isInRange, `${name} must be a number of seconds from ${least} to ${most}`)
  return value
}

function demand(condition: boolean, message: string): void {
  if (!condition) throw new TypeError(`${message}.`)
}

const isWebAddress = (value: unknown) => typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value)
