// Puts the hosted sign-in together: what people are shown on the way to an application, and behind the links in their mail.
import type Router from '@koa/router'
import { hasSecondFactor } from '../../accounts/factors/factor-store.ts'
import { createPasskeyTickets } from '../../accounts/factors/passkey-tickets.ts'
import { createFactorThrottle } from '../../accounts/sign-in/factor-throttle.ts'
import { createMailThrottle } from '../../accounts/sign-in/mail-throttle.ts'
import { createSignInThrottle } from '../../accounts/sign-in/sign-in-throttle.ts'
import { createRequestLimits } from '../../http/request-limits.ts'
import { createSignIn } from '../../login/arrival/sign-in.ts'
import { createSignUp } from '../../login/arrival/sign-up.ts'
import { createCompletion } from '../../login/completion.ts'
import { createConsentPage } from '../../login/consent-page.ts'
import { createInteractions } from '../../login/interaction.ts'
import { loginRoutes } from '../../login/login-routes.ts'
import { invitationRoutes } from '../../login/recovery/invitation-routes.ts'
import { notMeRoutes } from '../../login/recovery/not-me-routes.ts'
import { createPasswordReset } from '../../login/recovery/password-reset.ts'
import { resetPasswordRoutes } from '../../login/recovery/reset-password-routes.ts'
import { createSecondFactorCheck } from '../../login/second-factor/second-factor-check.ts'
import { cookieNames } from '../../oidc/policy/engine-policy.ts'
import type { Node } from '../node.ts'
import type { ServerParts } from '../server.ts'
import type { Stores } from '../stores.ts'
import { isDeviceRemembered } from './remembered-device.ts'

export function hostedSignIn({ config }: Pick<ServerParts, 'config'>, stores: Stores, node: Node): Router[] {
  const shared = createShared(stores, node)
  const { issuer, login } = config
  const { accounts, database, links, activity, sessions } = stores
  const { views, passwordChange, accountMail, revocation } = node
  const hasFactor = async (sub: string) => hasSecondFactor(await node.factors.store.summary(sub))
  const minimumLength = async (sub: string) => node.passwordPolicy.minimumLength(await hasFactor(sub))
  const common = {
    issuer,
    views,
    database,
    accounts,
    links,
    sessions,
    passwordChange,
    accountMail,
    revocation,
    activity,
    minimumLength,
  }
  const reset = createPasswordReset({ ...common, hasSecondFactor: hasFactor, unlock: shared.unlock })
  const { minimumPasswordLength, requiresSecondFactor } = node
  return [
    loginRoutes({ ...common, ...login, ...shared, ...createSteps(config, stores, node, shared), reset }),
    resetPasswordRoutes({ ...common, reset }),
    invitationRoutes({ ...common, minimumLength: minimumPasswordLength, requiresSecondFactor }),
    notMeRoutes({ ...common, devices: stores.devices, reset }),
  ]
}

/** What several steps use. */
function createShared({ throttleStore, mailThrottleStore, sealing, devices }: Stores, { factors }: Node) {
  const signInThrottle = createSignInThrottle({ store: throttleStore, sealing })
  return {
    ...factors,
    factorStore: factors.store,
    devices,
    tickets: createPasskeyTickets({ sealing }),
    throttle: createFactorThrottle({ store: throttleStore, sealing }),
    mailThrottle: createMailThrottle({ store: mailThrottleStore, sealing }),
    signInThrottle,
    unlock: signInThrottle.unlock,
  }
}

type Shared = ReturnType<typeof createShared>

function createSteps(config: ServerParts['config'], stores: Stores, node: Node, shared: Shared) {
  const { accounts, database, devices, clientCache, consents } = stores
  const { engine, accountMail } = node
  const interactions = createInteractions({
    ...shared,
    engine,
    database,
    accounts,
    isPasswordExpired: node.passwordPolicy.isExpired,
    isDeviceRemembered: isDeviceRemembered(stores),
    secondFactorRule: config.login.secondFactor,
    translations: node.translations,
    branding: node.branding,
    cookieNames: cookieNames(config.issuer),
    findClient: clientCache.find,
  })
  const { passwordStore, activity } = stores
  return {
    interactions,
    complete: createCompletion({ interactions, accounts, devices, activity, accountMail }),
    consentPage: createConsentPage({ engine, accounts, consents, findApi: stores.apiCache.find }),
    check: createSecondFactorCheck(shared),
    signIn: createSignIn({
      accounts,
      passwordStore,
      devices,
      passwords: node.passwords,
      throttle: shared.signInThrottle,
      activity,
      accountMail,
      later: node.background.later,
    }),
    signUp: createSignUp({
      ...shared,
      registration: node.registrations.accounts,
      accounts,
      accountMail,
      addressLimit: createRequestLimits().createFailureLimit({ points: 60, seconds: 3600 }),
      minimumLength: node.minimumPasswordLength,
    }),
  }
}
