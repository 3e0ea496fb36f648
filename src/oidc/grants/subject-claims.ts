// Reads the claims of a token that has been found good into what an exchange is decided by.
import type { JWTPayload } from 'jose'
import type { Actor, Subject } from './exchange-decision.ts'

export interface KnownSubject extends Subject {
  /** The key whose holder alone may use it (RFC 9449). */
  jkt: string | undefined
  /** What it was issued under, as far as it was stored: what is got for it ends with that. */
  grantId: string | undefined
  /** Of a transaction token. */
  transaction: Transaction | undefined
  /** How and when the person signed in. */
  authentication: { auth_time?: number; acr?: string; amr?: string[] }
}

/** What a transaction token hands on to the one that replaces it. */
export interface Transaction {
  txn: string
  /** Who has asked for it and its predecessors, the first one first. */
  workloads: string[]
  /** As the token says it: who acted before the transaction. */
  act: Actor | undefined
  tctx: Record<string, unknown> | undefined
  rctx: Record<string, unknown> | undefined
}

export type SubjectRead = { ok: true; subject: KnownSubject } | { ok: false; cause: string }

export const transactionTokenType = 'txntoken+jwt'

export const bad = (cause: string): SubjectRead => ({ ok: false, cause })

export function fromClaims(kind: Subject['kind'], claims: JWTPayload, clientId: string): SubjectRead {
  const cnf = confirmationOf(claims.cnf)
  if (!cnf.ok) return bad('it is bound to something other than a DPoP key')
  return {
    ok: true,
    subject: {
      kind,
      sub: String(claims.sub),
      clientId,
      audiences: textsOf(claims.aud),
      issuer: undefined,
      scopes: scopesOf(claims.scope),
      expiresAt: claims.exp ?? 0,
      act: actorOf(claims.act),
      mayAct: mayActOf(claims.may_act),
      jkt: cnf.jkt,
      grantId: undefined,
      transaction: undefined,
      authentication: authenticationOf(claims),
    },
  }
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null
export const scopesOf = (scope: unknown): string[] =>
  typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []
export const textsOf = (value: unknown): string[] => [value].flat().filter((text) => typeof text === 'string')

const deepest = 32

/** Deeper than any policy allows it is cut to what is refused anyway. */
export function actorOf(act: unknown, depth = 0): Actor | undefined {
  if (!isRecord(act) || typeof act.sub !== 'string' || depth > deepest) return undefined
  const before = actorOf(act.act, depth + 1)
  return { sub: act.sub, ...(before && { act: before }) }
}

/** Somebody must be named who can be compared; a `may_act` without a `sub` allows nobody. */
export const mayActOf = (mayAct: unknown): string | undefined => {
  if (mayAct === undefined) return undefined
  return isRecord(mayAct) && typeof mayAct.sub === 'string' ? mayAct.sub : ''
}

function confirmationOf(cnf: unknown): { ok: true; jkt: string | undefined } | { ok: false } {
  if (cnf === undefined) return { ok: true, jkt: undefined }
  const { jkt, ...others } = isRecord(cnf) ? cnf : {}
  return typeof jkt === 'string' && Object.keys(others).length === 0 ? { ok: true, jkt } : { ok: false }
}

export function authenticationOf({
  auth_time: time,
  acr,
  amr,
}: Record<string, unknown>): KnownSubject['authentication'] {
  return {
    ...(typeof time === 'number' && { auth_time: time }),
    ...(typeof acr === 'string' && { acr }),
    ...(Array.isArray(amr) && { amr: textsOf(amr) }),
  }
}
