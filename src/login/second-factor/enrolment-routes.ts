// Setting up a second factor on the way in, where it is demanded and the account has none that would do.

import Router from '@koa/router'
import type { Context } from 'koa'
import { type AccountMail, mailLifetimes } from '../../accounts/account-mail.ts'
import type { AccountStore } from '../../accounts/account-store.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { EmailCodes } from '../../accounts/factors/email-codes.ts'
import type { FactorStore, FactorSummary } from '../../accounts/factors/factor-store.ts'
import type { PasskeyTickets } from '../../accounts/factors/passkey-tickets.ts'
import type { Passkeys } from '../../accounts/factors/passkeys.ts'
import type { RecoveryCodes } from '../../accounts/factors/recovery-codes.ts'
import type { Totp } from '../../accounts/factors/totp.ts'
import type { FactorThrottle } from '../../accounts/sign-in/factor-throttle.ts'
import type { MailThrottle } from '../../accounts/sign-in/mail-throttle.ts'
import type { Database } from '../../database/database.ts'
import { readForm } from '../../http/form-body.ts'
import { showPage } from '../../http/show-page.ts'
import type { Views } from '../../http/views.ts'
import { languageOf } from '../../language/language-choice.ts'
import type { Sentence } from '../../language/translations.ts'
import { waitingTime } from '../../language/waiting-time.ts'
import type { Interaction, Interactions } from '../interaction.ts'
import { occasionOf, visitOf } from '../occasion.ts'
import { withMethod } from '../sign-in-state.ts'
import { wrongStep } from '../wrong-step.ts'
import { demandStep } from './second-factor-routes.ts'

export interface EnrolmentRoutesParts {
  views: Views
  interactions: Interactions
  totp: Pick<Totp, 'begin' | 'confirm'>
  passkeys: Pick<Passkeys, 'registrationOptions' | 'register'>
  recoveryCodes: Pick<RecoveryCodes, 'regenerate'>
  emailCodes: Pick<EmailCodes, 'create' | 'use'>
  database: Pick<Database, 'transaction'>
  accounts: Pick<AccountStore, 'lockForSignIn'>
  factorStore: Pick<FactorStore, 'setEmailCode' | 'summary'>
  tickets: PasskeyTickets
  throttle: FactorThrottle
  mailThrottle: MailThrottle
  accountMail: Pick<AccountMail, 'emailCode' | 'factorAdded'>
  activity: Pick<ActivityLog, 'append'>
  canUseEmailCodes: boolean
}

type Step = ReturnType<typeof demandStep>
type Factor = 'totp' | 'passkey' | 'email_code'

/** Of the codes that are sent to try the mailbox. */
const purpose = 'second-factor'
const scopeOf = (uid: string) => `enrolment ${uid}`
const codeTexts = { wrong_code: 'enrolment.wrong_code', expired: 'enrolment.expired' }
const passkeyTexts = {
  refused: 'enrolment.passkey-refused',
  registered_already: 'enrolment.passkey-registered_already',
  too_many: 'enrolment.passkey-no-more',
}

export function enrolmentRoutes(parts: EnrolmentRoutesParts): Router {
  const { interactions } = parts
  const router = new Router({ prefix: '/interaction/:uid/enrolment' })
  const load = async (ctx: Context) => demandStep(await interactions.load(ctx, 'enrolment'))
  router.post('/totp', async (ctx) => handleTotp(ctx, await load(ctx), parts))
  router.post('/passkey', async (ctx) => handlePasskey(ctx, await load(ctx), parts))
  router.post('/email/send', async (ctx) => sendCode(ctx, await load(ctx), parts))
  router.post('/email', async (ctx) => handleEmailCode(ctx, await load(ctx), parts))
  return router
}

interface Shown {
  factor?: Factor
  error?: Sentence
  /** The same key again after a mistyped code: it may stand in the app already. */
  enrolment?: string
}

export async function showEnrolment(
  ctx: Context,
  interaction: Interaction,
  parts: EnrolmentRoutesParts,
  { factor, error, enrolment }: Shown = {},
): Promise<void> {
  const { uid, client, account, situation } = demandStep(interaction)
  const offered = offeredFactors(interaction, parts)
  const asked = offered.find((name) => name === (factor ?? ctx.query.factor)) ?? offered[0]
  const { options } = await parts.passkeys.registrationOptions(account)
  const { challenge, ticket } = parts.tickets.issue(scopeOf(uid))
  showPage(ctx, parts.views, 'enrolment', {
    base: `/interaction/${uid}`,
    clientName: client.name,
    accountEmail: account.email,
    factor: asked,
    others: offered.filter((name) => name !== asked),
    isDemandedByClient: situation.demand !== 'required',
    totp: asked === 'totp' ? await parts.totp.begin(account, enrolment) : undefined,
    isSent: ctx.query.sent === 'yes' || (factor === 'email_code' && error !== undefined),
    passkeyOptions: JSON.stringify({ ...options, challenge }),
    ticket,
    error,
  })
}

/** A passkey alone is strong enough where a phishing-resistant factor is asked for; a mailed code is none beside a mailed link. */
function offeredFactors(
  { situation, state, factors }: Interaction,
  { canUseEmailCodes }: EnrolmentRoutesParts,
): Factor[] {
  const isByMail = state.progress?.methods.some(({ method }) => method === 'link') ?? false
  if (situation.demandedLevel > 2) return ['passkey']
  return [
    ...(factors.hasTotp ? [] : (['totp'] as const)),
    'passkey',
    ...(canUseEmailCodes && !isByMail && !factors.hasEmailCode ? (['email_code'] as const) : []),
  ]
}

function demandOffered(interaction: Step, factor: Factor, parts: EnrolmentRoutesParts): void {
  if (!offeredFactors(interaction, parts).includes(factor)) throw wrongStep()
}

async function handleTotp(ctx: Context, interaction: Step, parts: EnrolmentRoutesParts): Promise<void> {
  demandOffered(interaction, 'totp', parts)
  const { enrolment = '', code = '' } = readForm(ctx)
  const { sub } = interaction.account
  const confirmed = await enrol(ctx, interaction, 'totp', parts, () => parts.totp.confirm(sub, enrolment, code))
  if (confirmed.ok) return
  ctx.status = 400
  const error = { key: codeTexts[confirmed.reason] }
  await showEnrolment(ctx, interaction, parts, { factor: 'totp', error, enrolment })
}

async function handlePasskey(ctx: Context, interaction: Step, parts: EnrolmentRoutesParts): Promise<void> {
  const { response = '', ticket = '', name = '' } = readForm(ctx)
  const challenge = parts.tickets.challengeOf(ticket, scopeOf(interaction.uid))
  const { sub } = interaction.account
  const registered = await enrol(ctx, interaction, 'passkey', parts, async () =>
    challenge ? parts.passkeys.register(sub, { challenge, response, name }) : { ok: false, reason: 'refused' },
  )
  if (registered.ok) return
  ctx.status = 400
  const error = { key: passkeyTexts[registered.reason] }
  await showEnrolment(ctx, interaction, parts, { factor: 'passkey', error })
}

async function sendCode(ctx: Context, interaction: Step, parts: EnrolmentRoutesParts): Promise<void> {
  demandOffered(interaction, 'email_code', parts)
  const { account, uid } = interaction
  const reservation = await parts.mailThrottle.reserve({ email: `factor ${account.sub}`, address: ctx.ip })
  if (!reservation.ok) return tooMany(ctx, interaction, parts, 'second-factor.too_many_mails', reservation.retryAfter)
  const { sub, securityVersion } = account
  const code = await parts.emailCodes.create({
    purpose,
    scope: uid,
    sub,
    securityVersion,
    seconds: mailLifetimes.emailCode,
  })
  await parts.accountMail.emailCode(account, { code, language: languageOf(ctx) })
  ctx.redirect(`/interaction/${uid}?factor=email_code&sent=yes`)
  ctx.status = 303
}

async function handleEmailCode(ctx: Context, interaction: Step, parts: EnrolmentRoutesParts): Promise<void> {
  demandOffered(interaction, 'email_code', parts)
  const { sub } = interaction.account
  const { code = '' } = readForm(ctx)
  const reservation = await parts.throttle.reserve({ sub })
  if (!reservation.ok) return tooMany(ctx, interaction, parts, 'second-factor.too_many', reservation.retryAfter)
  const used = await parts.emailCodes.use({ purpose, scope: interaction.uid, code })
  if (used?.sub === sub) {
    await reservation.succeeded()
    await enrol(ctx, interaction, 'email_code', parts, async () => {
      await parts.factorStore.setEmailCode(sub, true)
      return { ok: true }
    })
    return
  }
  ctx.status = 400
  await showEnrolment(ctx, interaction, parts, { factor: 'email_code', error: { key: 'enrolment.wrong_code' } })
}

async function tooMany(ctx: Context, interaction: Step, parts: EnrolmentRoutesParts, key: string, retryAfter: number) {
  ctx.status = 429
  ctx.set('Retry-After', String(retryAfter))
  await showEnrolment(ctx, interaction, parts, { factor: 'email_code', error: waitingTime(key, retryAfter) })
}

type Refused<Reason> = { ok: false; reason: Reason }
type Tried<Reason> = { ok: true; isUserVerified?: boolean } | Refused<Reason>

/**
 * All or nothing, and under the account's lock: of two that set up a first factor at once, the second finds that there is one
 * already. Who sets a factor up shows it: it counts in this sign-in. Recovery codes are shown here and never again.
 */
async function enrol<Reason extends string>(
  ctx: Context,
  interaction: Step,
  method: Factor,
  parts: EnrolmentRoutesParts,
  work: () => Promise<Tried<Reason>>,
): Promise<{ ok: true } | Refused<Reason>> {
  const { account, uid, state, factors } = interaction
  const { tried, codes } = await parts.database.transaction(async () => {
    const isCurrent = (await parts.accounts.lockForSignIn(account.sub)) === state.progress.securityVersion
    if (!isCurrent || !isSame(await parts.factorStore.summary(account.sub), factors)) throw wrongStep()
    const tried = await work()
    if (!tried.ok) return { tried, codes: [] }
    const { isUserVerified } = tried
    const shown = { method, ...(isUserVerified === undefined ? undefined : { isUserVerified }) }
    await parts.interactions.save(ctx, interaction, { progress: withMethod(state.progress, shown) })
    const type = method === 'passkey' ? 'passkey_added' : 'factor_added'
    await parts.activity.append(account.sub, { type, ...visitOf(ctx), details: { factor: method } })
    await parts.accountMail.factorAdded(account, { ...occasionOf(ctx), factor: method })
    return { tried, codes: factors.recoveryCodesLeft > 0 ? [] : await parts.recoveryCodes.regenerate(account.sub) }
  })
  if (!tried.ok) return tried
  if (codes.length > 0) showPage(ctx, parts.views, 'recovery-codes', { codes, nextUrl: `/interaction/${uid}` })
  else parts.interactions.goOn(ctx, interaction)
  return tried
}

const isSame = (now: FactorSummary, before: FactorSummary) =>
  now.hasTotp === before.hasTotp && now.passkeys === before.passkeys && now.hasEmailCode === before.hasEmailCode
