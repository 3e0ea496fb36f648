// Sends the browser on with 303: what a form has done is not done again when the page is loaded again.
import type { Context } from 'koa'

export function seeOther(ctx: Context, url: string): void {
  ctx.redirect(url)
  ctx.status = 303
  ctx.set('Cache-Control', 'no-store')
}
