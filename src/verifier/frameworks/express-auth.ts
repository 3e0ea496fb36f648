// Guards Express routes: sets req.token, or answers the refusal.
import type { IncomingRequest } from '../authorization-header.ts'
import type { VerifiedToken, Verifier } from '../verifier.ts'
import { createRequestCheck, type MiddlewareOptions } from './request-check.ts'

interface Request extends IncomingRequest {
  token?: VerifiedToken
}

interface Response {
  status(code: number): unknown
  set(headers: Record<string, string>): unknown
  json(body: unknown): unknown
}

/**
 * Express middleware (Express 4 and 5). Behind it `req.token` is the VerifiedToken. Refusals are answered with their status,
 * WWW-Authenticate (RFC 6750 section 3) or Retry-After, and `{ error, error_description }`. Throws TypeError on wrong use.
 */
export function expressAuth(verifier: Verifier, options: MiddlewareOptions = {}) {
  const check = createRequestCheck(verifier, options)
  return (request: Request, response: Response, next: (error?: unknown) => void): void => {
    // Express 4 does not look at promises, so nothing may be left to reject.
    check(request)
      .then((checked) => {
        if (checked.ok) {
          if (checked.token) request.token = checked.token
          next()
          return
        }
        response.status(checked.refusal.status)
        response.set({ ...checked.refusal.headers })
        response.json(checked.refusal.body)
      })
      .catch(next)
  }
}
