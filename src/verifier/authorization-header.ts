// Reads the one Bearer token out of an Authorization header (RFC 6750 section 2.1), or says why there is none.

type BearerToken =
  | { ok: true; token: string }
  | { ok: false; code: 'missing_token' | 'invalid_request'; reason: string }

/** What a request looks like in Node's `http`; Koa's, Express's and Fastify's raw requests all do. */
export interface IncomingRequest {
  headers: { authorization?: string | undefined; host?: string | undefined }
  headersDistinct?: { authorization?: string[] | undefined; host?: string[] | undefined } | undefined
  method?: string | undefined
  /** Which routers rewrite; Express keeps what was sent in `originalUrl`. */
  url?: string | undefined
  originalUrl?: string | undefined
}

/** Every Authorization header of the request: Node's `headers` hides all but the first. */
export function authorizationOf(request: IncomingRequest): string | string[] | undefined {
  return request.headersDistinct?.authorization ?? request.headers.authorization
}

export function bearerToken(header: string | readonly string[] | undefined): BearerToken {
  const values = header === undefined ? [] : typeof header === 'string' ? [header] : header
  if (!Array.isArray(values) || values.some((value) => typeof value !== 'string')) {
    throw new TypeError('authorize() takes the value of the Authorization header: a string, strings or undefined.')
  }
  if (values.length > 1) return malformed('The request carries more than one Authorization header; send exactly one.')
  const value = (values[0] ?? '').trim()
  const scheme = value.split(/[ ,]/, 1)[0]?.toLowerCase()
  if (!scheme) return missing("The request carries no access token; send 'Authorization: Bearer <token>'.")
  if (scheme === 'dpop') return missing('This service takes Bearer tokens only; the scheme DPoP is not supported.')
  if (scheme !== 'bearer') return missing('This service takes Bearer tokens only; the request used another scheme.')
  const token = /^bearer +([\w.~+/-]+=*)$/i.exec(value)?.[1]
  if (!token) return malformed("The Authorization header must be 'Bearer', a space and exactly one token.")
  return { ok: true, token }
}

// RFC 6750 section 3.1: an unsupported way of authenticating is answered like none at all.
const missing = (reason: string): BearerToken => ({ ok: false, code: 'missing_token', reason })
const malformed = (reason: string): BearerToken => ({ ok: false, code: 'invalid_request', reason })
