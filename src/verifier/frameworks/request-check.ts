// Checks one incoming request for any framework: the verified token, or the refusal to answer.

import { createGuard, type GuardAnswer } from '../application-guard.ts'
import { authorizationOf, type IncomingRequest } from '../authorization-header.ts'
import type { RouteRule } from '../rules/route-rules.ts'
import type { Verifier } from '../verifier.ts'
import { VerifierError } from '../verifier-error.ts'
import { checkedAcrValues, checkedMaxAge, checkedRoles, checkedScopes, checkNames } from '../verifier-options.ts'

/** What a route demands; or, with `rules` and nothing else, what each request of the whole application does. */
export interface MiddlewareOptions {
  /** Scopes that the token must have, in addition to the verifier's own `requiredScopes`. */
  scopes?: readonly string[]
  /** Roles of which the token must have one; see VerifyOptions. */
  roles?: readonly string[]
  /** Authentication levels of which the token must carry one in `acr`; see VerifyOptions. */
  acrValues?: readonly string[]
  /** Seconds since the person signed in, at most; see VerifyOptions. */
  maxAge?: number
  /** Guards the whole application by host, path and method, as the request line has them; see createGuard. */
  rules?: readonly RouteRule[]
}

type Check = (request: IncomingRequest, target?: string) => Promise<GuardAnswer>

const NAMES = new Set(['scopes', 'roles', 'acrValues', 'maxAge', 'rules'])

/** Throws TypeError on a wrong verifier or option, when the route is built and not at its first request. */
export function createRequestCheck(verifier: Verifier, options: MiddlewareOptions): Check {
  if (typeof verifier?.authorize !== 'function') throw new TypeError('The first argument must be a verifier.')
  checkNames(options, NAMES, 'The middleware')
  const { rules, ...demands } = options
  if (rules === undefined) return routeCheck(verifier, demands)
  if (Object.keys(demands).length > 0) throw new TypeError('With rules the middleware takes no other option.')
  return wholeCheck(verifier, rules)
}

function routeCheck(verifier: Verifier, options: MiddlewareOptions): Check {
  const { roles, acrValues, maxAge } = options
  const needs = { requiredScopes: checkedScopes('scopes', options.scopes), roles, acrValues, maxAge }
  checkedRoles(roles)
  checkedAcrValues(acrValues)
  checkedMaxAge(maxAge)
  return async (request) => {
    try {
      return { ok: true, token: await verifier.authorize(authorizationOf(request), needs) }
    } catch (error) {
      if (error instanceof VerifierError) return { ok: false, refusal: error }
      throw error
    }
  }
}

function wholeCheck(verifier: Verifier, rules: readonly RouteRule[]): Check {
  const guard = createGuard({ verifier, rules })
  return async (request, target = request.originalUrl ?? request.url ?? '') =>
    guard.check({
      // Node keeps the first of several; a list is no host, and is refused.
      host: (request.headersDistinct?.host ?? [request.headers.host ?? '']).join(','),
      method: request.method ?? '',
      path: pathOf(target),
      authorization: authorizationOf(request),
    })
}

/** With a fragment it stays whole, and is refused: nobody sends one (RFC 9112 section 3.2), and nobody agrees on where it ends. */
const pathOf = (target: string): string => (target.includes('#') ? target : (target.split('?', 1)[0] ?? ''))
