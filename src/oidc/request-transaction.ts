// One transaction for each request that changes something: begun at its first statement, committed before the answer leaves.
import type { Context, Middleware, Next } from 'koa'
import type { Database } from '../database/database.ts'
import { DatabaseUnavailable } from '../database/faults.ts'

/** These only read. */
const readers = new Set(['/introspect', '/userinfo', '/jwks', '/healthz', '/readyz'])

export function createRequestTransaction({ database }: { database: Database }): Middleware {
  return async (ctx: Context, next: Next) => {
    const isReader = readers.has(ctx.path) || ctx.path.startsWith('/.well-known/') || ctx.path.startsWith('/assets/')
    if (isReader) return next()
    try {
      // An error answer leaves no half-done work behind; what must stay nevertheless says so (`commitAnyway`).
      await database.unitOfWork(next, { shouldCommit: () => ctx.status < 400 })
    } catch (error) {
      // The engine has already told its client in OAuth's own words.
      if (error instanceof DatabaseUnavailable && ctx.status === 503 && ctx.body) return
      throw error
    }
  }
}
