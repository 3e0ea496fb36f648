// Checks that a request carries an access token that this service may accept: the library published as gatehouse/verifier.
import { decodeJwt, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose'
import { type AccessDemand, accessRefusal } from './access-decision.ts'
import {
  accessToken,
  audienceOf,
  claimsProblem,
  type Expected,
  headerProblem,
  rolesOf,
  scopesOf,
  shapeProblem,
  type TokenKind,
} from './access-token.ts'
import { bearerToken } from './authorization-header.ts'
import { createIssuerKeys } from './keys/issuer-keys.ts'
import { createJwksCache } from './keys/jwks-cache.ts'
import {
  onlyTransactionToken,
  transactionToken,
  type VerifiedTransaction,
  verifiedTransaction,
} from './transaction-token.ts'
import { bothDemands } from './user-authentication.ts'
import { verificationFailure } from './verification-failure.ts'
import { VerifierError, type VerifierErrorCode } from './verifier-error.ts'
import {
  checkedOptions,
  checkedRoles,
  checkedScopes,
  checkNames,
  type VerifierOptions,
  type VerifyOptions,
} from './verifier-options.ts'

export { createGuard, type Guard, type GuardAnswer } from './application-guard.ts'
export { expressAuth } from './frameworks/express-auth.ts'
export { fastifyAuth } from './frameworks/fastify-auth.ts'
export { koaAuth } from './frameworks/koa-auth.ts'
export type { MiddlewareOptions } from './frameworks/request-check.ts'
export { identityHeaders, isIdentityHeader } from './identity-headers.ts'
export type { Fetch } from './keys/fetch-json.ts'
export type { GuardedRequest, RouteRule } from './rules/route-rules.ts'
export type { VerifiedTransaction } from './transaction-token.ts'
export { VerifierError, type VerifierErrorCode } from './verifier-error.ts'
export type { VerifierOptions, VerifyOptions } from './verifier-options.ts'

/** A token that passed every check (RFC 9068 section 2.2). */
export interface VerifiedToken {
  /** `sub`: the account, or the client itself where a machine acts on its own behalf. */
  subject: string
  /** `client_id`: the application that the token was issued to. */
  clientId: string
  /** `scope`, split; empty when the token has none. */
  scopes: string[]
  /** `roles` (RFC 9068 section 2.2.3.1); empty when the token has none. */
  roles: string[]
  /** `aud`, always as a list; this service's audience is in it. */
  audience: string[]
  /** `exp`: seconds since the epoch. */
  expiresAt: number
  /** `jti`: unique to the token. */
  tokenId: string
  /** `acr`: how well the person was authenticated, in the issuer's words; undefined for a machine. */
  acr: string | undefined
  /** `amr`: by which methods (RFC 8176); empty when the token has none. */
  amr: string[]
  /** `auth_time`: when the person signed in, in seconds since the epoch; undefined for a machine. */
  authenticatedAt: number | undefined
  /** All claims, as the issuer signed them. */
  claims: JWTPayload
}

/** Checks access tokens for one service. Build it once and share it: it keeps the issuer's keys. */
export interface Verifier {
  /** The audience that it was made for. */
  readonly audience: string
  /** Fetches the issuer's keys unless they are at hand, for a readiness check. Rejects with VerifierError: they cannot be had. */
  prepare(): Promise<void>
  /** Checks a token. Rejects with VerifierError; with TypeError when it is not given a string. */
  verify(token: string, options?: VerifyOptions): Promise<VerifiedToken>
  /**
   * Checks the token in an Authorization header (RFC 6750 section 2.1). Give it the header's value, undefined when there
   * is none, or all values as a list: more than one is refused. Rejects like `verify`.
   */
  authorize(authorization: string | readonly string[] | undefined, options?: VerifyOptions): Promise<VerifiedToken>
  /**
   * Checks a transaction token (draft-ietf-oauth-transaction-tokens) of the trust domain that is this verifier's `audience`: give it the
   * request's `Txn-Token` header. No access token passes here, and no transaction token elsewhere. Rejects like `verify`.
   */
  verifyTransactionToken(
    header: string | readonly string[] | undefined,
    options?: VerifyOptions,
  ): Promise<VerifiedTransaction>
}

const VERIFY_OPTIONS = new Set(['requiredScopes', 'roles', 'acrValues', 'maxAge'])

/**
 * A verifier of JWT access tokens by RFC 9068 (`typ: at+jwt`). It finds the issuer's keys by discovery at the first token,
 * follows their rotation and outlives an outage of the issuer by 24 hours. Throws TypeError on a wrong option.
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const { algorithms, audience, clockTolerance, issuer, now, ...rest } = checkedOptions(options)
  const cache = createJwksCache({ ...rest, now, load: createIssuerKeys({ issuer, ...rest }).load })

  function needsOf(more: VerifyOptions = {}): AccessDemand {
    checkNames(more, VERIFY_OPTIONS, 'verify')
    const scopes = [...new Set([...rest.requiredScopes, ...checkedScopes('requiredScopes', more.requiredScopes)])]
    return { scopes, roles: checkedRoles(more.roles), ...bothDemands(rest, more) }
  }

  function refuser(needs: AccessDemand) {
    return (code: VerifierErrorCode, message: string, more: { cause?: unknown; retryAfter?: number } = {}) =>
      new VerifierError(code, message, { realm: audience, ...needs, ...more })
  }

  async function claimsOf(token: string, needs: AccessDemand, kind: TokenKind): Promise<JWTPayload> {
    const refused = refuser(needs)
    const expected = { issuer, audience, clockTolerance, now: now() }
    // All that needs no key comes first: it names the cause, and a stranger's token makes nobody fetch keys.
    const problem = shapeProblem(token) ?? contentProblem(token, kind, algorithms, expected)
    if (problem) throw refused('invalid_token', problem)
    const checks = { algorithms, issuer, audience, clockTolerance, currentDate: expected.now, typ: kind.type }
    const { payload } = await jwtVerify(token, cache.find, checks).catch((error: unknown) => {
      throw refused(...verificationFailure(error, token))
    })
    const refusal = accessRefusal(payload, needs, expected)
    if (refusal) throw refused(refusal.code, refusal.message)
    return payload
  }

  const verify = async (token: string, needs: AccessDemand) => verifiedToken(await claimsOf(token, needs, accessToken))

  return {
    audience,
    async prepare() {
      await cache.prepare().catch((error: unknown) => {
        throw refuser(needsOf())(...verificationFailure(error, ''))
      })
    },
    async verify(token, more) {
      const needs = needsOf(more)
      if (typeof token !== 'string') throw new TypeError('verify() takes the token as a string.')
      return verify(token, needs)
    },
    async authorize(authorization, more) {
      const needs = needsOf(more)
      const found = bearerToken(authorization)
      if (!found.ok) throw refuser(needs)(found.code, found.reason)
      return verify(found.token, needs)
    },
    async verifyTransactionToken(header, more) {
      const needs = needsOf(more)
      const found = onlyTransactionToken(header)
      if (!found.ok) throw refuser(needs)(found.code, found.reason)
      return verifiedTransaction(await claimsOf(found.token, needs, transactionToken))
    },
  }
}

function contentProblem(
  token: string,
  kind: TokenKind,
  algorithms: readonly string[],
  expected: Expected,
): string | undefined {
  const content = decoded(token)
  if (!content) return 'The token is malformed: its header or its claims are not a base64url-encoded JSON object.'
  return headerProblem(content.header, algorithms, kind) ?? claimsProblem(content.claims, expected, kind)
}

function decoded(token: string) {
  try {
    return { header: decodeProtectedHeader(token), claims: decodeJwt(token) }
  } catch {
    return undefined
  }
}

function verifiedToken(claims: JWTPayload): VerifiedToken {
  return {
    subject: String(claims.sub),
    clientId: String(claims.client_id),
    scopes: scopesOf(claims),
    roles: rolesOf(claims),
    audience: audienceOf(claims),
    expiresAt: Number(claims.exp),
    tokenId: String(claims.jti),
    acr: typeof claims.acr === 'string' ? claims.acr : undefined,
    amr: [claims.amr].flat().filter((value) => typeof value === 'string'),
    authenticatedAt: typeof claims.auth_time === 'number' ? claims.auth_time : undefined,
    claims,
  }
}
