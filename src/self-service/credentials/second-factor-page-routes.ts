// The page that shows what an account is secured with beside its password, and what there is to add.
import Router from '@koa/router'
import { hasSecondFactor } from '../../accounts/factors/factor-store.ts'
import type { Passkeys } from '../../accounts/factors/passkeys.ts'
import { combinedDemand, type SecondFactorRule } from '../../config/second-factor-rule.ts'
import type { AccountDoor } from '../account-door.ts'
import type { ShowAccountPage } from '../account-page.ts'

export interface SecondFactorPageParts {
  door: AccountDoor
  showPage: ShowAccountPage
  passkeys: Pick<Passkeys, 'list'>
  canUseEmailCodes: boolean
  secondFactorRule: SecondFactorRule
}

export function secondFactorPageRoutes(parts: SecondFactorPageParts): Router {
  const { door, showPage, passkeys } = parts
  const router = new Router()
  router.get(
    '/account/second-factor',
    door.open(async (ctx, visitor) => {
      const { account, factors } = visitor
      showPage(ctx, visitor, 'second-factor', {
        factors,
        hasFactor: hasSecondFactor(factors),
        isDemanded: combinedDemand(parts.secondFactorRule, undefined, account.roles) === 'required',
        passkeys: await passkeys.list(account.sub),
        canUseEmailCodes: parts.canUseEmailCodes || factors.hasEmailCode,
      })
    }),
  )
  return router
}
