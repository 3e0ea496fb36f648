// The hosted sign-in: shows whatever step is next, and leads out of it. Steps never lead to one another: each ends where the next is decided.
import Router from '@koa/router'
import type { Context } from 'koa'
import { badRequest } from '../http/errors.ts'
import { showPage } from '../http/show-page.ts'
import type { Views } from '../http/views.ts'
import { type SignInLinkRoutesParts, signInLinkRoutes } from './arrival/sign-in-link-routes.ts'
import { type SignInRoutesParts, showSignIn, signInRoutes } from './arrival/sign-in-routes.ts'
import { type SignUpRoutesParts, signUpRoutes } from './arrival/sign-up-routes.ts'
import type { Completion } from './completion.ts'
import type { ConsentPage } from './consent-page.ts'
import type { Interaction, Interactions } from './interaction.ts'
import type { Step } from './next-step.ts'
import {
  type ExpiredPasswordParts,
  expiredPasswordRoutes,
  showExpiredPassword,
} from './recovery/expired-password-routes.ts'
import { type ForgottenPasswordParts, forgottenPasswordRoutes } from './recovery/forgotten-password-routes.ts'
import { type EnrolmentRoutesParts, enrolmentRoutes, showEnrolment } from './second-factor/enrolment-routes.ts'
import {
  demandStep,
  type SecondFactorRoutesParts,
  secondFactorRoutes,
  showSecondFactor,
} from './second-factor/second-factor-routes.ts'

export type LoginParts = SignInRoutesParts &
  SignInLinkRoutesParts &
  SignUpRoutesParts &
  SecondFactorRoutesParts &
  EnrolmentRoutesParts &
  ExpiredPasswordParts &
  ForgottenPasswordParts & {
    views: Views
    interactions: Interactions
    consentPage: ConsentPage
    complete: Completion
  }

export function loginRoutes(parts: LoginParts): Router {
  const { interactions, consentPage } = parts
  const router = new Router()
  const path = '/interaction/:uid'

  router.get(path, async (ctx) => {
    const interaction = await interactions.load(ctx)
    await show[interaction.step](ctx, interaction, parts)
  })

  router.post(`${path}/consent`, async (ctx) => {
    const interaction = await interactions.load(ctx, 'consent')
    // What is granted is what the stored request asks for, never what a form says.
    await interactions.finish(ctx, () => consentPage.grant(interaction))
  })

  /** Somebody else wants to sign in: what was shown so far was another person's. */
  router.post(`${path}/switch-account`, async (ctx) => {
    const interaction = await interactions.load(ctx)
    interaction.engine.prompt = { name: 'login', reasons: ['switch_account'], details: {} }
    await interactions.save(ctx, interaction, {})
    interactions.goOn(ctx, interaction)
  })

  router.post(`${path}/abort`, async (ctx) => {
    await interactions.load(ctx)
    await interactions.finish(ctx, { error: 'access_denied', error_description: 'The person declined.' })
  })

  for (const flow of flows(parts)) router.use(flow.routes())
  return router
}

const flows = (parts: LoginParts) => [
  signInRoutes(parts),
  signInLinkRoutes(parts),
  signUpRoutes(parts),
  secondFactorRoutes(parts),
  enrolmentRoutes(parts),
  expiredPasswordRoutes(parts),
  forgottenPasswordRoutes(parts),
]

type Show = (ctx: Context, interaction: Interaction, parts: LoginParts) => Promise<void>

const show: Record<Step, Show> = {
  'sign-in': (ctx, interaction, parts) => showSignIn(ctx, interaction, parts),
  'second-factor': (ctx, interaction, parts) => showSecondFactor(ctx, demandStep(interaction), parts),
  enrolment: (ctx, interaction, parts) => showEnrolment(ctx, interaction, parts),
  'expired-password': (ctx, interaction, parts) => showExpiredPassword(ctx, interaction, parts),
  finish: (ctx, interaction, { complete }) => complete(ctx, interaction),
  consent: async (ctx, interaction, { views, consentPage }) =>
    showPage(ctx, views, 'consent', await consentPage.describe(interaction)),
  unknown: async () => {
    throw badRequest('unknown_step', 'This server cannot do what the application asks for.')
  },
}
