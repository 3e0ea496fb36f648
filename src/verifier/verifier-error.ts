// Says no to a request in the words of RFC 6750 section 3 and RFC 9470: a code, a status, a sentence, the headers and body to answer.

/**
 * Why a request was refused. `missing_token` is ours: RFC 6750 section 3.1 gives a request without a token no code, so the
 * challenge carries none then. `insufficient_user_authentication` is RFC 9470's (section 3), `temporarily_unavailable` RFC 6749's
 * (section 4.1.2.1), `access_denied` is ours as well: no rule of a guard lets this request pass, whoever sends it. The others are RFC 6750's.
 */
export type VerifierErrorCode =
  | 'missing_token'
  | 'invalid_request'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'insufficient_user_authentication'
  | 'access_denied'
  | 'temporarily_unavailable'

const statuses = {
  missing_token: 401,
  invalid_request: 400,
  invalid_token: 401,
  insufficient_scope: 403,
  insufficient_user_authentication: 401,
  access_denied: 403,
  temporarily_unavailable: 503,
} as const

/** What a refusal knows besides its code and sentence. */
export interface VerifierErrorDetails {
  /** The protection space named in the challenge: the service's audience. */
  realm: string
  /** The scopes that the request needs; named in the challenge. */
  scopes?: readonly string[]
  /** The levels of which the request needs one; named in the challenge of `insufficient_user_authentication`. */
  acrValues?: readonly string[] | undefined
  /** Seconds since the person signed in, at most; named in the challenge of `insufficient_user_authentication`. */
  maxAge?: number | undefined
  /** Seconds until it is worth trying again (`temporarily_unavailable` only). */
  retryAfter?: number
  /** The error underneath, for the service's own log; never sent. */
  cause?: unknown
}

/**
 * A request that must be refused. Answer it with `status`, `headers` and `body` (as JSON); the middlewares do just that.
 * Wrong use of the library is never a VerifierError but a TypeError.
 */
export class VerifierError extends Error {
  override readonly name = 'VerifierError'
  /** Stable; decide by this, not by the message. */
  readonly code: VerifierErrorCode
  /** 400, 401, 403 or 503. */
  readonly status: (typeof statuses)[VerifierErrorCode]
  /** The value of WWW-Authenticate (RFC 6750 section 3); undefined where no other token would help: 503 and `access_denied`. */
  readonly challenge: string | undefined
  /** The headers to answer: WWW-Authenticate, or Retry-After (seconds) with a 503; none with `access_denied`. */
  readonly headers: Readonly<Record<string, string>>
  /** The JSON body to answer. */
  readonly body: Readonly<{ error: VerifierErrorCode; error_description: string }>

  constructor(code: VerifierErrorCode, message: string, details: VerifierErrorDetails) {
    super(message, { cause: details.cause })
    this.code = code
    this.status = statuses[code]
    const isHopeless = this.status === 503 || code === 'access_denied'
    this.challenge = isHopeless ? undefined : challenge(code, message, details)
    this.headers = {
      ...(this.challenge && { 'WWW-Authenticate': this.challenge }),
      ...(this.status === 503 && { 'Retry-After': String(Math.max(1, Math.ceil(details.retryAfter ?? 1))) }),
    }
    this.body = { error: code, error_description: message }
  }
}

function challenge(code: VerifierErrorCode, message: string, details: VerifierErrorDetails): string {
  const { realm, scopes = [] } = details
  const error = code === 'missing_token' ? {} : { error: code, error_description: message }
  const stepUp = code === 'insufficient_user_authentication' ? stepUpParameters(details) : {}
  const parameters = { realm, ...error, ...stepUp, ...(scopes.length > 0 && { scope: scopes.join(' ') }) }
  return `Bearer ${Object.entries(parameters)
    .map(([name, value]) => `${name}="${quotable(value)}"`)
    .join(', ')}`
}

// RFC 9470 section 3: what the client sends on to the authorization endpoint.
function stepUpParameters({ acrValues = [], maxAge }: VerifierErrorDetails): Record<string, string> {
  return {
    ...(acrValues.length > 0 && { acr_values: acrValues.join(' ') }),
    ...(maxAge !== undefined && { max_age: String(maxAge) }),
  }
}

// RFC 6750 section 3: printable ASCII without the double quote and the backslash.
const quotable = (text: string) => text.replace(/["\\]/g, "'").replace(/[^ -~]/g, '?')
