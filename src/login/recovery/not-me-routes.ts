// Answers “this wasn't me”: the link in every notice signs everything out and sends the account's owner a link to set a new password.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { AccountStore } from '../../accounts/account-store.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { Devices } from '../../accounts/devices/devices.ts'
import type { OneTimeLinkStore } from '../../accounts/one-time-link-store.ts'
import type { Database } from '../../database/database.ts'
import { showPage } from '../../http/show-page.ts'
import type { Views } from '../../http/views.ts'
import { languageOf } from '../../language/language-choice.ts'
import type { AccessRevocation } from '../../oidc/access-revocation.ts'
import type { SessionStore } from '../../oidc/storage/session-store.ts'
import { visitOf } from '../occasion.ts'
import type { PasswordReset } from './password-reset.ts'

export interface NotMeParts {
  views: Views
  database: Pick<Database, 'transaction'>
  accounts: Pick<AccountStore, 'find' | 'restoreEmail'>
  links: Pick<OneTimeLinkStore, 'find' | 'redeem' | 'removeOf'>
  sessions: Pick<SessionStore, 'lockOfAccount'>
  devices: Pick<Devices, 'forgetAll'>
  revocation: Pick<AccessRevocation, 'endEverything'>
  activity: Pick<ActivityLog, 'append'>
  reset: Pick<PasswordReset, 'send'>
}

const purpose = 'not-me'

export function notMeRoutes(parts: NotMeParts): Router {
  const { views, links } = parts
  const router = new Router({ prefix: '/not-me' })
  const expired = (ctx: Context) => {
    ctx.status = 410
    showPage(ctx, views, 'link-expired', {})
  }

  router.get('/:token', async (ctx) => {
    const link = await links.find(purpose, ctx.params.token as string)
    if (!link) return expired(ctx)
    showPage(ctx, views, 'not-me', { action: ctx.path, restoredEmail: emailIn(link.details) })
  })

  router.post('/:token', async (ctx) => {
    const isDone = await parts.database.transaction(() => shutOut(ctx, parts))
    if (!isDone) return expired(ctx)
    showPage(ctx, views, 'not-me-done', {})
  })
  return router
}

const emailIn = ({ email }: Record<string, unknown>) => (typeof email === 'string' ? email : undefined)

/** False when the link is over. What it leads to goes by mail: the notice may have been passed on, or lie in a mailbox of the past. */
async function shutOut(ctx: Context, parts: NotMeParts): Promise<boolean> {
  const { links, accounts, devices, revocation } = parts
  const token = ctx.params.token as string
  const sub = (await links.find(purpose, token))?.sub
  if (sub) await parts.sessions.lockOfAccount(sub)
  const link = await links.redeem(purpose, token)
  if (!link?.sub) return false
  await links.removeOf(purpose, link.sub)
  const email = emailIn(link.details)
  // An address that was changed behind its owner's back comes back to whoever reads the old mailbox.
  if (email) await accounts.restoreEmail(link.sub, email)
  await devices.forgetAll(link.sub)
  await revocation.endEverything(link.sub)
  await parts.activity.append(link.sub, { type: 'sessions_ended', ...visitOf(ctx) })
  const account = await accounts.find(link.sub)
  if (account && !account.disabledAt) await parts.reset.send(account, languageOf(ctx))
  return true
}
