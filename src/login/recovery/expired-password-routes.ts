// A password that has come of age is replaced on the way in, once everything else has been shown.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { AccountMail } from '../../accounts/account-mail.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import { hasSecondFactor } from '../../accounts/factors/factor-store.ts'
import type { PasswordChange } from '../../accounts/password/password-change.ts'
import { readForm } from '../../http/form-body.ts'
import { showPage } from '../../http/show-page.ts'
import type { Views } from '../../http/views.ts'
import { languageOf } from '../../language/language-choice.ts'
import type { Sentence } from '../../language/translations.ts'
import type { Interaction, Interactions } from '../interaction.ts'
import { occasionOf, visitOf } from '../occasion.ts'
import { demandStep } from '../second-factor/second-factor-routes.ts'
import { passwordProblem } from './password-problem.ts'

export interface ExpiredPasswordParts {
  views: Views
  interactions: Interactions
  passwordChange: PasswordChange
  minimumLength(sub: string): Promise<number>
  activity: Pick<ActivityLog, 'append'>
  accountMail: Pick<AccountMail, 'passwordChanged'>
}

export function expiredPasswordRoutes(parts: ExpiredPasswordParts): Router {
  const router = new Router({ prefix: '/interaction/:uid/expired-password' })
  router.post('/', async (ctx) => replace(ctx, await parts.interactions.load(ctx, 'expired-password'), parts))
  return router
}

export async function showExpiredPassword(
  ctx: Context,
  interaction: Interaction,
  { views, minimumLength }: ExpiredPasswordParts,
  error?: Sentence,
): Promise<void> {
  const { uid, client, account } = demandStep(interaction)
  showPage(ctx, views, 'expired-password', {
    base: `/interaction/${uid}`,
    clientName: client.name,
    accountEmail: account.email,
    minimumLength: await minimumLength(account.sub),
    errors: error ? [{ field: 'password', message: languageOf(ctx).say(error) }] : [],
  })
}

async function replace(ctx: Context, loaded: Interaction, parts: ExpiredPasswordParts): Promise<void> {
  const interaction = demandStep(loaded)
  const { account, factors, state } = interaction
  const { password = '' } = readForm(ctx)
  const changed = await parts.passwordChange.change(account, password, { hasSecondFactor: hasSecondFactor(factors) })
  if (!changed.ok) {
    ctx.status = changed.reason === 'busy' ? 503 : 400
    return showExpiredPassword(ctx, interaction, parts, passwordProblem(changed))
  }
  await parts.activity.append(account.sub, { type: 'password_changed', ...visitOf(ctx) })
  await parts.accountMail.passwordChanged(account, occasionOf(ctx))
  // What else was begun under the old password is over; this sign-in has just shown the new one.
  const { securityVersion } = changed
  await parts.interactions.save(ctx, interaction, { progress: { ...state.progress, securityVersion } })
  parts.interactions.goOn(ctx, interaction)
}
