// What decides on a node: pages, passwords, registrations, keys, the engine, and whether the node is ready.
import { createRequire } from 'node:module'
import { join } from 'node:path'
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
import { adminAudience, ensureAdminApi } from '../apis/admin-api-registration.ts'
import { createApiRegistration } from '../apis/api-registration.ts'
import { ensureAccountClient } from '../clients/account-client-registration.ts'
import { createClientRegistration } from '../clients/client-registration.ts'
import type { Config } from '../config.ts'
import { createMigrator, pendingMigrations } from '../database/migrator.ts'
import { createAssets } from '../http/assets.ts'
import { createViews } from '../http/views.ts'
import { createDeploymentCheck } from '../keys/deployment-check.ts'
import { createKeyRing, type KeySet } from '../keys/key-ring.ts'
import { createKeyWatcher } from '../keys/key-watcher.ts'
import { createTranslations } from '../language/translations.ts'
import { createEnginePages } from '../login/engine-pages.ts'
import { createMailer } from '../mail/mailer.ts'
import { createAccessRevocation } from '../oidc/access-revocation.ts'
import { createEngine, type Engine } from '../oidc/engine.ts'
import { createPersonSession } from '../oidc/person-session.ts'
import { createRefusalLog } from '../oidc/refusal-log.ts'
import { createDeploymentBranding } from './deployment-branding.ts'
import { createMissingKeys } from './missing-keys.ts'
import { createReadiness, NotReady, type Step } from './readiness.ts'
import type { ServerParts } from './server.ts'
import type { Stores } from './stores.ts'

export type Node = ReturnType<typeof createNode>

/** Whether everybody has a second factor, or sets one up at the first sign-in. */
const requiresSecondFactor = false

export function createNode(parts: ServerParts, stores: Stores) {
  const { config, log } = parts
  const { database, sealing } = stores
  const isDevelopment = !config.production
  const branding = createDeploymentBranding({ config, log })
  const productName = branding.of().name
  const directory = join(config.root, 'views')
  const translations = createTranslations({
    directory: join(directory, 'locales'),
    overrides: branding.localeFolders(),
  })
  const isReloading = isDevelopment
  const assets = createAssets({
    directory: join(directory, 'assets'),
    packaged: packagedAssets(),
    more: branding.files,
    isReloading,
  })
  const common = { productName, assetUrl: assets.assetUrl, languages: translations.languages }
  const views = createViews({ directory, common, brand: branding.of, isReloading })
  const passwordParts = createPasswordParts(config, stores, productName)
  const refusals = createRefusalLog({ log, isDevelopment })
  const engine = createEngine({
    ...stores,
    config,
    clients: { database, store: stores.clients, cache: stores.clientCache },
    apis: stores.apiCache,
    cookieKeys: cookieKeys(config, stores),
    locales: translations.locales,
    pages: createEnginePages({
      views,
      translations,
      accounts: stores.accounts,
      findClient: stores.clientCache.find,
      branding,
      isDevelopment,
    }),
    ensureAlgorithm: (alg) => keys.ensureAlgorithm(alg),
    now: () => new Date(),
    onBuild: refusals.observe,
  })
  const keys = createKeys(parts, stores, engine)
  return {
    ...keys,
    branding,
    productName,
    assets,
    views,
    translations,
    ...passwordParts,
    factors: createFactors(config, stores, productName),
    refusals,
    engine,
    personSession: createPersonSession({ engine, sessions: stores.sessions, config }),
    accountMail: createAccountMail({
      mailer: createMailer({ store: stores.mailQueue, views }),
      translations,
      productName,
      issuer: config.issuer,
      links: stores.links,
    }),
    registrations: createRegistrations(config, stores, passwordParts),
    revocation: createAccessRevocation({ ...stores, forgetClient: stores.clientCache.forget }),
    readiness: createReadiness({
      steps: startSteps(config, stores, keys, parts.databaseUrl),
      checks: { database: () => probe(stores), schema: () => checkSchema(stores) },
      log,
    }),
    cookieKeys: cookieKeys(config, { sealing }),
  }
}

export const cookieKeys = (config: Pick<Config, 'cookieKeys'>, { sealing }: Pick<Stores, 'sealing'>): string[] =>
  config.cookieKeys ?? [sealing.derive('cookies').toString('base64url')]

function createFactors({ issuer }: Config, { database, sealing }: Stores, productName: string) {
  return {
    store: createFactorStore({ database }),
    totp: createTotp({ database, sealing, issuerName: productName, now: Date.now }),
    recoveryCodes: createRecoveryCodes({ database, sealing }),
    passkeys: createPasskeys({ database, issuer, productName }),
    emailCodes: createEmailCodes({ database, sealing }),
    resealing: createFactorResealing({ database, sealing }),
  }
}

/** The browser's half of the passkey library (MIT), as its package has it; the package lists no such path, but its folder is known. */
export const packagedAssets = (): Record<string, string> => {
  const entry = createRequire(import.meta.url).resolve('@simplewebauthn/browser')
  return { 'simplewebauthn.js': join(entry, '../../dist/bundle/index.umd.min.js') }
}

function createKeys({ log }: ServerParts, stores: Stores, engine: Engine) {
  const { database, sealing, signingKeys, listener } = stores
  const keyRing = createKeyRing({ database, store: signingKeys, sealing })
  let current: KeySet | undefined
  const use = (keySet: KeySet) => {
    current = keySet
    engine.build({ privateKeys: { keys: keySet.signing }, publicKeys: keySet.public })
  }
  const keyWatcher = createKeyWatcher({
    load: keyRing.load,
    onChange: use,
    isListening: listener.isConnected,
    logError: (error) => log.warn({ err: error }, 'the signing keys could not be read; the last ones stay in use'),
  })
  stores.onKeysChanged(keyWatcher.announce)
  return {
    keyRing,
    keyWatcher,
    deployment: createDeploymentCheck({ database, sealing }),
    useKeys: use,
    ensureAlgorithm: createMissingKeys({ database, keyRing, current: () => current, use }),
    currentKeys: () => current,
    publicKeys: () => current?.public ?? { keys: [] },
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
    minimumPasswordLength: passwordPolicy.minimumLength(requiresSecondFactor),
  }
}

function createRegistrations(config: Config, stores: Stores, parts: ReturnType<typeof createPasswordParts>) {
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
    accounts: createAccountRegistration({
      store: accounts,
      transaction,
      policy: parts.passwordPolicy,
      hashPassword: parts.passwords.hash,
      schemes: parts.schemes,
      requiresSecondFactor,
    }),
  }
}

const probe = async ({ database }: Stores) => {
  await database.query('SELECT 1')
}

async function checkSchema({ database }: Stores): Promise<void> {
  const pending = await pendingMigrations(database)
  if (pending.length > 0)
    throw new NotReady(`the schema lacks ${pending.length} migrations; run: npx gatehouse migrate up`)
}

function startSteps(config: Config, stores: Stores, keys: ReturnType<typeof createKeys>, databaseUrl: string): Step[] {
  return [
    { name: 'database', run: () => probe(stores) },
    {
      name: 'schema',
      run: async () => {
        // In production an operator decides when the schema changes.
        if (!config.production) await createMigrator({ url: databaseUrl }).up()
        await checkSchema(stores)
      },
    },
    {
      name: 'sealing_key',
      run: async () => {
        const checked = await keys.deployment.checkSealingKey()
        if (!checked.ok) throw new NotReady(checked.message)
      },
    },
    {
      name: 'keys',
      run: async () => {
        await keys.keyRing.ensureKeys()
        await ensureAdminApi(stores.apis, config.issuer)
        await ensureAccountClient(stores.clients, config.issuer)
        keys.useKeys(await keys.keyRing.load())
      },
    },
  ]
}
