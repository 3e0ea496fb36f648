// Transaction tokens in a service (draft-ietf-oauth-transaction-tokens): how one is sent, and what one says that has been checked.
import type { JWTPayload } from 'jose'
import { scopesOf, type TokenKind } from './access-token.ts'

export const transactionToken: TokenKind = {
  type: 'txntoken+jwt',
  needed: ['sub', 'txn', 'req_wl', 'scope'],
  standard: 'draft-ietf-oauth-transaction-tokens',
}

/** A transaction token that passed every check. */
export interface VerifiedTransaction {
  /** `txn`: the transaction, the same in every token of the chain; for logs, and to notice a replay. */
  transactionId: string
  /** `sub`: whom the transaction is for. */
  subject: string
  /** `scope`, split: what it is for. */
  scopes: string[]
  /** `req_wl`, split: the workloads that asked for it and for those that it replaces, the first one first. */
  workloads: string[]
  /** `tctx`: what the transaction is about; the same all along the chain, but for what was added. */
  transactionContext: Readonly<Record<string, unknown>>
  /** `rctx`: the circumstances in which it began. */
  requestContext: Readonly<Record<string, unknown>>
  /** `exp`: seconds since the epoch. */
  expiresAt: number
  /** All claims, as the issuer signed them. */
  claims: JWTPayload
}

type SentToken = { ok: true; token: string } | { ok: false; code: 'missing_token' | 'invalid_request'; reason: string }

/** The header must hold exactly one. */
export function onlyTransactionToken(header: string | readonly string[] | undefined): SentToken {
  const values = [header ?? []].flat()
  if (values.some((value) => typeof value !== 'string'))
    throw new TypeError(
      'verifyTransactionToken() takes the value of the Txn-Token header: a string, strings or undefined.',
    )
  // Node joins repeated headers with commas.
  const [token = '', ...more] = values.flatMap((value) => value.split(',')).map((value) => value.trim())
  if (more.length > 0)
    return {
      ok: false,
      code: 'invalid_request',
      reason: 'The request carries more than one transaction token; send exactly one.',
    }
  return token === ''
    ? {
        ok: false,
        code: 'missing_token',
        reason: 'The request carries no transaction token; send it in the header Txn-Token.',
      }
    : { ok: true, token }
}

export function verifiedTransaction(claims: JWTPayload): VerifiedTransaction {
  return {
    transactionId: String(claims.txn),
    subject: String(claims.sub),
    scopes: scopesOf(claims),
    workloads: String(claims.req_wl).split(','),
    transactionContext: objectOf(claims.tctx),
    requestContext: objectOf(claims.rctx),
    expiresAt: Number(claims.exp),
    claims,
  }
}

const objectOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
