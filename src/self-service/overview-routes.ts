// The first page of an account: who this is, how well it is secured, and where everything else stands.
import Router from '@koa/router'
import { hasSecondFactor } from '../accounts/factors/factor-store.ts'
import type { ConnectionStore } from '../oidc/storage/connection-store.ts'
import type { SessionStore } from '../oidc/storage/session-store.ts'
import type { AccountDoor } from './account-door.ts'
import type { ShowAccountPage } from './account-page.ts'

export interface OverviewRoutesParts {
  door: AccountDoor
  showPage: ShowAccountPage
  sessions: Pick<SessionStore, 'listOfAccount'>
  connections: Pick<ConnectionStore, 'listConnections'>
}

/** With no more codes than that, a bad day is enough to be locked out. */
const fewCodes = 3

export function overviewRoutes({ door, showPage, sessions, connections }: OverviewRoutesParts): Router {
  const router = new Router()
  router.get(
    '/account',
    door.open(async (ctx, visitor) => {
      const { account, factors } = visitor
      const isSecond = hasSecondFactor(factors)
      showPage(ctx, visitor, 'overview', {
        account,
        factors,
        hasFactor: isSecond,
        isShortOfCodes: isSecond && factors.recoveryCodesLeft <= fewCodes,
        sessionCount: (await sessions.listOfAccount(account.sub)).length,
        applicationCount: (await connections.listConnections(account.sub)).length,
        verifyAction: '/account/email/verify',
      })
    }),
  )
  return router
}
