// Answers with a hosted page.
import type { Context } from 'koa'
import type { Views } from '../http/views.ts'
import { languageOf } from '../language/language-choice.ts'

export function showPage(ctx: Context, views: Views, name: string, data: Record<string, unknown>): void {
  // A status that a route has set already stays.
  if (ctx.status === 404) ctx.status = 200
  ctx.type = 'html'
  ctx.set('Cache-Control', 'no-store')
  ctx.body = views.render(name, { t: languageOf(ctx).t, brand: ctx.state.brand, ...data })
}
