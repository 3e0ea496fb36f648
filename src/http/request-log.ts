// Gives each request an id and writes one line about it when it ends.
import { randomUUID } from 'node:crypto'
import type { Middleware } from 'koa'
import type { Logger } from 'pino'

interface Parts {
  log: Pick<Logger, 'info' | 'warn'>
}

const longestPath = 512
// Nothing was sent, so Koa's default of 404 would be a lie; nginx made this number known.
const clientClosed = 499
// A one-time link is a secret. Routers compare paths without regard to case, so this does too.
const secretPart =
  /(\/(?:setup|verify-email|invitation|reset-password|confirm-email|not-me|interaction\/[^/]+\/link)\/).+/i

/** Mount it first. The address is the socket's until `createForwarding` has decided: `ctx.ip` may be a stranger's word. */
export function createRequestLog({ log }: Parts): Middleware {
  return async (ctx, next) => {
    const startedAt = performance.now()
    const peer = ctx.req.socket.remoteAddress ?? ''
    const path = shownPath(ctx.originalUrl)
    ctx.state.requestId = randomUUID()
    ctx.set('X-Request-Id', ctx.state.requestId)
    ctx.res.once('close', () => {
      const isAborted = !ctx.res.writableFinished
      const status = isAborted && !ctx.headerSent ? clientClosed : ctx.res.statusCode
      const line = {
        requestId: ctx.state.requestId,
        method: ctx.method,
        path,
        status,
        milliseconds: Math.round((performance.now() - startedAt) * 10) / 10,
        address: ctx.state.clientAddress ?? peer,
        ...(isAborted && { isAborted }),
      }
      if (status >= 500) log.warn(line, 'request')
      else log.info(line, 'request')
    })
    await next()
  }
}

function shownPath(url: string): string {
  const path = url.split(/[?#]/, 1)[0] ?? ''
  return path.slice(0, longestPath).replace(secretPart, '$1***')
}
