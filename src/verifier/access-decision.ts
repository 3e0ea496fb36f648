// The one decision, the same in a service, beside it and at the gateway: whether the holder of a valid token may do what is asked.
import type { JWTPayload } from 'jose'
import { rolesOf, scopesOf, shown } from './access-token.ts'
import { authenticationProblem, type UserAuthentication } from './user-authentication.ts'
import type { VerifierErrorCode } from './verifier-error.ts'

/** All that one request needs. */
export interface AccessDemand extends UserAuthentication {
  /** Every one of them. */
  scopes: string[]
  /** One of them; undefined where no role is needed. */
  roles: string[] | undefined
}

export interface AccessRefusal {
  code: Extract<VerifierErrorCode, 'insufficient_user_authentication' | 'insufficient_scope'>
  message: string
}

/** Takes the claims of a token whose signature or record, issuer, audience and time have been checked. Undefined: it may. */
export function accessRefusal(
  claims: JWTPayload,
  demand: AccessDemand,
  clock: { now: Date; clockTolerance: number },
): AccessRefusal | undefined {
  const weak = authenticationProblem(claims, demand, clock)
  if (weak) return { code: 'insufficient_user_authentication', message: weak }
  const missing = scopeProblem(scopesOf(claims), demand.scopes) ?? roleProblem(rolesOf(claims), demand.roles)
  return missing === undefined ? undefined : { code: 'insufficient_scope', message: missing }
}

function scopeProblem(has: string[], needed: string[]): string | undefined {
  const missing = needed.filter((scope) => !has.includes(scope))
  if (missing.length === 0) return undefined
  const held = has.length > 0 ? `has ${shown(has.join(' '))} only` : 'has no scope'
  return `The request needs the scope ${shown(missing.join(' '))}, the token ${held}.`
}

function roleProblem(has: string[], needed: string[] | undefined): string | undefined {
  if (needed === undefined || needed.some((role) => has.includes(role))) return undefined
  return `The request needs the role ${needed.map(shown).join(' or ')}, the token has ${has.length > 0 ? shown(has.join(' ')) : 'none'}.`
}
