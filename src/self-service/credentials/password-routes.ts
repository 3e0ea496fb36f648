// The page on which somebody changes their password, or sets a first one.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { AccountMail } from '../../accounts/account-mail.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import { hasSecondFactor } from '../../accounts/factors/factor-store.ts'
import type { PasswordChange } from '../../accounts/password/password-change.ts'
import type { PasswordPolicy } from '../../accounts/password/password-policy.ts'
import { readDeviceToken } from '../../http/cookies/device-cookie.ts'
import { readForm } from '../../http/form-body.ts'
import { waitingTime } from '../../language/waiting-time.ts'
import type { AccountDoor, Visitor } from '../account-door.ts'
import type { FieldProblem, ShowAccountPage } from '../account-page.ts'
import { callerOf } from '../caller.ts'
import { doneWith } from '../notice.ts'
import type { CredentialChange } from './credential-change.ts'
import type { CurrentPassword } from './current-password.ts'

export interface PasswordRoutesParts {
  door: AccountDoor
  showPage: ShowAccountPage
  currentPassword: CurrentPassword
  policy: Pick<PasswordPolicy, 'hints' | 'minimumLength'>
  passwordChange: Pick<PasswordChange, 'prepare'>
  credentialChange: CredentialChange
  activity: Pick<ActivityLog, 'append'>
  accountMail: Pick<AccountMail, 'passwordChanged'>
}

const path = '/account/password'
const waits = { too_many: 'sign-in.too_many', locked: 'sign-in.locked', busy: 'sign-in.busy' }

export function passwordRoutes(parts: PasswordRoutesParts): Router {
  const { door } = parts
  const router = new Router()
  router.get(
    path,
    door.openFreshly(async (ctx, visitor) => show(ctx, visitor, parts)),
  )
  router.post(
    path,
    door.openFreshly((ctx, visitor) => change(ctx, visitor, parts)),
  )
  return router
}

/** Whoever has just signed in with the password has shown it; a link or a passkey does not. */
const mustShowPassword = ({ session, account }: Visitor) => account.hasPassword && !session.amr.includes('pwd')

function show(
  ctx: Context,
  visitor: Visitor,
  { showPage, policy }: PasswordRoutesParts,
  errors: FieldProblem[] = [],
): void {
  const isSecond = hasSecondFactor(visitor.factors)
  showPage(ctx, visitor, 'password', {
    action: path,
    hasPassword: visitor.account.hasPassword,
    isCurrentAsked: mustShowPassword(visitor),
    minimumLength: policy.minimumLength(isSecond),
    // The first one tells the length, which the field says itself.
    hints: policy.hints(isSecond).slice(1),
    errors,
  })
}

async function change(ctx: Context, visitor: Visitor, parts: PasswordRoutesParts): Promise<void> {
  const { current = '', password = '' } = readForm(ctx)
  const refused =
    (mustShowPassword(visitor) && (await refusedCurrent(ctx, visitor, current, parts))) ||
    (await setPassword(ctx, visitor, password, parts))
  if (refused) return show(ctx, visitor, parts, [refused])
  const key = visitor.account.hasPassword ? 'account.password.changed' : 'account.password.set'
  doneWith(ctx, '/account', { key })
}

async function refusedCurrent(
  ctx: Context,
  { account }: Visitor,
  password: string,
  { currentPassword }: PasswordRoutesParts,
): Promise<FieldProblem | undefined> {
  const checked = await currentPassword({ account, password, address: ctx.ip, deviceToken: readDeviceToken(ctx) })
  if (checked.ok) return undefined
  if (checked.reason === 'wrong') {
    ctx.status = 400
    return { field: 'current', sentence: { key: 'account.password.wrong' } }
  }
  ctx.status = checked.reason === 'busy' ? 503 : 429
  ctx.set('Retry-After', String(checked.retryAfter))
  return { field: 'current', sentence: waitingTime(waits[checked.reason], checked.retryAfter) }
}

async function setPassword(
  ctx: Context,
  visitor: Visitor,
  password: string,
  parts: PasswordRoutesParts,
): Promise<FieldProblem | undefined> {
  const prepared = await parts.passwordChange.prepare(visitor.account, password, {
    hasSecondFactor: hasSecondFactor(visitor.factors),
  })
  if (!prepared.ok && prepared.reason === 'busy') {
    ctx.status = 503
    ctx.set('Retry-After', '2')
    return { field: 'password', sentence: waitingTime('sign-in.busy', 2) }
  }
  if (!prepared.ok) {
    ctx.status = 400
    return { field: 'password', sentence: prepared.problem }
  }
  const { where, occasion } = callerOf(ctx)
  const { sub } = visitor.account
  const changed = await parts.credentialChange.replacing(visitor, async ({ account }) => {
    await prepared.apply()
    await parts.activity.append(sub, { type: 'password_changed', ...where })
    await parts.accountMail.passwordChanged(account, occasion)
    return { ok: true }
  })
  if (changed.ok) return undefined
  ctx.status = 409
  return { field: 'password', sentence: { key: 'account.changed-meanwhile' } }
}
