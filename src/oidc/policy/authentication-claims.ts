// How and when the person behind an access token signed in (RFC 9068 section 2.2.1; at introspection RFC 9470 section 6.2).
import type { KoaContextWithOIDC } from 'oidc-provider'

interface Authenticated {
  authTime?: number | undefined
  acr?: string | undefined
  amr?: string[] | undefined
}

/** The engine's `extraTokenClaims`. Undefined for machines: nobody has signed in. */
export function authenticationClaims(ctx: KoaContextWithOIDC | undefined, { kind }: { kind: string }) {
  if (kind !== 'AccessToken') return undefined
  // What the token is issued by carries it; a refresh hands it on, so that a token never looks fresher than its sign-in.
  const { AuthorizationCode, DeviceCode, RefreshToken } = ctx?.oidc?.entities ?? {}
  const source: Authenticated | undefined = AuthorizationCode ?? DeviceCode ?? RefreshToken
  if (!source) return undefined
  const { authTime, acr, amr } = source
  const claims = { auth_time: authTime, acr, amr }
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))
}
