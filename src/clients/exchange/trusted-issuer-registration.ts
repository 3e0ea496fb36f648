// Decides which issuers outside may be trusted, for the command line and the admin API alike.
import { publicJwksProblem } from '../public-jwks.ts'
import {
  type SubjectClaim,
  subjectClaims,
  type TrustedIssuer,
  type TrustedIssuerStore,
} from './trusted-issuer-store.ts'

export interface TrustedIssuerInput {
  issuer: string
  /** What its JWTs for this server carry in `aud`; this server's own issuer when it is left out. */
  audience?: string | undefined
  jwksUri?: string | undefined
  jwks?: object | undefined
  subjectClaim?: SubjectClaim | undefined
}

export interface IssuerProblem {
  field: keyof TrustedIssuerInput
  message: string
}

export type TrustedIssuerCreated =
  | { ok: true; issuer: TrustedIssuer }
  | { ok: false; reason: 'taken' }
  | { ok: false; reason?: never; problems: IssuerProblem[] }

export interface TrustedIssuerRegistrationParts {
  store: Pick<TrustedIssuerStore, 'insert' | 'remove'>
  issuer: string
  /** What is wrong with an address that this server is to call. */
  outwardUriProblem(uri: unknown): string | undefined
}

export type TrustedIssuerRegistration = ReturnType<typeof createTrustedIssuerRegistration>

export function createTrustedIssuerRegistration(parts: TrustedIssuerRegistrationParts) {
  const { store } = parts
  return {
    create: async (input: TrustedIssuerInput): Promise<TrustedIssuerCreated> => {
      const problems = [...issuerProblems(input, parts), ...keyProblems(input, parts)]
      if (problems.length > 0) return { ok: false, problems }
      const { issuer, audience = parts.issuer, jwksUri, subjectClaim = 'sub' } = input
      const jwks = input.jwks as TrustedIssuer['jwks']
      const made = await store.insert({ issuer, audience, jwksUri, jwks, subjectClaim })
      return made ? { ok: true, issuer: made } : { ok: false, reason: 'taken' }
    },
    remove: (issuer: string): Promise<boolean> => store.remove(issuer),
  }
}

const problem = (field: keyof TrustedIssuerInput, message: string): IssuerProblem[] => [{ field, message }]
const isClean = (text: string) => /^[\x21-\x7e]{1,255}$/.test(text)

function issuerProblems({ issuer, audience, subjectClaim }: TrustedIssuerInput, own: { issuer: string }) {
  return [
    ...(isClean(issuer) && URL.canParse(issuer)
      ? []
      : problem('issuer', 'The issuer must be the URL that stands in iss, character by character, of at most 255.')),
    ...(issuer === own.issuer ? problem('issuer', 'This server trusts itself. Name another issuer.') : []),
    ...(audience === undefined || isClean(audience)
      ? []
      : problem('audience', 'The audience must have 1 to 255 characters without spaces.')),
    ...(subjectClaim === undefined || subjectClaims.includes(subjectClaim)
      ? []
      : problem('subjectClaim', `The claim must be one of ${subjectClaims.join(', ')}.`)),
  ]
}

function keyProblems({ jwks, jwksUri }: TrustedIssuerInput, { outwardUriProblem }: TrustedIssuerRegistrationParts) {
  if ((jwks === undefined) === (jwksUri === undefined))
    return problem('jwksUri', 'Say where its keys are: either jwks_uri, or the keys themselves.')
  if (jwks !== undefined) {
    const wrong = publicJwksProblem(jwks)
    return wrong ? problem('jwks', wrong) : []
  }
  const wrong = outwardUriProblem(jwksUri)
  return wrong ? problem('jwksUri', `The address of its keys ${wrong}.`) : []
}
