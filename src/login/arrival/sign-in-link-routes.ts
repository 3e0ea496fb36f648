// Signing in by mail: a link for the browser that asked for it, and a code to type there when the mail is read elsewhere.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { AccountMail } from '../../accounts/account-mail.ts'
import type { Account, AccountStore } from '../../accounts/account-store.ts'
import type { Devices } from '../../accounts/devices/devices.ts'
import type { EmailCodes } from '../../accounts/factors/email-codes.ts'
import type { OneTimeLinkStore } from '../../accounts/one-time-link-store.ts'
import type { FactorThrottle } from '../../accounts/sign-in/factor-throttle.ts'
import type { MailThrottle } from '../../accounts/sign-in/mail-throttle.ts'
import { AppError } from '../../http/errors.ts'
import { readForm } from '../../http/form-body.ts'
import { showPage } from '../../http/show-page.ts'
import { languageOf } from '../../language/language-choice.ts'
import type { Sentence } from '../../language/translations.ts'
import { waitingTime } from '../../language/waiting-time.ts'
import { evenly } from '../even-time.ts'
import type { Interaction } from '../interaction.ts'
import { reserveMail } from '../mail-reservation.ts'
import { firstMethod } from '../sign-in-state.ts'
import { type SignInRoutesParts, showSignIn } from './sign-in-routes.ts'

export interface SignInLinkRoutesParts extends SignInRoutesParts {
  issuer: string
  accounts: Pick<AccountStore, 'find' | 'findByIdentifier' | 'setEmailVerified'>
  links: Pick<OneTimeLinkStore, 'create' | 'find' | 'redeem'>
  emailCodes: Pick<EmailCodes, 'create' | 'use'>
  throttle: FactorThrottle
  mailThrottle: MailThrottle
  devices: Pick<Devices, 'find'>
  accountMail: Pick<AccountMail, 'signInLink'>
  /** A proof that the mailbox is theirs lifts what guessers of passwords brought upon the account. */
  unlock(sub: string): Promise<void>
}

const purpose = 'sign-in-link'
const lifetime = 900

export function signInLinkRoutes(parts: SignInLinkRoutesParts): Router {
  const { interactions } = parts
  const router = new Router({ prefix: '/interaction/:uid/link' })
  if (!parts.canUseLinks) return router
  router.post('/', async (ctx) => requestLink(ctx, await interactions.load(ctx, 'sign-in'), parts))
  router.get('/', async (ctx) => showCodeForm(ctx, await interactions.load(ctx, 'sign-in'), parts))
  router.post('/code', async (ctx) => handleCode(ctx, await interactions.load(ctx, 'sign-in'), parts))
  // Opening it changes nothing: scanners of mail open links too.
  router.get('/:token', (ctx) => showLink(ctx, parts))
  router.post('/:token', (ctx) => handleLink(ctx, parts))
  return router
}

async function requestLink(ctx: Context, interaction: Interaction, parts: SignInLinkRoutesParts): Promise<void> {
  const { email = '' } = readForm(ctx)
  const sentTo = email.trim().slice(0, 254)
  if (sentTo === '') {
    ctx.status = 400
    return showSignIn(ctx, interaction, parts, { error: { key: 'sign-in.name-first' } })
  }
  const account = await parts.accounts.findByIdentifier(sentTo)
  const reservation = await reserveMail(ctx, account, sentTo, parts)
  if (!reservation.ok) {
    ctx.status = 429
    ctx.set('Retry-After', String(reservation.retryAfter))
    const error = waitingTime('sign-in.too_many_mails', reservation.retryAfter)
    return showCodeForm(ctx, { ...interaction, state: { ...interaction.state, sentTo } }, parts, error)
  }
  await evenly(async () => {
    if (account && !account.disabledAt) await send(ctx, interaction, account, parts)
  })
  await parts.interactions.save(ctx, interaction, { sentTo })
  ctx.redirect(`/interaction/${interaction.uid}/link`)
  ctx.status = 303
}

async function send(ctx: Context, { uid }: Interaction, account: Account, parts: SignInLinkRoutesParts): Promise<void> {
  const { sub, securityVersion } = account
  const details = { uid }
  const token = await parts.links.create(purpose, { sub, seconds: lifetime, securityVersion, details })
  const code = await parts.emailCodes.create({ purpose, scope: uid, sub, securityVersion, seconds: lifetime })
  const link = `${parts.issuer}/interaction/${uid}/link/${token}`
  await parts.accountMail.signInLink(account, { link, code, language: languageOf(ctx) })
}

function showCodeForm(
  ctx: Context,
  { uid, client, state }: Interaction,
  { views }: SignInLinkRoutesParts,
  error?: Sentence,
) {
  const base = `/interaction/${uid}`
  showPage(ctx, views, 'sign-in-link-sent', { base, clientName: client.name, email: state.sentTo, error })
}

async function handleCode(ctx: Context, interaction: Interaction, parts: SignInLinkRoutesParts): Promise<void> {
  const { code = '' } = readForm(ctx)
  // By interaction: it is not known yet whose code this is, and a new interaction means a new code.
  const reservation = await parts.throttle.reserve({ scope: `sign-in-link ${interaction.uid}` })
  if (!reservation.ok) {
    ctx.status = 429
    ctx.set('Retry-After', String(reservation.retryAfter))
    return showCodeForm(ctx, interaction, parts, waitingTime('second-factor.too_many', reservation.retryAfter))
  }
  const used = await parts.emailCodes.use({ purpose, scope: interaction.uid, code })
  if (used?.sub !== undefined) {
    await reservation.succeeded()
    return signInAs(ctx, interaction, used.sub, parts)
  }
  ctx.status = 400
  showCodeForm(ctx, interaction, parts, { key: 'sign-in-link.wrong_code' })
}

async function showLink(ctx: Context, parts: SignInLinkRoutesParts): Promise<void> {
  const { token = '', uid = '' } = ctx.params as Record<string, string>
  const link = await parts.links.find(purpose, token)
  if (link?.details.uid !== uid) return expired(ctx, parts)
  const isHere = await begunHere(ctx, parts)
  showPage(ctx, parts.views, 'sign-in-link', { action: ctx.path, isHere })
}

async function handleLink(ctx: Context, parts: SignInLinkRoutesParts): Promise<void> {
  const interaction = await parts.interactions.load(ctx, 'sign-in')
  const { token = '', uid = '' } = ctx.params as Record<string, string>
  const link = await parts.links.redeem(purpose, token)
  if (!link?.sub || link.details.uid !== uid) return expired(ctx, parts)
  await signInAs(ctx, interaction, link.sub, parts)
}

async function signInAs(
  ctx: Context,
  interaction: Interaction,
  sub: string,
  parts: SignInLinkRoutesParts,
): Promise<void> {
  const account = await parts.accounts.find(sub)
  if (!account || account.disabledAt) return expired(ctx, parts)
  await parts.accounts.setEmailVerified(sub)
  await parts.unlock(sub)
  await parts.interactions.save(ctx, interaction, { progress: firstMethod(account, { method: 'link' }) })
  parts.interactions.goOn(ctx, interaction)
}

/** Somebody who opens the link elsewhere must not be signed in there, nor sign in whoever waits in the first browser. */
async function begunHere(ctx: Context, { interactions }: SignInLinkRoutesParts): Promise<boolean> {
  try {
    return (await interactions.load(ctx)).step === 'sign-in'
  } catch (error) {
    if (error instanceof AppError) return false
    throw error
  }
}

function expired(ctx: Context, { views }: SignInLinkRoutesParts): void {
  ctx.status = 410
  showPage(ctx, views, 'link-expired', {})
}
