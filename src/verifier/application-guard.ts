// Guards whole applications: holds each request to the rule that is for it, and refuses what no rule is for.
import { hostProblem, pathProblem } from './rules/request-target.ts'
import { createRouteRules, type GuardedRequest, type RouteRule } from './rules/route-rules.ts'
import type { VerifiedToken, Verifier } from './verifier.ts'
import { VerifierError } from './verifier-error.ts'
import { checkedAcrValues, checkedMaxAge, checkedRoles, checkedScopes, checkNames } from './verifier-options.ts'

/** Yes, with the token (undefined: the path is public, and nobody looked at one), or no, with what to answer. */
export type GuardAnswer = { ok: true; token: VerifiedToken | undefined } | { ok: false; refusal: VerifierError }

/** Decides for every request of an application. Build it once and share it. */
export interface Guard {
  /**
   * Takes the request as it was sent: the Host header, the method, the path of the request line (neither decoded nor rewritten,
   * without the query) and the Authorization header or headers. A path that two programs could read in two ways is refused
   * before anything else (400 `invalid_request`), then what no rule is for (403 `access_denied`); a public path passes, and
   * everything else needs a token that the verifier takes. Never rejects with VerifierError.
   */
  check(request: GuardedRequest & { authorization?: string | readonly string[] | undefined }): Promise<GuardAnswer>
}

const NAMES = new Set(['verifier', 'rules'])

/** Joins a verifier and rules, of which the first that matches counts. Throws TypeError on a rule that could not be meant. */
export function createGuard(options: { verifier: Verifier; rules: readonly RouteRule[] }): Guard {
  checkNames(options, NAMES, 'createGuard')
  const { verifier, rules } = options
  if (typeof verifier?.authorize !== 'function') throw new TypeError('verifier must be a verifier.')
  if (!Array.isArray(rules)) throw new TypeError('rules must be a list of rules.')
  const found = createRouteRules(rules)
  for (const rule of rules) checkDemands(rule)
  const refuse = (code: 'invalid_request' | 'access_denied', message: string): GuardAnswer => ({
    ok: false,
    refusal: new VerifierError(code, message, { realm: verifier.audience }),
  })

  return {
    async check({ host, method, path, authorization }) {
      const strange = hostProblem(host)
      if (strange) return refuse('invalid_request', `The Host header is refused: ${strange}.`)
      const problem = pathProblem(path)
      if (problem) return refuse('invalid_request', `The path is refused: ${problem}.`)
      const rule = found.find({ host, method, path })
      if (!rule) return refuse('access_denied', 'No rule allows this request.')
      if (rule.isPublic) return { ok: true, token: undefined }
      const { scopes, roles, acrValues, maxAge } = rule
      try {
        const needs = { ...(scopes && { requiredScopes: scopes }), roles, acrValues, maxAge }
        return { ok: true, token: await verifier.authorize(authorization, needs) }
      } catch (error) {
        if (error instanceof VerifierError) return { ok: false, refusal: error }
        throw error
      }
    },
  }
}

function checkDemands({ scopes, roles, acrValues, maxAge, isPublic }: RouteRule): void {
  // Anything else that counts as true would open a path that a typing mistake meant to close.
  if (isPublic !== undefined && typeof isPublic !== 'boolean') throw new TypeError('isPublic must be true or false.')
  checkedScopes('scopes', scopes)
  checkedRoles(roles)
  checkedAcrValues(acrValues)
  checkedMaxAge(maxAge)
}
