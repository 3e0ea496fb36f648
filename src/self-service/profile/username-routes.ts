// The page on which people choose a second name to sign in by.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { AccountRegistration } from '../../accounts/account-registration.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import { readForm } from '../../http/form-body.ts'
import type { AccountDoor, Visitor } from '../account-door.ts'
import type { FieldProblem, ShowAccountPage } from '../account-page.ts'
import { callerOf } from '../caller.ts'
import { doneWith } from '../notice.ts'

export interface UsernameRoutesParts {
  door: AccountDoor
  showPage: ShowAccountPage
  registration: Pick<AccountRegistration, 'update'>
  activity: Pick<ActivityLog, 'append'>
}

const path = '/account/username'

/** Mounted only where people are offered usernames. */
export function usernameRoutes(parts: UsernameRoutesParts): Router {
  const { door } = parts
  const router = new Router()
  router.get(
    path,
    door.openFreshly(async (ctx, visitor) => show(ctx, visitor, parts)),
  )
  router.post(
    path,
    door.openFreshly((ctx, visitor) => save(ctx, visitor, parts)),
  )
  return router
}

function show(
  ctx: Context,
  visitor: Visitor,
  { showPage }: UsernameRoutesParts,
  { username = visitor.account.username, errors = [] }: { username?: string; errors?: FieldProblem[] } = {},
): void {
  showPage(ctx, visitor, 'username', { action: path, username, errors })
}

async function save(ctx: Context, visitor: Visitor, parts: UsernameRoutesParts): Promise<void> {
  const { account } = visitor
  const { username = '' } = readForm(ctx)
  const updated = await parts.registration.update(account.sub, { username: username.trim() })
  if (updated.ok) {
    await parts.activity.append(account.sub, { type: 'profile_changed', ...callerOf(ctx).where })
    return doneWith(ctx, '/account/profile', { key: 'account.username.saved' })
  }
  ctx.status = 400
  show(ctx, visitor, parts, { username, errors: [{ field: 'username', sentence: problemOf(updated) }] })
}

function problemOf(refused: Extract<Awaited<ReturnType<AccountRegistration['update']>>, { ok: false }>) {
  if (refused.reason === 'username_taken') return { key: 'account-fields.username_taken' }
  const [problem] = refused.reason === undefined ? refused.problems : []
  return problem
    ? { key: problem.key, ...(problem.values && { values: problem.values }) }
    : { key: 'account.changed-meanwhile' }
}
