// Hands what a token got by exchange says beyond the usual (RFC 8693 section 4.1) from the grant to the engine's claims.
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { Actor } from './exchange-decision.ts'

export interface ExchangeClaims {
  act?: Actor | undefined
  auth_time?: number | undefined
  acr?: string | undefined
  amr?: string[] | undefined
}

const noted = new WeakMap<object, Record<string, unknown>>()

/** For the one token that this request issues. */
export function noteExchangeClaims(ctx: KoaContextWithOIDC, claims: ExchangeClaims): void {
  noted.set(ctx.oidc, Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined)))
}

/** Undefined where nothing was exchanged. */
export const exchangeClaims = (ctx: KoaContextWithOIDC | undefined): Record<string, unknown> | undefined =>
  ctx?.oidc && noted.get(ctx.oidc)
