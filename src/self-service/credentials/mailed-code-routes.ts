// The page on which codes by mail are switched on and off as a second factor.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { FactorStore } from '../../accounts/factors/factor-store.ts'
import type { AccountDoor, Visitor } from '../account-door.ts'
import type { ShowAccountPage } from '../account-page.ts'
import { callerOf } from '../caller.ts'
import { doneWith } from '../notice.ts'
import type { FactorChanges } from './factor-changes.ts'
import { showAdded, showRemoved } from './factor-outcome.ts'

export interface MailedCodeRoutesParts {
  door: AccountDoor
  showPage: ShowAccountPage
  factorStore: Pick<FactorStore, 'setEmailCode'>
  factorChanges: FactorChanges
  canUseEmailCodes: boolean
}

const path = '/account/second-factor/email'
const changed = { factor: 'email_code' } as const

export function mailedCodeRoutes(parts: MailedCodeRoutesParts): Router {
  const { door, showPage, canUseEmailCodes, factorChanges, factorStore } = parts
  const router = new Router()
  router.get(
    path,
    door.openFreshly(async (ctx, visitor) =>
      showPage(ctx, visitor, 'email-codes', {
        action: path,
        isOn: visitor.factors.hasEmailCode,
        canTurnOn: canUseEmailCodes,
        isVerified: visitor.account.isEmailVerified,
      }),
    ),
  )
  router.post(
    path,
    door.openFreshly((ctx, visitor) => turnOn(ctx, visitor, parts)),
  )
  router.post(
    `${path}/remove`,
    door.openFreshly(async (ctx, visitor) => {
      const { sub } = visitor.account
      const removed = await factorChanges.remove(visitor, changed, callerOf(ctx), () =>
        factorStore.setEmailCode(sub, false),
      )
      showRemoved(ctx, removed, { path, factor: 'email_code' })
    }),
  )
  return router
}

async function turnOn(ctx: Context, visitor: Visitor, parts: MailedCodeRoutesParts): Promise<void> {
  const { account } = visitor
  // Both are said on the page already, which then has no button.
  if (!parts.canUseEmailCodes || !account.isEmailVerified)
    return doneWith(ctx, path, { key: 'account.email-codes.not-possible' })
  const added = await parts.factorChanges.add(visitor, changed, callerOf(ctx), async () => {
    const isNew = await parts.factorStore.setEmailCode(account.sub, true)
    return isNew ? { ok: true } : { ok: false, reason: 'on_already' as const }
  })
  if (added.ok) return showAdded(ctx, visitor, added, parts.showPage, { key: 'account.email-codes.added' })
  if (added.reason === 'on_already') return doneWith(ctx, path, { key: 'account.email-codes.added' })
  doneWith(ctx, path, { key: 'account.changed-meanwhile' })
}
