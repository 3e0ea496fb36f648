// What decides on a node: pages, passwords, registrations, keys, the engine, and whether the node is ready.
import { join } from 'node:path'
import { ensureAdminApi } from '../apis/admin-api-registration.ts'
import type { Branding } from '../branding/branding.ts'
import { ensureAccountClient } from '../clients/account-client-registration.ts'
import type { Config } from '../config.ts'
import { createMigrator, pendingMigrations } from '../database/migrator.ts'
import { createAssets } from '../http/assets.ts'
import { createViews } from '../http/views.ts'
import { createDeploymentCheck } from '../keys/deployment-check.ts'
import { createKeyRing, type KeySet } from '../keys/key-ring.ts'
import { createKeyWatcher } from '../keys/key-watcher.ts'
import { createTranslations } from '../language/translations.ts'
import { createEnginePages } from '../login/engine-pages.ts'
import { createAccessRevocation } from '../oidc/access-revocation.ts'
import { createApiEncryption } from '../oidc/encryption/api-encryption.ts'
import { createEngine, type Engine } from '../oidc/engine.ts'
import { createOutwardFetch } from '../oidc/grants/outward-fetch.ts'
import { createTrustedJwts } from '../oidc/grants/trusted-jwts.ts'
import { createPersonSession } from '../oidc/person-session.ts'
import { createSecondFactorPolicy } from '../oidc/policy/second-factor-policy.ts'
import { createRefusalLog } from '../oidc/refusal-log.ts'
import { createBackground } from './background.ts'
import { createMissingKeys } from './missing-keys.ts'
import { packagedAssets } from './pages/packaged-assets.ts'
import { isDeviceRemembered } from './pages/remembered-device.ts'
import { createPeople } from './people.ts'
import { createReadiness, NotReady, type Step } from './readiness.ts'
import type { ServerParts } from './server.ts'
import type { Stores } from './stores.ts'

export type Node = ReturnType<typeof createNode>

export function createNode(parts: ServerParts, stores: Stores, branding: Branding) {
  const { config, log } = parts
  const { database, sealing } = stores
  const isDevelopment = !config.production
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
  const refusals = createRefusalLog({ log, isDevelopment })
  const people = createPeople({ config, stores, views, translations, productName })
  const engine = createEngine({
    ...stores,
    config,
    clients: { database, store: stores.clients, cache: stores.clientCache },
    apis: stores.apiCache,
    ...outward(stores),
    cookieKeys: cookieKeys(config, stores),
    owesSecondFactor: createSecondFactorPolicy({
      rule: config.login.secondFactor,
      accounts: stores.accounts,
      factors: people.factors.store,
      isDeviceRemembered: isDeviceRemembered(stores),
    }),
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
    ...people,
    background: createBackground({ log }),
    refusals,
    engine,
    personSession: createPersonSession({ engine, sessions: stores.sessions, config }),
    revocation: createAccessRevocation({ ...stores, forgetClient: stores.clientCache.forget }),
    readiness: createReadiness({
      steps: startSteps(config, stores, keys, parts.databaseUrl),
      checks: { database: () => probe(stores), schema: () => checkSchema(stores) },
      log,
    }),
    cookieKeys: cookieKeys(config, { sealing }),
  }
}

/** What asks others for their keys. */
function outward({ exchangeRules, accounts }: Stores) {
  const fetch = createOutwardFetch()
  return {
    trustedJwts: createTrustedJwts({ findIssuer: exchangeRules.findIssuer, accounts, fetch }),
    encryption: createApiEncryption({ fetch, now: () => new Date() }),
  }
}

export const cookieKeys = (config: Pick<Config, 'cookieKeys'>, { sealing }: Pick<Stores, 'sealing'>): string[] =>
  config.cookieKeys ?? [sealing.derive('cookies').toString('base64url')]

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
        await stores.exchangeRules.warm()
      },
    },
  ]
}
