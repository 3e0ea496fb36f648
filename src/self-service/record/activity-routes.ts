// The page that tells what has happened to an account lately, a screenful at a time.
import Router from '@koa/router'
import { type ActivityLog, activitySentence } from '../../accounts/activity-log.ts'
import { browserWords } from '../../accounts/devices/user-agent.ts'
import type { AccountDoor } from '../account-door.ts'
import type { ShowAccountPage } from '../account-page.ts'

export interface ActivityRoutesParts {
  door: AccountDoor
  showPage: ShowAccountPage
  activity: Pick<ActivityLog, 'list'>
}

const path = '/account/activity'
const onePage = 20

export function activityRoutes({ door, showPage, activity }: ActivityRoutesParts): Router {
  const router = new Router()
  router.get(
    path,
    door.open(async (ctx, visitor) => {
      const { before } = ctx.query
      const isLater = typeof before === 'string' && before !== ''
      // One more than is shown tells whether there are older ones.
      const found = await activity.list(visitor.account.sub, {
        limit: onePage + 1,
        ...(isLater ? { before } : undefined),
      })
      const shown = found.slice(0, onePage)
      const last = shown.at(-1)
      showPage(ctx, visitor, 'activity', {
        entries: shown.map((entry) => ({
          at: entry.at,
          address: entry.address,
          sentence: activitySentence(entry),
          about: aboutOf(entry.details),
          browser: entry.userAgent === '' ? undefined : browserWords(entry.userAgent),
        })),
        olderUrl: found.length > onePage && last ? `${path}?before=${last.id}` : undefined,
        newestUrl: isLater ? path : undefined,
      })
    }),
  )
  return router
}

/** What it happened to: a factor of ours has a text, a name is shown as it was given. */
function aboutOf({ factor, name, application, email }: Record<string, unknown>) {
  const given = [name, application, email].find((value) => typeof value === 'string' && value !== '')
  if (given !== undefined) return { text: given }
  return typeof factor === 'string' && Object.hasOwn(factors, factor) ? { key: factors[factor] } : undefined
}

const factors: Record<string, string> = {
  totp: 'enrolment.factor.totp',
  passkey: 'enrolment.factor.passkey',
  email_code: 'enrolment.factor.email_code',
}
