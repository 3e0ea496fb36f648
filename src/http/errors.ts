// Owns the refusals: errors with a stable code and a message that is safe to show and says what to do next.

/** Why it happened and how to mend it, in words for a developer. Shown in development only. */
export interface ErrorDetail {
  cause: string
  fix: string
  facts?: readonly { label: string; value: string }[]
}

export interface ErrorOptions {
  /** The text of views/locales/ for people, where there is a better one than that of the code. The message is for programs. */
  sentence?: ErrorSentence | undefined
  /** Seconds, sent as Retry-After. */
  retryAfter?: number
  /** Headers that the answer needs, such as Allow or WWW-Authenticate. */
  headers?: Readonly<Record<string, string>>
  detail?: ErrorDetail
  /** Further members of the problem document (RFC 9457, 3.2), such as the fields that are wrong. */
  extensions?: Readonly<Record<string, unknown>>
  cause?: unknown
}

export interface ErrorSentence {
  key: string
  values?: Record<string, string | number>
}

export class AppError extends Error {
  readonly code: string
  readonly status: number
  readonly expose = true
  readonly sentence: ErrorSentence | undefined
  readonly retryAfter: number | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly detail: ErrorDetail | undefined
  readonly extensions: Readonly<Record<string, unknown>>

  constructor(code: string, status: number, message: string, options: ErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.status = status
    this.sentence = options.sentence
    this.retryAfter = options.retryAfter
    this.headers = options.headers ?? {}
    this.detail = options.detail
    this.extensions = options.extensions ?? {}
  }
}

export function badRequest(code: string, message: string, options?: ErrorOptions): AppError {
  return new AppError(code, 400, message, options)
}

export function unauthorized(code: string, message: string, options?: ErrorOptions): AppError {
  return new AppError(code, 401, message, options)
}

export function forbidden(code: string, message: string, options?: ErrorOptions): AppError {
  return new AppError(code, 403, message, options)
}

export function notFound(message: string, options?: ErrorOptions): AppError {
  return new AppError('not_found', 404, message, options)
}

export function methodNotAllowed(method: string, allowed: string): AppError {
  const message = allowed
    ? `This address answers ${allowed} only, not ${method}.`
    : `This address does not answer ${method}.`
  return new AppError('method_not_allowed', 405, message, { headers: { Allow: allowed } })
}

export function conflict(code: string, message: string, options?: ErrorOptions): AppError {
  return new AppError(code, 409, message, options)
}

export function preconditionFailed(message: string, options?: ErrorOptions): AppError {
  return new AppError('precondition_failed', 412, message, options)
}

export function payloadTooLarge(message: string, options?: ErrorOptions): AppError {
  return new AppError('payload_too_large', 413, message, options)
}

export function unsupportedMediaType(message: string, options?: ErrorOptions): AppError {
  return new AppError('unsupported_media_type', 415, message, options)
}

export function misdirectedRequest(message: string, options?: ErrorOptions): AppError {
  return new AppError('misdirected_request', 421, message, options)
}

export function preconditionRequired(message: string, options?: ErrorOptions): AppError {
  return new AppError('precondition_required', 428, message, options)
}

export function tooManyRequests(retryAfterSeconds: number, message?: string): AppError {
  const text = message ?? `Too many requests from this address. Wait ${retryAfterSeconds} s, then try again.`
  const sentence = message === undefined ? waitSentence(retryAfterSeconds) : undefined
  return new AppError('too_many_requests', 429, text, { retryAfter: retryAfterSeconds, sentence })
}

function waitSentence(seconds: number): ErrorSentence {
  return seconds < 90
    ? { key: 'errors.too_many_requests.seconds', values: { count: seconds } }
    : { key: 'errors.too_many_requests.minutes', values: { count: Math.ceil(seconds / 60) } }
}

export function serviceUnavailable(retryAfterSeconds: number, message: string, options?: ErrorOptions): AppError {
  return new AppError('service_unavailable', 503, message, { ...options, retryAfter: retryAfterSeconds })
}
