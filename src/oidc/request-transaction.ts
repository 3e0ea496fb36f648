// One transaction for each request that changes something: begun at its first statement, committed before the answer leaves.
import type { Context, Middleware, Next } from 'koa'
import type { Database } from '../database/database.ts'
import { DatabaseUnavailable } from '../database/faults.ts'

/** These only read. */
const readers = new Set(['/introspect', '/userinfo', '/jwks'])

export function createRequestTransaction({ database }: { database: Database }): Middleware {
  return async (ctx: Context, next: Next) => {
    const isReader = readers.has(ctx.path) || ctx.path.startsWith('/.well-known/')
    try {
      if (isReader) await next()
      else await database.unitOfWork(next, { shouldCommit: () => ctx.status < 400 || withdrawCookies(ctx) })
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable && ctx.status === 503 && ctx.body)) throw error
      // The engine has already told its client in OAuth's own words, and met the fault once more when it saved the session.
      withdrawCookies(ctx)
      ctx.set('Retry-After', String(error.retryAfter))
    }
  }
}

/** An error answer leaves no half-done work behind, so no browser may be given a session that was not kept: it would lose its own. */
function withdrawCookies(ctx: Context): false {
  ctx.remove('Set-Cookie')
  return false
}
