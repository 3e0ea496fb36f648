// Answers with a hosted page, in the language that was chosen for its reader.
import type { Context } from 'koa'
import type { Reader, Views } from './views.ts'

export function showPage(ctx: Context, views: Views, name: string, data: Record<string, unknown>): void {
  // A status that a route has set already stays.
  if (ctx.status === 404) ctx.status = 200
  ctx.type = 'html'
  ctx.set('Cache-Control', 'no-store')
  ctx.body = renderPage(ctx, views, name, data)
}

/** The page alone, with the choice of another language in its footer. */
export function renderPage(ctx: Context, views: Views, name: string, data: Record<string, unknown>): string {
  const reader = readerOf(ctx)
  ctx.set('Content-Language', reader.locale)
  const { brand, askedLanguage: insteadOf } = ctx.state
  return views.render(name, { returnTo: returnTo(ctx), insteadOf, brand, ...data }, reader)
}

/** Whoever made the request under way. */
export function readerOf(ctx: Context): Reader {
  const reader = ctx.state.language as Reader | undefined
  if (!reader) throw new TypeError('The language choice must be mounted before a page is shown.')
  return reader
}

// Where the page is found again once another language has been chosen. What answered a form has no address of its own:
// `ctx.state.pageAddress` names it, where the form's own address does not answer GET.
function returnTo(ctx: Context): string {
  if (ctx.method === 'GET' || ctx.method === 'HEAD') return ctx.originalUrl
  return typeof ctx.state.pageAddress === 'string' ? ctx.state.pageAddress : ctx.path
}
