// The pages on which somebody makes an account: who they are, and the code that was sent to their address.

import Router from '@koa/router'
import type { Context } from 'koa'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import { notFound } from '../../http/errors.ts'
import { readForm } from '../../http/form-body.ts'
import { showPage } from '../../http/show-page.ts'
import type { Views } from '../../http/views.ts'
import { languageOf } from '../../language/language-choice.ts'
import type { Sentence } from '../../language/translations.ts'
import type { Interaction, Interactions } from '../interaction.ts'
import { visitOf } from '../occasion.ts'
import type { FieldProblem } from '../registration-problems.ts'
import { firstMethod } from '../sign-in-state.ts'
import { wrongStep } from '../wrong-step.ts'
import type { SignUp } from './sign-up.ts'

export interface SignUpRoutesParts {
  views: Views
  interactions: Interactions
  signUp: SignUp
  activity: Pick<ActivityLog, 'append'>
  canSignUp: boolean
  hasUsernames: boolean
}

export function signUpRoutes(parts: SignUpRoutesParts): Router {
  const router = new Router({ prefix: '/interaction/:uid/sign-up' })
  const load = (ctx: Context) => {
    if (!parts.canSignUp)
      throw notFound('This server does not let people create accounts themselves.', {
        sentence: { key: 'sign-up.closed' },
      })
    return parts.interactions.load(ctx, 'sign-in')
  }
  router.get('/', async (ctx) => showForm(ctx, await load(ctx), parts))
  router.post('/', async (ctx) => begin(ctx, await load(ctx), parts))
  router.get('/code', async (ctx) => showCodeForm(ctx, await load(ctx), parts))
  router.post('/code', async (ctx) => confirm(ctx, await load(ctx), parts))
  return router
}

interface Typed {
  email?: string
  name?: string
  username?: string
  errors?: FieldProblem[]
}

function showForm(
  ctx: Context,
  { uid, client, state }: Interaction,
  parts: SignUpRoutesParts,
  typed: Typed = {},
): void {
  const { email, name, username } = state.signUp ?? {}
  showPage(ctx, parts.views, 'sign-up', {
    base: `/interaction/${uid}`,
    clientName: client.name,
    minimumLength: parts.signUp.minimumLength,
    hasUsernames: parts.hasUsernames,
    email,
    name,
    username,
    ...typed,
  })
}

async function begin(ctx: Context, interaction: Interaction, parts: SignUpRoutesParts): Promise<void> {
  const { email = '', name = '', username = '', password = '' } = readForm(ctx)
  const begun = await parts.signUp.begin({
    email,
    name,
    username: parts.hasUsernames ? username : '',
    password,
    address: ctx.ip,
    language: languageOf(ctx),
    scope: interaction.uid,
  })
  if (!begun.ok) {
    if (begun.retryAfter) ctx.set('Retry-After', String(begun.retryAfter))
    ctx.status = begun.status
    return showForm(ctx, interaction, parts, { email, name, username, errors: begun.problems })
  }
  await parts.interactions.save(ctx, interaction, { signUp: begun.pending })
  ctx.redirect(`/interaction/${interaction.uid}/sign-up/code`)
  ctx.status = 303
}

function demandPending({ state }: Interaction) {
  if (!state.signUp) throw wrongStep()
  return state.signUp
}

function showCodeForm(ctx: Context, interaction: Interaction, { views }: SignUpRoutesParts, error?: Sentence): void {
  const { uid, client } = interaction
  const { email } = demandPending(interaction)
  showPage(ctx, views, 'sign-up-code', { base: `/interaction/${uid}`, clientName: client.name, email, error })
}

async function confirm(ctx: Context, interaction: Interaction, parts: SignUpRoutesParts): Promise<void> {
  const { code = '' } = readForm(ctx)
  const confirmed = await parts.signUp.confirm(demandPending(interaction), code, interaction.uid)
  if (!confirmed.ok) {
    if (confirmed.retryAfter) ctx.set('Retry-After', String(confirmed.retryAfter))
    ctx.status = confirmed.status
    return showCodeForm(ctx, interaction, parts, confirmed.error)
  }
  const { account } = confirmed
  await parts.activity.append(account.sub, { type: 'signed_up', ...visitOf(ctx) })
  await parts.interactions.save(ctx, interaction, { progress: firstMethod(account, { method: 'password' }) })
  parts.interactions.goOn(ctx, interaction)
}
