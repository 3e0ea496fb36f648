// Guards Koa routes: sets ctx.state.token, or answers the refusal.
import type { IncomingRequest } from '../authorization-header.ts'
import type { VerifiedToken, Verifier } from '../verifier.ts'
import { createRequestCheck, type MiddlewareOptions } from './request-check.ts'

interface Context {
  req: IncomingRequest
  /** As sent; `req.url` is what a mounted application sees. */
  originalUrl: string
  state: { token?: VerifiedToken | undefined }
  status: number
  body: unknown
  set(headers: Record<string, string>): void
}

/**
 * Koa middleware (Koa 2 and 3). Behind it `ctx.state.token` is the VerifiedToken. Refusals are answered with their status,
 * WWW-Authenticate (RFC 6750 section 3) or Retry-After, and `{ error, error_description }`. Throws TypeError on wrong use.
 */
export function koaAuth(verifier: Verifier, options: MiddlewareOptions = {}) {
  const check = createRequestCheck(verifier, options)
  return async (ctx: Context, next: () => Promise<unknown>): Promise<void> => {
    const checked = await check(ctx.req, ctx.originalUrl)
    if (checked.ok) {
      ctx.state.token = checked.token
      await next()
      return
    }
    ctx.status = checked.refusal.status
    ctx.set({ ...checked.refusal.headers })
    ctx.body = checked.refusal.body
  }
}
