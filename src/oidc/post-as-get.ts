// Lets authorization and sign-out requests come by POST as well (OpenID Connect Core section 3.1.2.1, RP-Initiated Logout section 2).
import type { Context, Next } from 'koa'
import { readForm } from '../http/form-body.ts'

const paths = new Set(['/authorize', '/sign-out'])

/** A POST from another site carries no SameSite=Lax cookie, the GET that it is turned into does: so the session is found. */
export async function postAsGet(ctx: Context, next: Next): Promise<void> {
  if (ctx.method !== 'POST' || !paths.has(ctx.path)) return next()
  ctx.status = 303
  ctx.redirect(`${ctx.path}?${new URLSearchParams(Object.entries(readForm(ctx)))}`)
  ctx.set('Cache-Control', 'no-store')
}
