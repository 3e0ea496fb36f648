// What a node knows about people: how they prove who they are, what is written to them, and who may be registered.
import { createAccountMail } from '../accounts/account-mail.ts'
import { createAccountRegistration } from '../accounts/account-registration.ts'
import { createEmailCodes } from '../accounts/factors/email-codes.ts'
import { createFactorResealing } from '../accounts/factors/factor-resealing.ts'
import { createFactorStore } from '../accounts/factors/factor-store.ts'
import { createPasskeys } from '../accounts/factors/passkeys.ts'
import { createRecoveryCodes } from '../accounts/factors/recovery-codes.ts'
import { createTotp } from '../accounts/factors/totp.ts'
import { createHashSchemes } from '../accounts/password/imported/hash-schemes.ts'
import { createPasswords } from '../accounts/password/password.ts'
import { createPasswordChange } from '../accounts/password/password-change.ts'
import { createPasswordPolicy } from '../accounts/password/password-policy.ts'
import { createPasswordQueue } from '../accounts/password/password-queue.ts'
import { createPasswordStrength } from '../accounts/password/password-strength.ts'
import { adminAudience } from '../apis/admin-api-registration.ts'
import { createApiRegistration } from '../apis/api-registration.ts'
import { createClientRegistration } from '../clients/client-registration.ts'
import { createExchangePolicyRegistration } from '../clients/exchange/exchange-policy-registration.ts'
import { createTrustedIssuerRegistration } from '../clients/exchange/trusted-issuer-registration.ts'
import type { Config } from '../config.ts'
import type { Views } from '../http/views.ts'
import type { Translations } from '../language/translations.ts'
import { createMailer } from '../mail/mailer.ts'
import { outwardUriProblem } from '../oidc/policy/outward-uri.ts'
import type { Stores } from './stores.ts'

interface Parts {
  config: Config
  stores: Stores
  views: Views
  translations: Translations
  productName: string
}

export function createPeople({ config, stores, views, translations, productName }: Parts) {
  // Everybody has a second factor here, or sets one up at the first sign-in.
  const requiresSecondFactor = config.login.secondFactor === 'required'
  const passwordParts = createPasswordParts(config, stores, productName)
  return {
    ...passwordParts,
    requiresSecondFactor,
    /** For whoever has no account yet. */
    minimumPasswordLength: passwordParts.passwordPolicy.minimumLength(requiresSecondFactor),
    factors: createFactors(config, stores, productName),
    accountMail: createAccountMail({
      mailer: createMailer({ store: stores.mailQueue, views }),
      translations,
      productName,
      issuer: config.issuer,
      links: stores.links,
    }),
    registrations: createRegistrations(config, stores, { ...passwordParts, requiresSecondFactor }),
  }
}

function createFactors({ issuer, login }: Config, { database, sealing }: Stores, productName: string) {
  return {
    store: createFactorStore({ database, canUseEmailCodes: login.canUseEmailCodes }),
    totp: createTotp({ database, sealing, issuerName: productName, now: Date.now }),
    recoveryCodes: createRecoveryCodes({ database, sealing }),
    passkeys: createPasskeys({ database, issuer, productName }),
    emailCodes: createEmailCodes({ database, sealing }),
    resealing: createFactorResealing({ database, sealing }),
  }
}

function createPasswordParts(config: Config, { sealing, passwordStore }: Stores, productName: string) {
  const schemes = createHashSchemes({ sealing })
  const passwords = createPasswords({ queue: createPasswordQueue({}), schemes })
  const passwordStrength = createPasswordStrength({ patience: 5000, idle: 60_000 })
  const passwordPolicy = createPasswordPolicy({
    rules: config.password,
    productName,
    strength: passwordStrength,
    passwords,
    now: () => new Date(),
  })
  return {
    schemes,
    passwords,
    passwordStrength,
    passwordPolicy,
    passwordChange: createPasswordChange({ passwordStore, policy: passwordPolicy, passwords }),
  }
}

function createRegistrations(
  config: Config,
  stores: Stores,
  parts: ReturnType<typeof createPasswordParts> & { requiresSecondFactor: boolean },
) {
  const { database, apis, clients, accounts } = stores
  const { transaction } = database
  const audience = adminAudience(config.issuer)
  return {
    apis: createApiRegistration({
      store: apis,
      transaction,
      issuer: config.issuer,
      adminAudience: audience,
      hasClient: async (id) => (await clients.find(id)) !== undefined,
    }),
    clients: createClientRegistration({ store: clients, findApi: apis.find, transaction, adminAudience: audience }),
    exchangePolicies: createExchangePolicyRegistration({
      store: stores.exchangePolicies,
      issuers: stores.trustedIssuers,
      findClient: clients.find,
      findApi: apis.find,
      transaction,
    }),
    trustedIssuers: createTrustedIssuerRegistration({
      store: stores.trustedIssuers,
      issuer: config.issuer,
      outwardUriProblem,
    }),
    accounts: createAccountRegistration({
      store: accounts,
      transaction,
      policy: parts.passwordPolicy,
      hashPassword: parts.passwords.hash,
      schemes: parts.schemes,
      requiresSecondFactor: parts.requiresSecondFactor,
    }),
  }
}
