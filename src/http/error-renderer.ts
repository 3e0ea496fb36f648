// Turns whatever was thrown, and every answer without a body, into one error page or one RFC 9457 problem document.
import { STATUS_CODES } from 'node:http'
import type { Context, Middleware } from 'koa'
import type { Logger } from 'pino'
import { AppError, methodNotAllowed, notFound } from './errors.ts'
import type { Views } from './views.ts'

interface Parts {
  views: Pick<Views, 'render'>
  log: Pick<Logger, 'warn' | 'error'>
  /** Adds an error's `detail` (cause and fix) to what the caller sees. A bug's text is never shown. */
  isDevelopment: boolean
}

const titles: Record<number, string> = {
  400: 'This request cannot be understood',
  401: 'Please sign in',
  403: 'Not allowed',
  404: 'Page not found',
  421: 'Wrong address',
  429: 'Too many requests',
  500: 'Something went wrong',
  503: 'Temporarily unavailable',
}

const bugText =
  'The server could not complete this request. Try again; if it happens again, tell the operator the request id.'

/** Mount it inside the request log and the page headers: what those set survives an error, all later headers do not. */
export function createErrorRenderer({ views, log, isDevelopment }: Parts): Middleware {
  return async (ctx, next) => {
    const outerHeaders = ctx.res.getHeaders()
    try {
      await next()
      const refusal = refusalOfBareAnswer(ctx)
      if (refusal) answer(ctx, refusal)
    } catch (error) {
      const refusal = refusalOf(error)
      record(ctx, error, refusal)
      // Half an answer must not look like a whole one.
      if (ctx.headerSent) ctx.res.destroy()
      else answer(ctx, refusal)
    }

    function answer(ctx: Context, refusal: AppError): void {
      for (const name of ctx.res.getHeaderNames()) ctx.res.removeHeader(name)
      for (const [name, value] of Object.entries(outerHeaders)) if (value !== undefined) ctx.res.setHeader(name, value)
      ctx.set({ ...refusal.headers, 'Cache-Control': 'no-store' })
      if (refusal.retryAfter !== undefined) ctx.set('Retry-After', String(Math.ceil(refusal.retryAfter)))
      const wantsPage = ctx.accepts('json', 'html') === 'html'
      ctx.status = refusal.status
      ctx.set('Content-Type', wantsPage ? 'text/html; charset=utf-8' : 'application/problem+json')
      ctx.body = wantsPage ? page(ctx, refusal) : JSON.stringify(problem(ctx, refusal))
    }
  }

  function page(ctx: Context, { status, message, code, detail }: AppError): string {
    const title = titles[status] ?? STATUS_CODES[status] ?? 'Error'
    const { language, brand } = ctx.state
    const data = { t: language?.t, brand, title, message, code, requestId: String(ctx.state.requestId ?? '') }
    try {
      return views.render('error', isDevelopment && detail ? { ...data, detail } : data)
    } catch (error) {
      log.error({ requestId: data.requestId, error: described(error) }, 'the error page could not be rendered')
      const [safeTitle, ...lines] = [title, message, `Error code: ${code}`, `Request id: ${data.requestId}`].map(
        escaped,
      )
      return `<!doctype html><html lang="en"><title>${safeTitle}</title><h1>${safeTitle}</h1><p>${lines.join('</p><p>')}</p></html>`
    }
  }

  function problem(ctx: Context, { status, message, code, detail, extensions }: AppError): Record<string, unknown> {
    return {
      ...extensions,
      type: `urn:gatehouse:error:${code}`,
      title: STATUS_CODES[status] ?? 'Error',
      status,
      detail: message,
      code,
      request_id: ctx.state.requestId,
      ...(isDevelopment && detail ? { hint: detail } : {}),
    }
  }

  function record(ctx: Context, error: unknown, refusal: AppError): void {
    const entry = { requestId: ctx.state.requestId, code: refusal.code, error: described(error) }
    if (!isExposed(error)) log.error(entry, 'a bug ended this request')
    else if (refusal.status >= 500) log.warn(entry, 'this request was put off')
  }
}

// A router's 501 means a method that it has never heard of: for the caller the same as 405, and no fault of ours.
function refusalOfBareAnswer(ctx: Context): AppError | undefined {
  if (ctx.respond === false || ctx.headerSent || (ctx.body !== undefined && ctx.body !== null)) return undefined
  if (ctx.status === 405 || ctx.status === 501)
    return methodNotAllowed(ctx.method, String(ctx.response.headers.allow ?? ''))
  if (ctx.status === 404) return notFound('There is nothing at this address. Check the address for a mistake.')
  return undefined
}

interface ExposedError extends Error {
  expose: true
  status?: unknown
  statusCode?: unknown
  code?: unknown
  /** Set by the engine's errors (RFC 6749, 5.2). */
  error?: unknown
  error_description?: unknown
  headers?: unknown
  retryAfter?: unknown
}

// `expose` decides, not a class: the engine's errors and Koa's own are refusals too.
function isExposed(error: unknown): error is ExposedError {
  if (!(error instanceof Error) || !('expose' in error) || error.expose !== true) return false
  return isErrorStatus('status' in error ? error.status : 'statusCode' in error ? error.statusCode : undefined)
}

function isErrorStatus(status: unknown): status is number {
  return typeof status === 'number' && status >= 400 && status < 600 && STATUS_CODES[status] !== undefined
}

function refusalOf(error: unknown): AppError {
  if (!isExposed(error)) return new AppError('server_error', 500, bugText)
  const status = isErrorStatus(error.status) ? error.status : Number(error.statusCode)
  const retryAfter = typeof error.retryAfter === 'number' ? error.retryAfter : defaultRetryAfter(status)
  const options = retryAfter === undefined ? {} : { retryAfter }
  if (error instanceof AppError) {
    const { headers, extensions, detail } = error
    return new AppError(error.code, status, error.message, {
      ...options,
      headers,
      extensions,
      ...(detail && { detail }),
    })
  }
  const code = [error.code, error.error].find((name) => typeof name === 'string' && /^[a-z][a-z0-9_]*$/.test(name))
  const text = typeof error.error_description === 'string' ? error.error_description : error.message
  return new AppError(typeof code === 'string' ? code : codeOf(status), status, text, options)
}

function defaultRetryAfter(status: number): number | undefined {
  return status === 429 || status === 503 ? 1 : undefined
}

function codeOf(status: number): string {
  return (STATUS_CODES[status] ?? 'error').toLowerCase().replace(/[^a-z]+/g, '_')
}

// Only these members: database drivers hang rows and parameters on their errors, which may hold secrets.
function described(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) }
  const cause = error.cause === undefined ? {} : { cause: described(error.cause) }
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    ...('code' in error && { code: error.code }),
    ...cause,
  }
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
