// Asking for a link to set a new password, without telling who has an account.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { AccountStore } from '../../accounts/account-store.ts'
import type { Devices } from '../../accounts/devices/devices.ts'
import type { MailThrottle } from '../../accounts/sign-in/mail-throttle.ts'
import { readForm } from '../../http/form-body.ts'
import { showPage } from '../../http/show-page.ts'
import type { Views } from '../../http/views.ts'
import { languageOf } from '../../language/language-choice.ts'
import type { Sentence } from '../../language/translations.ts'
import { waitingTime } from '../../language/waiting-time.ts'
import { evenly } from '../even-time.ts'
import type { Interaction, Interactions } from '../interaction.ts'
import { reserveMail } from '../mail-reservation.ts'
import type { PasswordReset } from './password-reset.ts'

export interface ForgottenPasswordParts {
  views: Views
  interactions: Interactions
  accounts: Pick<AccountStore, 'findByIdentifier'>
  mailThrottle: MailThrottle
  devices: Pick<Devices, 'find'>
  reset: Pick<PasswordReset, 'send'>
  hasUsernames: boolean
}

export function forgottenPasswordRoutes(parts: ForgottenPasswordParts): Router {
  const { interactions } = parts
  const router = new Router({ prefix: '/interaction/:uid/forgotten-password' })
  router.get('/', async (ctx) => showForm(ctx, await interactions.load(ctx, 'sign-in'), parts))
  router.post('/', async (ctx) => send(ctx, await interactions.load(ctx, 'sign-in'), parts))
  return router
}

function showForm(
  ctx: Context,
  { uid, client, state, params }: Interaction,
  { views, hasUsernames }: ForgottenPasswordParts,
  more: { email?: string; error?: Sentence; isSent?: boolean } = {},
): void {
  const hint = typeof params.login_hint === 'string' ? params.login_hint : undefined
  showPage(ctx, views, 'forgotten-password', {
    base: `/interaction/${uid}`,
    clientName: client.name,
    hasUsernames,
    email: state.sentTo ?? hint,
    ...more,
  })
}

async function send(ctx: Context, interaction: Interaction, parts: ForgottenPasswordParts): Promise<void> {
  const { email: typed = '' } = readForm(ctx)
  const email = typed.trim().slice(0, 254)
  const account = await parts.accounts.findByIdentifier(email)
  const reservation = await reserveMail(ctx, account, email, parts)
  if (!reservation.ok) {
    ctx.status = 429
    ctx.set('Retry-After', String(reservation.retryAfter))
    const error = waitingTime('sign-in.too_many_mails', reservation.retryAfter)
    return showForm(ctx, interaction, parts, { email, error })
  }
  await evenly(async () => {
    if (account && !account.disabledAt) await parts.reset.send(account, languageOf(ctx))
  })
  showForm(ctx, interaction, parts, { email, isSent: true })
}
