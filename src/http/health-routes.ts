// Answers probes: does the process live, and may it be sent traffic.
import type { Middleware } from 'koa'
import { methodNotAllowed } from './errors.ts'

export type Checks = Record<string, { ok: boolean; message?: string }>

interface Parts {
  /** Messages are shown to anybody: no secrets, no host names. */
  readiness: () => Promise<Checks>
}

const timeLimit = 2000
const undecided: Checks = { readiness: { ok: false, message: 'The checks failed or took longer than 2 s.' } }

export function healthRoutes({ readiness }: Parts): Middleware {
  let underWay: Promise<Checks> | undefined

  // Probes that come together share one round of checks: this path has no other limit.
  function checks(): Promise<Checks> {
    underWay ??= withinTime(readiness).finally(() => {
      underWay = undefined
    })
    return underWay
  }

  return async (ctx, next) => {
    const path = ctx.req.url?.split(/[?#]/, 1)[0]
    if (path !== '/healthz' && path !== '/readyz') return next()
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') throw methodNotAllowed(ctx.method, 'GET, HEAD')
    ctx.set('Cache-Control', 'no-store')
    if (path === '/healthz') {
      ctx.body = { status: 'ok' }
      return
    }
    const results = await checks()
    const isReady = Object.values(results).every(({ ok }) => ok)
    ctx.status = isReady ? 200 : 503
    if (!isReady) ctx.set('Retry-After', '1')
    ctx.body = { status: isReady ? 'ready' : 'not_ready', checks: results }
  }
}

async function withinTime(readiness: () => Promise<Checks>): Promise<Checks> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<Checks>((resolve) => {
    timer = setTimeout(resolve, timeLimit, undecided)
  })
  try {
    return await Promise.race([readiness(), tooLate])
  } catch {
    return undecided
  } finally {
    clearTimeout(timer)
  }
}
