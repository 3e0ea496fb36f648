// The page on which people say who they are: what OpenID Connect tells applications about them.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { AccountRegistration } from '../../accounts/account-registration.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import { readForm } from '../../http/form-body.ts'
import type { AccountDoor, Visitor } from '../account-door.ts'
import type { FieldProblem, ShowAccountPage } from '../account-page.ts'
import { callerOf } from '../caller.ts'
import { doneWith } from '../notice.ts'
import { fieldOf, profileChanges, profileFields } from './profile-form.ts'

export interface ProfileRoutesParts {
  door: AccountDoor
  showPage: ShowAccountPage
  registration: Pick<AccountRegistration, 'update'>
  activity: Pick<ActivityLog, 'append'>
  hasUsernames: boolean
  /** From which a person chooses one. */
  languages: readonly { locale: string; name: string }[]
  /** In this browser too, from now on. */
  rememberLanguage(ctx: Context, locale: string): void
}

const path = '/account/profile'

export function profileRoutes(parts: ProfileRoutesParts): Router {
  const { door } = parts
  const router = new Router()
  router.get(
    path,
    door.open(async (ctx, visitor) => show(ctx, visitor, parts)),
  )
  router.post(
    path,
    door.open((ctx, visitor) => save(ctx, visitor, parts)),
  )
  return router
}

function show(
  ctx: Context,
  visitor: Visitor,
  { showPage, hasUsernames, languages }: ProfileRoutesParts,
  { form, errors = [] }: { form?: Record<string, string>; errors?: FieldProblem[] } = {},
): void {
  const { account } = visitor
  const values = { ...profileFields(account), ...form }
  showPage(ctx, visitor, 'profile', {
    action: path,
    values,
    version: account.version,
    errors,
    hasUsernames,
    username: account.username,
    isEmailVerified: account.isEmailVerified,
    offeredLanguages: languages,
  })
}

async function save(ctx: Context, visitor: Visitor, parts: ProfileRoutesParts): Promise<void> {
  const { account } = visitor
  const form = readForm(ctx)
  const version = Number(form.version)
  const changes = profileChanges(
    form,
    account,
    parts.languages.map(({ locale }) => locale),
  )
  const updated = await parts.registration.update(
    account.sub,
    changes,
    Number.isSafeInteger(version) ? version : account.version,
  )
  if (updated.ok) {
    await parts.activity.append(account.sub, { type: 'profile_changed', ...callerOf(ctx).where })
    if (changes.locale && changes.locale !== account.locale) parts.rememberLanguage(ctx, changes.locale)
    return doneWith(ctx, path, { key: 'account.profile.saved' })
  }
  // Another tab, or an operator: what stands there now is shown, and nothing is written over it.
  if (updated.reason !== undefined) return doneWith(ctx, path, { key: 'account.changed-meanwhile' })
  ctx.status = 400
  const errors = updated.problems.map(({ field, key, values }) => ({
    field: fieldOf(field),
    sentence: { key, ...(values && { values }) },
  }))
  show(ctx, visitor, parts, { form, errors })
}
