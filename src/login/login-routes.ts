// The hosted sign-in: password, sign-up, consent, and the ways out of it.
import Router from '@koa/router'
import type { Context } from 'koa'
import { badRequest, notFound } from '../http/errors.ts'
import { readForm } from '../http/form-body.ts'
import { showPage } from '../http/show-page.ts'
import type { Views } from '../http/views.ts'
import { languageOf } from '../language/language-choice.ts'
import type { ConsentPage } from './consent-page.ts'
import type { Interactions } from './interaction.ts'
import { publisherHost } from './interaction.ts'
import type { SignIn } from './sign-in.ts'
import type { SignUp } from './sign-up.ts'

export interface LoginParts {
  views: Views
  interactions: Interactions
  consentPage: ConsentPage
  signIn: SignIn
  signUp: SignUp
  canSignUp: boolean
}

const wrong = 'The email address or the password is not right.'

export function loginRoutes(parts: LoginParts): Router {
  const { interactions, consentPage } = parts
  const router = new Router({ prefix: '/interaction/:uid' })

  router.get('/', async (ctx) => {
    const interaction = await interactions.load(ctx)
    if (interaction.step === 'unknown')
      throw badRequest('unknown_step', 'This server cannot do what the application asks for.')
    if (interaction.step === 'consent')
      return showPage(ctx, parts.views, 'consent', await consentPage.describe(interaction))
    await showSignIn(ctx, parts, {})
  })

  router.post('/sign-in', (ctx) => handleSignIn(ctx, parts))
  router.get('/sign-up', (ctx) => showSignUp(ctx, parts, {}))
  router.post('/sign-up', (ctx) => handleSignUp(ctx, parts))

  router.post('/consent', async (ctx) => {
    const interaction = await interactions.load(ctx, 'consent')
    // What is granted is what the stored request asks for, never what a form says.
    await interactions.finish(ctx, () => consentPage.grant(interaction))
  })

  router.post('/switch-account', async (ctx) => {
    const { engine, uid } = await interactions.load(ctx, 'consent')
    engine.prompt = { name: 'login', reasons: ['switch_account'], details: {} }
    await engine.persist()
    ctx.redirect(`/interaction/${uid}`)
    ctx.status = 303
  })

  router.post('/abort', async (ctx) => {
    await interactions.load(ctx)
    await interactions.finish(ctx, { error: 'access_denied', error_description: 'The person declined.' })
  })

  return router
}

async function showSignIn(ctx: Context, { views, interactions, canSignUp }: LoginParts, more: Record<string, unknown>) {
  const { uid, client, params } = await interactions.load(ctx, ctx.method === 'GET' ? undefined : 'sign-in')
  const loginHint = typeof params.login_hint === 'string' ? params.login_hint : undefined
  showPage(ctx, views, 'sign-in', {
    action: `/interaction/${uid}/sign-in`,
    cancelUrl: `/interaction/${uid}/abort`,
    clientName: client.name,
    clientHost: client.isFirstParty ? undefined : publisherHost(client, params.redirect_uri),
    loginHint,
    ...(canSignUp ? { signUpUrl: `/interaction/${uid}/sign-up` } : undefined),
    ...more,
  })
}

async function handleSignIn(ctx: Context, parts: LoginParts): Promise<void> {
  await parts.interactions.load(ctx, 'sign-in')
  const { email = '', password = '' } = readForm(ctx)
  const result = await parts.signIn({ email: email.trim(), password, address: ctx.ip })
  if (result.ok) return parts.interactions.finish(ctx, signedIn(result.account.sub))
  if (result.reason === 'wrong') {
    ctx.status = 400
    return showSignIn(ctx, parts, { email, error: { message: wrong } })
  }
  ctx.status = result.reason === 'busy' ? 503 : 429
  ctx.set('Retry-After', String(result.retryAfter))
  const wait = result.reason === 'busy' ? 'Many people are signing in at the moment.' : 'There were too many attempts.'
  await showSignIn(ctx, parts, {
    email,
    error: { message: `${wait} Wait ${duration(result.retryAfter)}, then try again.` },
  })
}

async function showSignUp(
  ctx: Context,
  { views, interactions, signUp, canSignUp }: LoginParts,
  more: Record<string, unknown>,
) {
  if (!canSignUp) throw notFound('This server does not let people create accounts themselves.')
  const { uid, client } = await interactions.load(ctx, 'sign-in')
  showPage(ctx, views, 'sign-up', {
    action: `/interaction/${uid}/sign-up`,
    signInUrl: `/interaction/${uid}`,
    clientName: client.name,
    minimumLength: signUp.minimumLength,
    ...more,
  })
}

async function handleSignUp(ctx: Context, parts: LoginParts): Promise<void> {
  const { interactions, signUp, canSignUp } = parts
  if (!canSignUp) throw notFound('This server does not let people create accounts themselves.')
  await interactions.load(ctx, 'sign-in')
  const { email = '', name = '', password = '' } = readForm(ctx)
  const result = await signUp.create({ email, name, password, address: ctx.ip, language: languageOf(ctx) })
  if (result.ok) return interactions.finish(ctx, signedIn(result.account.sub))
  if (result.retryAfter) ctx.set('Retry-After', String(result.retryAfter))
  ctx.status = result.status
  await showSignUp(ctx, parts, { email, name, errors: result.problems })
}

// The engine applies it again after a consent; the time of authentication stays that of the password.
const signedIn = (accountId: string) => ({
  login: { accountId, amr: ['pwd'], remember: true, ts: Math.floor(Date.now() / 1000) },
})

const duration = (seconds: number) => {
  if (seconds === 1) return '1 second'
  return seconds < 90 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`
}
