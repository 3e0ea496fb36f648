// Everything under /account, and the links that confirm an address: the one list of what a person at home can do.
import Router from '@koa/router'
import { type AuthenticatorRoutesParts, authenticatorRoutes } from './credentials/authenticator-routes.ts'
import { type MailedCodeRoutesParts, mailedCodeRoutes } from './credentials/mailed-code-routes.ts'
import { type PasskeyRoutesParts, passkeyRoutes } from './credentials/passkey-routes.ts'
import { type PasswordRoutesParts, passwordRoutes } from './credentials/password-routes.ts'
import { recoveryCodeRoutes } from './credentials/recovery-code-routes.ts'
import { type SecondFactorPageParts, secondFactorPageRoutes } from './credentials/second-factor-page-routes.ts'
import { type OverviewRoutesParts, overviewRoutes } from './overview-routes.ts'
import { type EmailRoutesParts, emailRoutes } from './profile/email-routes.ts'
import { type MailedLinkRoutesParts, mailedLinkRoutes } from './profile/mailed-link-routes.ts'
import { type ProfileRoutesParts, profileRoutes } from './profile/profile-routes.ts'
import { usernameRoutes } from './profile/username-routes.ts'
import { activityRoutes } from './record/activity-routes.ts'
import { type DataRoutesParts, dataRoutes } from './record/data-routes.ts'
import { type DeletionRoutesParts, deletionRoutes } from './record/deletion-routes.ts'
import { type ReturnRoutesParts, returnRoutes } from './return-routes.ts'
import { type ApplicationRoutesParts, applicationRoutes } from './sessions/application-routes.ts'
import { type SessionRoutesParts, sessionRoutes } from './sessions/session-routes.ts'

export type AccountRoutesParts = ReturnRoutesParts &
  OverviewRoutesParts &
  ProfileRoutesParts &
  EmailRoutesParts &
  MailedLinkRoutesParts &
  PasswordRoutesParts &
  SecondFactorPageParts &
  AuthenticatorRoutesParts &
  PasskeyRoutesParts &
  MailedCodeRoutesParts &
  SessionRoutesParts &
  ApplicationRoutesParts &
  DataRoutesParts &
  DeletionRoutesParts & { activity: Parameters<typeof activityRoutes>[0]['activity'] }

/** Where forms stand, for the guard against other sites. */
export const accountFormPaths = ['/account', '/confirm-email/', '/verify-email/']

export function accountRoutes(parts: AccountRoutesParts): Router {
  const router = new Router()
  for (const section of sections(parts)) router.use(section.routes())
  return router
}

const sections = (parts: AccountRoutesParts): Router[] => [
  returnRoutes(parts),
  overviewRoutes(parts),
  profileRoutes(parts),
  ...(parts.hasUsernames ? [usernameRoutes(parts)] : []),
  emailRoutes(parts),
  mailedLinkRoutes(parts),
  passwordRoutes(parts),
  secondFactorPageRoutes(parts),
  authenticatorRoutes(parts),
  passkeyRoutes(parts),
  mailedCodeRoutes(parts),
  recoveryCodeRoutes(parts),
  sessionRoutes(parts),
  applicationRoutes(parts),
  activityRoutes(parts),
  dataRoutes(parts),
  deletionRoutes(parts),
]
