// Where the engine sends the browser back to: on to the page that somebody wanted, or a kind word why not.
import Router from '@koa/router'
import type { Context } from 'koa'
import { badRequest } from '../http/errors.ts'
import { showPage } from '../http/show-page.ts'
import type { Views } from '../http/views.ts'
import { type AccountDoor, isFresh } from './account-door.ts'
import { leaveNotice } from './notice.ts'
import type { Destination, ReturnPaths } from './return-path.ts'
import { seeOther } from './see-other.ts'

export interface ReturnRoutesParts {
  views: Views
  door: Pick<AccountDoor, 'find' | 'signInAgainUrl'>
  returnPaths: Pick<ReturnPaths, 'open'>
}

export function returnRoutes({ views, door, returnPaths }: ReturnRoutesParts): Router {
  const router = new Router()

  const goOn = async (ctx: Context, destination: Destination) => {
    const visitor = destination.isForChange ? await door.find(ctx) : undefined
    // Asked again at once, the engine would answer the same: no sign-in of this kind can be strong enough.
    if (visitor && !isFresh(visitor)) {
      ctx.status = 403
      const { path } = destination
      return showPage(ctx, views, 'account/sign-in-again', {
        signInUrl: door.signInAgainUrl({ path, isForChange: true }),
      })
    }
    if (destination.wasForm) leaveNotice(ctx, { key: 'account.form-not-sent' })
    seeOther(ctx, destination.path)
  }

  router.get('/account/return', async (ctx) => {
    const { state, error } = ctx.query
    const destination = returnPaths.open(state)
    if (!destination) throw badRequest('invalid_state', 'This address does not come from a page of this server.')
    if (error === undefined) return goOn(ctx, destination)
    ctx.status = error === 'access_denied' ? 403 : 400
    showPage(ctx, views, 'account/not-signed-in', { path: destination.path, isDeclined: error === 'access_denied' })
  })
  return router
}
