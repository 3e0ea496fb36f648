// Composes a person's own pages, and the deletion of accounts that the sweeper carries out.
import type Router from '@koa/router'
import { fieldProblems } from '../../accounts/account-fields.ts'
import { createPasskeyTickets } from '../../accounts/factors/passkey-tickets.ts'
import { createMailThrottle } from '../../accounts/sign-in/mail-throttle.ts'
import { createSignInThrottle } from '../../accounts/sign-in/sign-in-throttle.ts'
import { preferLanguage, rememberLanguage } from '../../language/language-choice.ts'
import { createAccountDoor } from '../../self-service/account-door.ts'
import { createAccountPage } from '../../self-service/account-page.ts'
import { accountRoutes } from '../../self-service/account-routes.ts'
import { createCredentialChange } from '../../self-service/credentials/credential-change.ts'
import { createCurrentPassword } from '../../self-service/credentials/current-password.ts'
import { createFactorChanges } from '../../self-service/credentials/factor-changes.ts'
import { createEmailChanges } from '../../self-service/profile/email-change.ts'
import { createEmailChangeStore } from '../../self-service/profile/email-change-store.ts'
import { createEmailVerification } from '../../self-service/profile/email-verification.ts'
import { type AccountDeletion, createAccountDeletion } from '../../self-service/record/account-deletion.ts'
import { createDataExport } from '../../self-service/record/data-export.ts'
import { createReturnPaths } from '../../self-service/return-path.ts'
import type { Node } from '../node.ts'
import type { ServerParts } from '../server.ts'
import type { Stores } from '../stores.ts'

type Config = Pick<ServerParts, 'config'>

export const accountDeletion = ({ config }: Config, stores: Stores, node: Node): AccountDeletion =>
  createAccountDeletion({
    ...stores,
    ...node,
    registration: node.registrations.accounts,
    graceDays: config.login.deletionDays,
  })

export function selfService(parts: Config, stores: Stores, node: Node): Router {
  const { config } = parts
  const { database, sealing, accounts } = stores
  const { factors, views, translations } = node
  const common = {
    ...stores,
    ...node,
    issuer: config.issuer,
    factorStore: factors.store,
    registration: node.registrations.accounts,
  }
  const returnPaths = createReturnPaths({ sealing })
  const door = createAccountDoor({
    ...common,
    returnPaths,
    chooseLanguage: (ctx, { locale }) => preferLanguage(ctx, translations, locale),
  })
  const emailChanges = createEmailChangeStore({ database })
  const changes = credentialChanges(parts, stores, node)
  return accountRoutes({
    ...common,
    ...factors,
    ...changes,
    door,
    returnPaths,
    showPage: createAccountPage({ views }),
    emailChanges,
    emailChange: createEmailChanges({ ...common, emailChanges }),
    emailProblem: (email) => fieldProblems({ email }, node.schemes)[0],
    verification: createEmailVerification(common),
    mailThrottle: createMailThrottle({ store: stores.mailThrottleStore, sealing }),
    currentPassword: createCurrentPassword({
      accounts,
      passwords: node.passwords,
      throttle: createSignInThrottle({ store: stores.throttleStore, sealing }),
      devices: stores.devices,
    }),
    policy: node.passwordPolicy,
    tickets: createPasskeyTickets({ sealing }),
    findApi: stores.apiCache.find,
    exportData: createDataExport({ ...common, ...factors, emailChanges }),
    deletion: accountDeletion(parts, stores, node),
    graceDays: config.login.deletionDays,
    languages: translations.languages,
    rememberLanguage: (ctx, locale) => rememberLanguage(ctx, locale),
    ...config.login,
    secondFactorRule: config.login.secondFactor,
  })
}

function credentialChanges({ config }: Config, stores: Stores, node: Node) {
  const { factors } = node
  const credentialChange = createCredentialChange({ ...stores, ...node, factorStore: factors.store })
  const factorChanges = createFactorChanges({
    ...stores,
    ...node,
    credentialChange,
    factorStore: factors.store,
    recoveryCodes: factors.recoveryCodes,
    secondFactorRule: config.login.secondFactor,
  })
  return { credentialChange, factorChanges }
}
