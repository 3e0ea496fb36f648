// The pages behind the links that confirm an address. Opening one changes nothing, in whatever browser: scanners of mail open links too.
import Router from '@koa/router'
import type { Context } from 'koa'
import { showPage } from '../../http/show-page.ts'
import type { Views } from '../../http/views.ts'
import { callerOf } from '../caller.ts'
import type { EmailChanges } from './email-change.ts'
import type { EmailVerification } from './email-verification.ts'

export interface MailedLinkRoutesParts {
  views: Views
  emailChange: Pick<EmailChanges, 'find' | 'confirm'>
  verification: Pick<EmailVerification, 'find' | 'confirm'>
}

export function mailedLinkRoutes({ views, emailChange, verification }: MailedLinkRoutesParts): Router {
  const router = new Router()
  const tokenOf = (ctx: Context) => ctx.params.token as string
  const expired = (ctx: Context) => {
    ctx.status = 410
    showPage(ctx, views, 'link-expired', {})
  }

  router.get('/confirm-email/:token', async (ctx) => {
    const found = await emailChange.find(tokenOf(ctx))
    if (!found) return expired(ctx)
    const { account, newEmail, end } = found
    // Whoever reads the new mailbox may be a stranger, who learns nothing of the account.
    const oldEmail = end === 'old' ? account.email : undefined
    showPage(ctx, views, 'account/confirm-email', { action: ctx.path, oldEmail, newEmail, end })
  })

  router.post('/confirm-email/:token', async (ctx) => {
    const confirmed = await emailChange.confirm(tokenOf(ctx), callerOf(ctx))
    if (confirmed.ok) return showPage(ctx, views, 'account/email-confirmed', { ...confirmed })
    if (confirmed.reason === 'over') return expired(ctx)
    ctx.status = 409
    showPage(ctx, views, 'account/email-not-changed', {})
  })

  router.get('/verify-email/:token', async (ctx) => {
    const account = await verification.find(tokenOf(ctx))
    if (!account) return expired(ctx)
    showPage(ctx, views, 'account/verify-email', { action: ctx.path, email: account.email })
  })

  router.post('/verify-email/:token', async (ctx) => {
    if (!(await verification.confirm(tokenOf(ctx), callerOf(ctx)))) return expired(ctx)
    showPage(ctx, views, 'account/email-verified', {})
  })
  return router
}
