// Refuses form posts that another site started, by what the browser says about their origin.
import type { Context, Middleware } from 'koa'
import { forbidden } from './errors.ts'

interface Parts {
  issuer: string
}

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/** For our own form routes. Not for the engine's endpoints, which clients call from other origins. */
export function createCrossSiteGuard({ issuer }: Parts): Middleware {
  const { origin } = new URL(issuer)

  return async (ctx, next) => {
    if (!safeMethods.has(ctx.method) && !isFromOwnPage(ctx, origin)) {
      throw forbidden(
        'cross_site_request',
        `This request does not come from a page of this server. Open the page again and repeat it there. Programs send the header "Origin: ${origin}".`,
      )
    }
    await next()
  }
}

// Browsers leave Sec-Fetch-Site out on plain http, and pages cannot set any of the three. `Origin: null` is refused even
// with a Referer of ours: it marks a sandbox or a cross-origin redirect.
function isFromOwnPage(ctx: Context, origin: string): boolean {
  const site = ctx.get('Sec-Fetch-Site')
  if (site !== '') return site === 'same-origin' || site === 'none'
  const sentOrigin = ctx.get('Origin')
  if (sentOrigin !== '') return sentOrigin === origin
  return URL.parse(ctx.get('Referer'))?.origin === origin
}
