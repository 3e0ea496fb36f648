// Slows down whoever guesses client secrets: failures are counted per address and client, reserved before the secret is looked at.
import { createHash } from 'node:crypto'
import type { Context, Middleware } from 'koa'
import { tooManyRequests } from '../http/errors.ts'
import type { FailureLimit } from '../http/request-limits.ts'

export interface SecretGuessingParts {
  failures: FailureLimit
  /** The endpoints at which clients authenticate. */
  paths: ReadonlySet<string>
}

export function createSecretGuessingLimit({ failures, paths }: SecretGuessingParts): Middleware {
  return async (ctx, next) => {
    if (ctx.method !== 'POST' || !paths.has(ctx.path)) return next()
    const reservation = await failures.reserve(`${ctx.ip} ${bucketOf(claimedClient(ctx))}`)
    if (!reservation.ok) throw tooManyRequests(reservation.retryAfter)
    let isFailure = false
    try {
      await next()
      isFailure = ctx.status === 401
    } finally {
      if (!isFailure) await reservation.refund()
    }
  }
}

/** An address has so many counters at the most, whatever it claims to be. */
const buckets = 64
const bucketOf = (clientId: string) => createHash('sha256').update(clientId).digest().readUInt16BE(0) % buckets

/** Whom the caller says to be; whether it is so is not asked here. */
function claimedClient(ctx: Context): string {
  const [scheme = '', value = ''] = ctx.get('authorization').split(' ')
  if (scheme.toLowerCase() === 'basic')
    return decoded(Buffer.from(value, 'base64').toString('latin1').split(':')[0] ?? '')
  const body: unknown = ctx.state.rawBody
  return body instanceof Uint8Array
    ? (new URLSearchParams(Buffer.from(body).toString('latin1')).get('client_id') ?? '')
    : ''
}

/** The engine decodes it too (RFC 6749 section 2.3.1): one client must not count as many. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}
