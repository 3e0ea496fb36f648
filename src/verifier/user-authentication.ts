// Decides whether the person behind a token has signed in well enough, and recently enough (RFC 9470).
import type { JWTPayload } from 'jose'
import { shown } from './access-token.ts'
import { checkedAcrValues, checkedMaxAge, type VerifyOptions } from './verifier-options.ts'

/** What a request demands of the sign-in. */
export interface UserAuthentication {
  acrValues: string[] | undefined
  /** Seconds. */
  maxAge: number | undefined
}

/** The verifier's own demands and those of one request together; throws TypeError where no token could satisfy both. */
export function bothDemands(own: UserAuthentication, more: VerifyOptions): UserAuthentication {
  const acrValues = checkedAcrValues(more.acrValues)
  const maxAge = checkedMaxAge(more.maxAge)
  const common = own.acrValues && acrValues ? acrValues.filter((value) => own.acrValues?.includes(value)) : undefined
  if (common?.length === 0)
    throw new TypeError("acrValues has nothing in common with the verifier's own: no token could satisfy both.")
  return {
    acrValues: common ?? acrValues ?? own.acrValues,
    maxAge: maxAge === undefined ? own.maxAge : Math.min(maxAge, own.maxAge ?? maxAge),
  }
}

/** What is missing, or undefined. A claim that is not there satisfies nothing: machines, and issuers that do not tell. */
export function authenticationProblem(
  { acr, auth_time: authTime }: JWTPayload,
  { acrValues, maxAge }: UserAuthentication,
  { now, clockTolerance }: { now: Date; clockTolerance: number },
): string | undefined {
  if (acrValues && !(typeof acr === 'string' && acrValues.includes(acr)))
    return `The token's authentication level (acr) is ${shown(acr)}, the request needs ${acrValues.join(' or ')}.`
  if (maxAge === undefined) return undefined
  if (typeof authTime !== 'number' || !Number.isFinite(authTime))
    return 'The token does not say when its person signed in (auth_time), and the request needs a recent sign-in.'
  const age = Math.floor(now.getTime() / 1000) - authTime
  if (age <= maxAge + clockTolerance) return undefined
  return `The person signed in ${Math.round(age)} seconds ago, the request needs a sign-in of the last ${maxAge} seconds.`
}
