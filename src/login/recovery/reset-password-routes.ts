// The page behind a link that sets a new password. Opening it changes nothing; it works in any browser.
import Router from '@koa/router'
import type { Context } from 'koa'
import { readForm } from '../../http/form-body.ts'
import { showPage } from '../../http/show-page.ts'
import type { Views } from '../../http/views.ts'
import { languageOf } from '../../language/language-choice.ts'
import type { Sentence } from '../../language/translations.ts'
import { occasionOf, visitOf } from '../occasion.ts'
import type { PasswordReset } from './password-reset.ts'

export interface ResetPasswordRoutesParts {
  views: Views
  reset: Pick<PasswordReset, 'findAccount' | 'apply'>
  minimumLength(sub: string): Promise<number>
}

export function resetPasswordRoutes({ views, reset, minimumLength }: ResetPasswordRoutesParts): Router {
  const router = new Router({ prefix: '/reset-password' })

  const expired = (ctx: Context) => {
    ctx.status = 410
    showPage(ctx, views, 'link-expired', {})
  }

  const form = async (ctx: Context, token: string, error?: Sentence) => {
    const account = await reset.findAccount(token)
    if (!account) return expired(ctx)
    showPage(ctx, views, 'reset-password', {
      action: ctx.path,
      accountEmail: account.email,
      minimumLength: await minimumLength(account.sub),
      errors: error ? [{ field: 'password', message: languageOf(ctx).say(error) }] : [],
    })
  }

  router.get('/:token', (ctx) => form(ctx, ctx.params.token as string))

  router.post('/:token', async (ctx) => {
    const token = ctx.params.token as string
    const { password = '' } = readForm(ctx)
    const result = await reset.apply(token, password, { visit: visitOf(ctx), occasion: occasionOf(ctx) })
    if (result.ok) return showPage(ctx, views, 'reset-password-done', {})
    if (result.reason === 'expired') return expired(ctx)
    ctx.status = 400
    await form(ctx, token, result.problem)
  })
  return router
}
