// Checks one incoming request for any framework: the verified token, or the refusal to answer.
import { authorizationOf, type IncomingRequest } from '../authorization-header.ts'
import type { VerifiedToken, Verifier } from '../verifier.ts'
import { VerifierError } from '../verifier-error.ts'
import { checkedAcrValues, checkedMaxAge, checkedRoles, checkedScopes, checkNames } from '../verifier-options.ts'

/** What a route demands. */
export interface MiddlewareOptions {
  /** Scopes that the token must have, in addition to the verifier's own `requiredScopes`. */
  scopes?: readonly string[]
  /** Roles of which the token must have one; see VerifyOptions. */
  roles?: readonly string[]
  /** Authentication levels of which the token must carry one in `acr`; see VerifyOptions. */
  acrValues?: readonly string[]
  /** Seconds since the person signed in, at most; see VerifyOptions. */
  maxAge?: number
}

type Checked = { ok: true; token: VerifiedToken } | { ok: false; refusal: VerifierError }

const NAMES = new Set(['scopes', 'roles', 'acrValues', 'maxAge'])

/** Throws TypeError on a wrong verifier or option, when the route is built and not at its first request. */
export function createRequestCheck(verifier: Verifier, options: MiddlewareOptions) {
  if (typeof verifier?.authorize !== 'function') throw new TypeError('The first argument must be a verifier.')
  checkNames(options, NAMES, 'The middleware')
  const { roles, acrValues, maxAge } = options
  const needs = { requiredScopes: checkedScopes('scopes', options.scopes), roles, acrValues, maxAge }
  checkedRoles(roles)
  checkedAcrValues(acrValues)
  checkedMaxAge(maxAge)

  return async (request: IncomingRequest): Promise<Checked> => {
    try {
      return { ok: true, token: await verifier.authorize(authorizationOf(request), needs) }
    } catch (error) {
      if (error instanceof VerifierError) return { ok: false, refusal: error }
      throw error
    }
  }
}
