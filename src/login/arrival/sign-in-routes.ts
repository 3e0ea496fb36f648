// The sign-in page: a name and a password, a passkey, or the ways to the other ways in.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { AccountStore } from '../../accounts/account-store.ts'
import type { PasskeyTickets } from '../../accounts/factors/passkey-tickets.ts'
import type { Passkeys } from '../../accounts/factors/passkeys.ts'
import { readDeviceToken } from '../../http/cookies/device-cookie.ts'
import { readForm } from '../../http/form-body.ts'
import { showPage } from '../../http/show-page.ts'
import type { Views } from '../../http/views.ts'
import type { Sentence } from '../../language/translations.ts'
import { waitingTime } from '../../language/waiting-time.ts'
import { type Interaction, type Interactions, publisherHost } from '../interaction.ts'
import { occasionOf, visitOf } from '../occasion.ts'
import { firstMethod } from '../sign-in-state.ts'
import type { SignIn } from './sign-in.ts'

export interface SignInRoutesParts {
  views: Views
  interactions: Interactions
  accounts: Pick<AccountStore, 'find'>
  passkeys: Pick<Passkeys, 'authenticationOptions' | 'authenticate'>
  tickets: PasskeyTickets
  signIn: SignIn
  canSignUp: boolean
  canUseLinks: boolean
  hasUsernames: boolean
}

const scopeOf = (uid: string) => `sign-in ${uid}`
const waits = { too_many: 'sign-in.too_many', locked: 'sign-in.locked', busy: 'sign-in.busy' }

export function signInRoutes(parts: SignInRoutesParts): Router {
  const { interactions } = parts
  const router = new Router({ prefix: '/interaction/:uid' })
  router.post('/sign-in', async (ctx) => handlePassword(ctx, await interactions.load(ctx, 'sign-in'), parts))
  router.post('/passkey', async (ctx) => handlePasskey(ctx, await interactions.load(ctx, 'sign-in'), parts))
  return router
}

export async function showSignIn(
  ctx: Context,
  { uid, client, params, state }: Interaction,
  parts: SignInRoutesParts,
  more: { email?: string; error?: Sentence; retryAfter?: number; isPasskeyRefused?: boolean } = {},
): Promise<void> {
  const { options } = await parts.passkeys.authenticationOptions()
  const { challenge, ticket } = parts.tickets.issue(scopeOf(uid))
  const hint = typeof params.login_hint === 'string' ? params.login_hint : undefined
  showPage(ctx, parts.views, 'sign-in', {
    base: `/interaction/${uid}`,
    clientName: client.name,
    clientHost: client.isFirstParty ? undefined : publisherHost(client, params.redirect_uri),
    email: state.sentTo ?? hint,
    passkeyOptions: JSON.stringify({ ...options, challenge }),
    ticket,
    hasUsernames: parts.hasUsernames,
    canSignUp: parts.canSignUp,
    canUseLinks: parts.canUseLinks,
    ...more,
  })
}

async function handlePassword(ctx: Context, interaction: Interaction, parts: SignInRoutesParts): Promise<void> {
  const { email = '', password = '' } = readForm(ctx)
  const identifier = email.trim()
  const from = { visit: visitOf(ctx), occasion: occasionOf(ctx), deviceToken: readDeviceToken(ctx) }
  const result = await parts.signIn({ identifier, password, ...from })
  if (result.ok) return passOn(ctx, interaction, parts, firstMethod(result.account, { method: 'password' }))
  if (result.reason === 'wrong') {
    ctx.status = 400
    return showSignIn(ctx, interaction, parts, { email: identifier, error: { key: 'sign-in.wrong' } })
  }
  ctx.status = result.reason === 'busy' ? 503 : 429
  ctx.set('Retry-After', String(result.retryAfter))
  await showSignIn(ctx, interaction, parts, {
    email: identifier,
    error: waitingTime(waits[result.reason], result.retryAfter),
  })
}

async function handlePasskey(ctx: Context, interaction: Interaction, parts: SignInRoutesParts): Promise<void> {
  const { response = '', ticket = '' } = readForm(ctx)
  const challenge = parts.tickets.challengeOf(ticket, scopeOf(interaction.uid))
  const shown = challenge ? await parts.passkeys.authenticate({ challenge, response }) : { ok: false as const }
  // Alone it must be two factors in one: that it is here, and that its owner has unlocked it.
  const account = shown.ok && shown.isUserVerified ? await parts.accounts.find(shown.sub) : undefined
  if (!shown.ok || !account || account.disabledAt) {
    ctx.status = 400
    return showSignIn(ctx, interaction, parts, { error: { key: 'sign-in.passkey-refused' } })
  }
  const { isUserVerified, isMultiDevice } = shown
  await passOn(ctx, interaction, parts, firstMethod(account, { method: 'passkey', isUserVerified, isMultiDevice }))
}

async function passOn(
  ctx: Context,
  interaction: Interaction,
  { interactions }: SignInRoutesParts,
  progress: ReturnType<typeof firstMethod>,
): Promise<void> {
  await interactions.save(ctx, interaction, { progress })
  interactions.goOn(ctx, interaction)
}
