// The page on which people see their address, have it confirmed, and ask for another one.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { MailThrottle } from '../../accounts/sign-in/mail-throttle.ts'
import { readForm } from '../../http/form-body.ts'
import type { Sentence } from '../../language/translations.ts'
import { waitingTime } from '../../language/waiting-time.ts'
import type { AccountDoor, Visitor } from '../account-door.ts'
import type { ShowAccountPage } from '../account-page.ts'
import { callerOf } from '../caller.ts'
import { doneWith } from '../notice.ts'
import type { EmailChanges } from './email-change.ts'
import type { EmailChangeStore } from './email-change-store.ts'
import type { EmailVerification } from './email-verification.ts'

export interface EmailRoutesParts {
  door: AccountDoor
  showPage: ShowAccountPage
  emailChange: Pick<EmailChanges, 'begin' | 'cancel'>
  emailChanges: Pick<EmailChangeStore, 'find'>
  verification: Pick<EmailVerification, 'send'>
  mailThrottle: MailThrottle
  /** What is wrong with it as an address, in a sentence. */
  emailProblem(email: string): Sentence | undefined
}

const path = '/account/email'

export function emailRoutes(parts: EmailRoutesParts): Router {
  const { door, emailChange } = parts
  const router = new Router()
  router.get(
    path,
    door.openFreshly((ctx, visitor) => show(ctx, visitor, parts)),
  )
  router.post(
    path,
    door.openFreshly((ctx, visitor) => begin(ctx, visitor, parts)),
  )
  // To stop it is no risk.
  router.post(
    `${path}/cancel`,
    door.open(async (ctx, { account }) => {
      await emailChange.cancel(account.sub)
      doneWith(ctx, path, { key: 'account.email.cancelled' })
    }),
  )
  router.post(
    `${path}/verify`,
    door.open((ctx, visitor) => verify(ctx, visitor, parts)),
  )
  return router
}

async function show(
  ctx: Context,
  visitor: Visitor,
  { showPage, emailChanges }: EmailRoutesParts,
  { email, error }: { email?: string; error?: Sentence } = {},
): Promise<void> {
  const { account } = visitor
  showPage(ctx, visitor, 'email', {
    action: path,
    cancelAction: `${path}/cancel`,
    verifyAction: `${path}/verify`,
    isVerified: account.isEmailVerified,
    pending: await emailChanges.find(account.sub),
    typed: email,
    errors: error ? [{ field: 'email', sentence: error }] : [],
  })
}

async function begin(ctx: Context, visitor: Visitor, parts: EmailRoutesParts): Promise<void> {
  const { email: typed = '' } = readForm(ctx)
  const email = typed.trim()
  const problem = problemWith(email, visitor, parts)
  if (problem) {
    ctx.status = 400
    return show(ctx, visitor, parts, { email, error: problem })
  }
  const reservation = await parts.mailThrottle.reserve({ email, address: ctx.ip })
  if (!reservation.ok) {
    ctx.status = 429
    ctx.set('Retry-After', String(reservation.retryAfter))
    const error = waitingTime('sign-in.too_many_mails', reservation.retryAfter)
    return show(ctx, visitor, parts, { email, error })
  }
  const hasBegun = await parts.emailChange.begin(visitor, email, callerOf(ctx))
  doneWith(ctx, path, { key: hasBegun ? 'account.email.begun' : 'account.changed-meanwhile' })
}

function problemWith(email: string, { account }: Visitor, { emailProblem }: EmailRoutesParts): Sentence | undefined {
  if (email.toLowerCase() === account.email.toLowerCase()) return { key: 'account.email.same' }
  return emailProblem(email)
}

async function verify(ctx: Context, { account }: Visitor, parts: EmailRoutesParts): Promise<void> {
  if (account.isEmailVerified) return doneWith(ctx, '/account', { key: 'account.email.verified' })
  const reservation = await parts.mailThrottle.reserve({ email: account.email, address: ctx.ip })
  if (!reservation.ok) {
    const sentence = waitingTime('sign-in.too_many_mails', reservation.retryAfter)
    return doneWith(ctx, '/account', sentence)
  }
  await parts.verification.send(account, callerOf(ctx))
  doneWith(ctx, '/account', { key: 'account.email.link-sent' })
}
