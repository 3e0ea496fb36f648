// The page on which people take their data along; from it a path leads to deleting the account.
import Router from '@koa/router'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { AccountDoor } from '../account-door.ts'
import type { ShowAccountPage } from '../account-page.ts'
import { callerOf } from '../caller.ts'
import type { DataExport } from './data-export.ts'

export interface DataRoutesParts {
  door: AccountDoor
  showPage: ShowAccountPage
  exportData: DataExport
  activity: Pick<ActivityLog, 'append'>
}

const path = '/account/data'

export function dataRoutes({ door, showPage, exportData, activity }: DataRoutesParts): Router {
  const router = new Router()
  router.get(
    path,
    door.open(async (ctx, visitor) => showPage(ctx, visitor, 'data', { exportAction: `${path}/export` })),
  )

  // A form, because it is written down: a link would be followed by whatever prefetches links.
  router.post(
    `${path}/export`,
    door.openFreshly(async (ctx, visitor) => {
      await activity.append(visitor.account.sub, { type: 'exported', ...callerOf(ctx).where })
      const document = await exportData(visitor)
      ctx.set({ 'Cache-Control': 'no-store', 'Content-Disposition': 'attachment; filename="account-data.json"' })
      ctx.type = 'application/json; charset=utf-8'
      ctx.body = `${JSON.stringify(document, null, 2)}\n`
    }),
  )
  return router
}
