// Slows down whoever guesses client secrets: failures are counted per address and client, reserved before the secret is looked at.
import type { Context, Middleware } from 'koa'
import { tooManyRequests } from '../http/errors.ts'
import type { FailureLimit } from '../http/request-limits.ts'

export interface SecretGuessingParts {
  failures: FailureLimit
  findClient(clientId: string): Promise<unknown>
  /** The endpoints at which clients authenticate. */
  paths: ReadonlySet<string>
}

export function createSecretGuessingLimit({ failures, findClient, paths }: SecretGuessingParts): Middleware {
  return async (ctx, next) => {
    if (ctx.method !== 'POST' || !paths.has(ctx.path)) return next()
    const clientId = claimedClient(ctx)
    // What nobody has registered shares one counter: an address has no more of them than there are clients.
    const isKnown = /^[\x21-\x7e]{1,255}$/.test(clientId) && (await findClient(clientId)) !== undefined
    const reservation = await failures.reserve(`${ctx.ip} ${isKnown ? clientId : ''}`)
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
