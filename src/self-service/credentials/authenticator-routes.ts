// The page on which somebody sets up an authenticator app, replaces it by another one, or removes it.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { Totp } from '../../accounts/factors/totp.ts'
import { readForm } from '../../http/form-body.ts'
import type { Sentence } from '../../language/translations.ts'
import type { AccountDoor, Visitor } from '../account-door.ts'
import type { ShowAccountPage } from '../account-page.ts'
import { callerOf } from '../caller.ts'
import { doneWith } from '../notice.ts'
import type { FactorChanges } from './factor-changes.ts'
import { showAdded, showRemoved } from './factor-outcome.ts'

export interface AuthenticatorRoutesParts {
  door: AccountDoor
  showPage: ShowAccountPage
  totp: Pick<Totp, 'begin' | 'confirm' | 'remove'>
  factorChanges: FactorChanges
}

const path = '/account/second-factor/app'
const refusedTexts = { wrong_code: 'enrolment.wrong_code', expired: 'enrolment.expired' }

export function authenticatorRoutes(parts: AuthenticatorRoutesParts): Router {
  const { door, totp, factorChanges } = parts
  const router = new Router()
  router.get(
    path,
    door.openFreshly((ctx, visitor) => show(ctx, visitor, parts)),
  )
  router.post(
    path,
    door.openFreshly((ctx, visitor) => confirm(ctx, visitor, parts)),
  )
  router.post(
    `${path}/remove`,
    door.openFreshly(async (ctx, visitor) => {
      const { sub } = visitor.account
      const removed = await factorChanges.remove(visitor, { factor: 'totp' }, callerOf(ctx), () => totp.remove(sub))
      showRemoved(ctx, removed, { path, factor: 'totp' })
    }),
  )
  return router
}

async function show(
  ctx: Context,
  visitor: Visitor,
  { showPage, totp }: AuthenticatorRoutesParts,
  { enrolment, error }: { enrolment?: string; error?: Sentence } = {},
): Promise<void> {
  const { account, factors } = visitor
  showPage(ctx, visitor, 'authenticator', {
    action: path,
    isReplacement: factors.hasTotp,
    // After a mistyped code the same key again: it may stand in the app already.
    totp: await totp.begin(account, enrolment),
    error,
  })
}

async function confirm(ctx: Context, visitor: Visitor, parts: AuthenticatorRoutesParts): Promise<void> {
  const { enrolment = '', code = '' } = readForm(ctx)
  const { account, factors } = visitor
  const changed = { factor: 'totp', isReplacement: factors.hasTotp } as const
  const added = await parts.factorChanges.add(visitor, changed, callerOf(ctx), () =>
    parts.totp.confirm(account.sub, enrolment, code),
  )
  if (added.ok) return showAdded(ctx, visitor, added, parts.showPage, { key: 'account.authenticator.added' })
  if (added.reason === 'changed_meanwhile') return doneWith(ctx, path, { key: 'account.changed-meanwhile' })
  ctx.status = 400
  await show(ctx, visitor, parts, { enrolment, error: { key: refusedTexts[added.reason] } })
}
