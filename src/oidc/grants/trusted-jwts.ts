// Verifies the JWTs of trusted issuers outside, and finds the account here that each is about.
import { createLocalJWKSet, createRemoteJWKSet, customFetch, decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Account, AccountStore } from '../../accounts/account-store.ts'
import type { TrustedIssuer } from '../../clients/exchange/trusted-issuer-store.ts'

export interface TrustedJwtParts {
  findIssuer(issuer: string): Promise<TrustedIssuer | undefined>
  accounts: Pick<AccountStore, 'find' | 'findByEmail'>
  /** Calls nobody within the own network, and reads no more than a key set may have. */
  fetch(url: string, options: { signal: AbortSignal }): Promise<Response>
}

export type TrustedJwtRead =
  | { ok: true; sub: string; issuer: string; claims: JWTPayload }
  | { ok: false; cause: string }

export type TrustedJwts = ReturnType<typeof createTrustedJwts>

// Asymmetric only (RFC 8725 section 3.1).
const algorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'RS384', 'RS512', 'PS384', 'PS512', 'EdDSA', 'Ed25519']
const limits = { timeoutDuration: 3000, cacheMaxAge: 300_000, cooldownDuration: 30_000 }

export function createTrustedJwts({ findIssuer, accounts, fetch }: TrustedJwtParts) {
  const remote = new Map<string, ReturnType<typeof createRemoteJWKSet>>()

  const keysOf = ({ jwks, jwksUri = '' }: TrustedIssuer) => {
    if (jwks) return createLocalJWKSet(jwks as Parameters<typeof createLocalJWKSet>[0])
    const known = remote.get(jwksUri)
    if (known) return known
    const options = { ...limits, [customFetch]: fetch as never }
    const keys = createRemoteJWKSet(new URL(jwksUri), options)
    remote.set(jwksUri, keys)
    return keys
  }

  return {
    read: async (token: string): Promise<TrustedJwtRead> => {
      const iss = issuerIn(token)
      const trusted = iss === undefined ? undefined : await findIssuer(iss)
      if (!trusted) return { ok: false, cause: 'its issuer is not declared as trusted' }
      const { issuer, audience } = trusted
      try {
        const options = { issuer, audience, algorithms, requiredClaims: ['sub', 'exp', 'iat'] }
        const { payload, protectedHeader } = await jwtVerify(token, keysOf(trusted), options)
        const { typ } = protectedHeader
        // Made for something else: a logout token, a security event.
        if (typ !== undefined && !/^(application\/)?(at\+)?jwt$/i.test(typ))
          return { ok: false, cause: `a JWT of the type ${typ} is no subject token` }
        const account = await accountOf(payload, trusted, accounts)
        if (!account || account.disabledAt) return { ok: false, cause: 'it is about nobody who has an account here' }
        return { ok: true, sub: account.sub, issuer, claims: payload }
      } catch (error) {
        return { ok: false, cause: whyNot(error) }
      }
    },
  }
}

function issuerIn(token: string): string | undefined {
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}

async function accountOf(
  { sub, email, email_verified: isVerified }: JWTPayload,
  { subjectClaim }: TrustedIssuer,
  accounts: TrustedJwtParts['accounts'],
): Promise<Account | undefined> {
  if (subjectClaim === 'sub') return accounts.find(String(sub))
  // An address that nobody has checked could be anybody's, there and here.
  if (typeof email !== 'string' || isVerified !== true) return undefined
  const account = await accounts.findByEmail(email)
  return account?.isEmailVerified ? account : undefined
}

/** What is the token's fault, and what its issuer's; anything else is a bug, or a database that does not answer. */
function whyNot(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'it has expired'
  if (error instanceof errors.JOSEError) return `it does not verify: ${error.message}`
  if (error instanceof UnusableKeySet) return error.message
  throw error
}

/** Thrown by `fetch`. */
export class UnusableKeySet extends Error {
  constructor(reason: string) {
    super(`the keys of its issuer cannot be had: ${reason}`)
    this.name = 'UnusableKeySet'
  }
}
