// The page that says how many recovery codes are left, and makes new ones.
import Router from '@koa/router'
import { hasSecondFactor } from '../../accounts/factors/factor-store.ts'
import type { AccountDoor } from '../account-door.ts'
import type { ShowAccountPage } from '../account-page.ts'
import { callerOf } from '../caller.ts'
import { doneWith } from '../notice.ts'
import type { FactorChanges } from './factor-changes.ts'

export interface RecoveryCodeRoutesParts {
  door: AccountDoor
  showPage: ShowAccountPage
  factorChanges: Pick<FactorChanges, 'regenerateCodes'>
}

const path = '/account/second-factor/recovery-codes'
const list = '/account/second-factor'

export function recoveryCodeRoutes({ door, showPage, factorChanges }: RecoveryCodeRoutesParts): Router {
  const router = new Router()
  router.get(
    path,
    door.openFreshly(async (ctx, visitor) =>
      showPage(ctx, visitor, 'recovery-codes', {
        action: path,
        left: visitor.factors.recoveryCodesLeft,
        hasFactor: hasSecondFactor(visitor.factors),
      }),
    ),
  )
  router.post(
    path,
    door.openFreshly(async (ctx, visitor) => {
      if (!hasSecondFactor(visitor.factors)) return doneWith(ctx, path, { key: 'account.recovery-codes.not-possible' })
      const made = await factorChanges.regenerateCodes(visitor, callerOf(ctx))
      if (!made.ok) return doneWith(ctx, path, { key: 'account.changed-meanwhile' })
      const notice = { key: 'account.recovery-codes.made' }
      showPage(ctx, visitor, 'new-recovery-codes', { codes: made.codes, notice, nextUrl: list })
    }),
  )
  return router
}
