// Checks one incoming request for any framework: the verified token, or the refusal to answer.
import { authorizationOf, type IncomingRequest } from './authorization-header.ts'
import type { VerifiedToken, Verifier } from './verifier.ts'
import { VerifierError } from './verifier-error.ts'
import { checkedScopes, checkNames } from './verifier-options.ts'

/** What a route demands. */
export interface MiddlewareOptions {
  /** Scopes that the token must have, in addition to the verifier's own `requiredScopes`. */
  scopes?: readonly string[]
}

type Checked = { ok: true; token: VerifiedToken } | { ok: false; refusal: VerifierError }

const NAMES = new Set(['scopes'])

/** Throws TypeError on a wrong verifier or option, when the route is built and not at its first request. */
export function createRequestCheck(verifier: Verifier, options: MiddlewareOptions) {
  if (typeof verifier?.authorize !== 'function') throw new TypeError('The first argument must be a verifier.')
  checkNames(options, NAMES, 'The middleware')
  const requiredScopes = checkedScopes('scopes', options.scopes)

  return async (request: IncomingRequest): Promise<Checked> => {
    try {
      return { ok: true, token: await verifier.authorize(authorizationOf(request), { requiredScopes }) }
    } catch (error) {
      if (error instanceof VerifierError) return { ok: false, refusal: error }
      throw error
    }
  }
}
