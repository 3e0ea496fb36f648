// Guards Fastify routes: sets request.token, or answers the refusal.
import type { IncomingRequest } from '../authorization-header.ts'
import type { VerifiedToken, Verifier } from '../verifier.ts'
import { createRequestCheck, type MiddlewareOptions } from './request-check.ts'

interface Request {
  raw: IncomingRequest
  /** As sent; `raw.url` is what `rewriteUrl` made of it. */
  originalUrl: string
  token?: VerifiedToken
}

interface Reply {
  code(status: number): unknown
  headers(headers: Record<string, string>): unknown
  send(body: unknown): unknown
}

/**
 * A Fastify hook (Fastify 4 and 5), for `onRequest` or `preHandler`. Behind it `request.token` is the VerifiedToken. Refusals
 * are answered with their status, WWW-Authenticate (RFC 6750 section 3) or Retry-After, and `{ error, error_description }`.
 * Throws TypeError on wrong use.
 */
export function fastifyAuth(verifier: Verifier, options: MiddlewareOptions = {}) {
  const check = createRequestCheck(verifier, options)
  return async (request: Request, reply: Reply): Promise<unknown> => {
    const checked = await check(request.raw, request.originalUrl)
    if (checked.ok) {
      if (checked.token) request.token = checked.token
      return undefined
    }
    reply.code(checked.refusal.status)
    reply.headers({ ...checked.refusal.headers })
    reply.send(checked.refusal.body)
    return reply
  }
}
