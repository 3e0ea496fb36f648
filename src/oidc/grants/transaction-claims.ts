// What a transaction token says (draft-ietf-oauth-transaction-tokens): one transaction, its subject, purpose and context, and who took part so far.
import { randomUUID } from 'node:crypto'
import type { JWTPayload } from 'jose'
import type { AllowedExchange } from './exchange-decision.ts'
import type { TransactionContext } from './exchange-request.ts'
import type { KnownSubject } from './subject-claims.ts'

export interface TransactionParts {
  issuer: string
  api: { audience: string }
  decision: Pick<AllowedExchange, 'scopes' | 'lifetime'>
  subject: Pick<KnownSubject, 'sub' | 'act' | 'transaction'>
  context: TransactionContext
  /** The workload that asks. */
  by: string
  now: Date
}

export type TransactionClaims = { ok: true; claims: JWTPayload } | { ok: false; cause: string }

/** A replacement keeps the transaction, its subject and all that was said of it; it may add, and narrow. */
export function transactionClaims(parts: TransactionParts): TransactionClaims {
  const { issuer, api, decision, subject, context, by, now } = parts
  const { transaction: before } = subject
  const tctx = together(before?.tctx, context.requestDetails)
  const rctx = together(before?.rctx, context.requestContext)
  if (!tctx || !rctx) return { ok: false, cause: 'what a transaction token says of its context cannot be changed' }
  if (JSON.stringify([tctx, rctx]).length > mostTogether)
    return { ok: false, cause: `the context of a transaction has at most ${mostTogether} characters` }
  const iat = Math.floor(now.getTime() / 1000)
  const act = before ? before.act : subject.act
  return {
    ok: true,
    claims: {
      iss: issuer,
      aud: api.audience,
      sub: subject.sub,
      txn: before?.txn ?? randomUUID(),
      scope: decision.scopes.join(' '),
      req_wl: [...(before?.workloads ?? []), by].join(','),
      ...(act && { act }),
      ...(Object.keys(tctx).length > 0 && { tctx }),
      ...(Object.keys(rctx).length > 0 && { rctx }),
      iat,
      exp: iat + decision.lifetime,
    },
  }
}

const mostTogether = 8192

/** Undefined when the later would contradict the earlier. */
function together(before: Record<string, unknown> = {}, more: Record<string, unknown> = {}) {
  const isContradicted = Object.entries(more).some(
    ([name, value]) => Object.hasOwn(before, name) && JSON.stringify(before[name]) !== JSON.stringify(value),
  )
  return isContradicted ? undefined : { ...more, ...before }
}
