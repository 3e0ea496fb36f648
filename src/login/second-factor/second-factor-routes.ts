// The page that asks for one more factor, and the ways to show it.

import Router from '@koa/router'
import type { Context } from 'koa'
import { type AccountMail, mailLifetimes } from '../../accounts/account-mail.ts'
import type { Account } from '../../accounts/account-store.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { Devices } from '../../accounts/devices/devices.ts'
import type { EmailCodes } from '../../accounts/factors/email-codes.ts'
import type { PasskeyTickets } from '../../accounts/factors/passkey-tickets.ts'
import type { Passkeys } from '../../accounts/factors/passkeys.ts'
import type { MailThrottle } from '../../accounts/sign-in/mail-throttle.ts'
import { readDeviceToken } from '../../http/cookies/device-cookie.ts'
import { badRequest } from '../../http/errors.ts'
import { readForm } from '../../http/form-body.ts'
import { showPage } from '../../http/show-page.ts'
import type { Views } from '../../http/views.ts'
import { languageOf } from '../../language/language-choice.ts'
import type { Sentence } from '../../language/translations.ts'
import { waitingTime } from '../../language/waiting-time.ts'
import type { Interaction, Interactions } from '../interaction.ts'
import { occasionOf, visitOf } from '../occasion.ts'
import { type Progress, withMethod } from '../sign-in-state.ts'
import { wrongStep } from '../wrong-step.ts'
import type { CodeMethod, SecondFactorCheck } from './second-factor-check.ts'
import { type OfferedFactor, usefulFactors } from './useful-factors.ts'

export interface SecondFactorRoutesParts {
  views: Views
  interactions: Interactions
  passkeys: Pick<Passkeys, 'authenticationOptions' | 'authenticate'>
  tickets: PasskeyTickets
  check: SecondFactorCheck
  devices: Pick<Devices, 'find'>
  emailCodes: Pick<EmailCodes, 'create'>
  mailThrottle: MailThrottle
  accountMail: Pick<AccountMail, 'emailCode' | 'recoveryCodeUsed'>
  activity: Pick<ActivityLog, 'append'>
}

type Step = Interaction & { account: Account; state: { progress: Progress } }

export function secondFactorRoutes(parts: SecondFactorRoutesParts): Router {
  const { interactions } = parts
  const router = new Router({ prefix: '/interaction/:uid/second-factor' })
  const load = async (ctx: Context) => demandStep(await interactions.load(ctx, 'second-factor'))
  router.post('/', async (ctx) => handleCode(ctx, await load(ctx), parts))
  router.post('/passkey', async (ctx) => handlePasskey(ctx, await load(ctx), parts))
  router.post('/email', async (ctx) => sendCode(ctx, await load(ctx), parts))
  return router
}

export function demandStep(interaction: Interaction): Step {
  const { account, state } = interaction
  const { progress } = state
  if (!account || !progress) throw badRequest('wrong_step', 'Sign in first.')
  return { ...interaction, account, state: { ...state, progress } }
}

interface Shown {
  method?: string | undefined
  error?: Sentence
  isSent?: boolean
}

export async function showSecondFactor(
  ctx: Context,
  interaction: Step,
  parts: Pick<SecondFactorRoutesParts, 'views' | 'passkeys' | 'tickets'>,
  { method, error, isSent = false }: Shown = {},
): Promise<void> {
  const { uid, client, account, state, factors, situation } = interaction
  const offered = usefulFactors(state.progress.methods, factors, situation.demandedLevel)
  const asked = offered.find((name) => name === (method ?? ctx.query.method)) ?? offered[0]
  const asking = asked === 'passkey' ? await passkeyOptions(uid, account.sub, parts) : {}
  showPage(ctx, parts.views, 'second-factor', {
    base: `/interaction/${uid}`,
    clientName: client.name,
    accountEmail: account.email,
    method: asked,
    others: offered.filter((name) => name !== asked),
    canRemember: state.progress.session === undefined,
    isSent: isSent || ctx.query.sent === 'yes',
    ...asking,
    error,
  })
}

async function passkeyOptions(
  uid: string,
  sub: string,
  { passkeys, tickets }: Pick<SecondFactorRoutesParts, 'passkeys' | 'tickets'>,
): Promise<{ passkeyOptions: string; ticket: string }> {
  const { options } = await passkeys.authenticationOptions(sub)
  const { challenge, ticket } = tickets.issue(scopeOf(uid))
  return { passkeyOptions: JSON.stringify({ ...options, challenge }), ticket }
}

const scopeOf = (uid: string) => `second-factor ${uid}`

const waits = { too_many: 'second-factor.too_many', locked: 'second-factor.locked' }
const wrongTexts = {
  totp: 'second-factor.wrong.totp',
  email_code: 'second-factor.wrong.email_code',
  recovery_code: 'second-factor.wrong.recovery_code',
}
const codeMethods: readonly string[] = ['totp', 'email_code', 'recovery_code'] satisfies CodeMethod[]
const isCodeMethod = (method: OfferedFactor | undefined): method is CodeMethod =>
  method !== undefined && codeMethods.includes(method)

async function handleCode(ctx: Context, interaction: Step, parts: SecondFactorRoutesParts): Promise<void> {
  const { method: named = '', code = '', remember = '' } = readForm(ctx)
  const { account, state, factors, situation } = interaction
  const method = usefulFactors(state.progress.methods, factors, situation.demandedLevel).find((name) => name === named)
  if (!isCodeMethod(method)) throw wrongStep()
  const device = await parts.devices.find(readDeviceToken(ctx), account.sub)
  const deviceId = device?.hasShownFactor ? device.id : undefined
  const checked = await parts.check({ sub: account.sub, method, code, scope: interaction.uid, deviceId })
  if (checked.ok) {
    if (method === 'recovery_code') await noteRecovery(ctx, interaction, parts)
    return passOn(ctx, interaction, parts, withMethod(state.progress, { method }), remember)
  }
  if (checked.reason === 'wrong') {
    ctx.status = 400
    return showSecondFactor(ctx, interaction, parts, { method, error: { key: wrongTexts[method] } })
  }
  ctx.status = 429
  ctx.set('Retry-After', String(checked.retryAfter))
  const error = waitingTime(waits[checked.reason], checked.retryAfter)
  await showSecondFactor(ctx, interaction, parts, { method, error })
}

async function handlePasskey(ctx: Context, interaction: Step, parts: SecondFactorRoutesParts): Promise<void> {
  const { response = '', ticket = '', remember = '' } = readForm(ctx)
  const { account, uid, state } = interaction
  const { sub } = account
  const challenge = parts.tickets.challengeOf(ticket, scopeOf(uid))
  const shown = challenge ? await parts.passkeys.authenticate({ challenge, response, sub }) : { ok: false as const }
  if (!shown.ok) {
    ctx.status = 400
    return showSecondFactor(ctx, interaction, parts, {
      method: 'passkey',
      error: { key: 'second-factor.wrong.passkey' },
    })
  }
  const { isUserVerified, isMultiDevice } = shown
  const progress = withMethod(state.progress, { method: 'passkey', isUserVerified, isMultiDevice })
  await passOn(ctx, interaction, parts, progress, remember)
}

async function sendCode(ctx: Context, interaction: Step, parts: SecondFactorRoutesParts): Promise<void> {
  const { account, uid, factors } = interaction
  if (!factors.hasEmailCode) throw badRequest('wrong_step', 'This account takes no codes by mail.')
  const reservation = await parts.mailThrottle.reserve({ email: `factor ${account.sub}`, address: ctx.ip })
  if (!reservation.ok) {
    ctx.status = 429
    ctx.set('Retry-After', String(reservation.retryAfter))
    const error = waitingTime('second-factor.too_many_mails', reservation.retryAfter)
    return showSecondFactor(ctx, interaction, parts, { method: 'email_code', error })
  }
  const { sub, securityVersion } = account
  const code = await parts.emailCodes.create({
    purpose: 'second-factor',
    scope: uid,
    sub,
    securityVersion,
    seconds: mailLifetimes.emailCode,
  })
  await parts.accountMail.emailCode(account, { code, language: languageOf(ctx) })
  ctx.redirect(`/interaction/${uid}?method=email_code&sent=yes`)
  ctx.status = 303
}

async function noteRecovery(ctx: Context, { account, factors }: Step, parts: SecondFactorRoutesParts): Promise<void> {
  await parts.activity.append(account.sub, { type: 'recovery_code_used', ...visitOf(ctx) })
  await parts.accountMail.recoveryCodeUsed(account, { ...occasionOf(ctx), left: factors.recoveryCodesLeft - 1 })
}

async function passOn(
  ctx: Context,
  interaction: Step,
  { interactions }: SecondFactorRoutesParts,
  progress: Progress,
  remember: string,
): Promise<void> {
  await interactions.save(ctx, interaction, {
    progress: { ...progress, ...(remember === 'yes' ? { remember: true } : undefined) },
  })
  interactions.goOn(ctx, interaction)
}
