import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, type JSONWebKeySet, SignJWT } from 'jose'
import Koa from 'koa'
import { createAccountRegistration } from '../../src/accounts/account-registration.ts'
import { createAccountStore } from '../../src/accounts/account-store.ts'
import { createAccountSupport } from '../../src/accounts/account-support.ts'
import { createActivityLog } from '../../src/accounts/activity-log.ts'
import { createFactorStore } from '../../src/accounts/factors/factor-store.ts'
import { createOneTimeLinkStore } from '../../src/accounts/one-time-link-store.ts'
import { createHashSchemes } from '../../src/accounts/password/imported/hash-schemes.ts'
import { createSecurityVersionStore } from '../../src/accounts/security-version-store.ts'
import { createAccountLocks } from '../../src/accounts/sign-in/account-locks.ts'
import { createSignInThrottleStore } from '../../src/accounts/sign-in/sign-in-throttle-store.ts'
import { adminApi } from '../../src/admin/admin-api.ts'
import { adminScopes, ensureAdminApi } from '../../src/apis/admin-api-registration.ts'
import { createApiRegistration } from '../../src/apis/api-registration.ts'
import { createApiStore } from '../../src/apis/api-store.ts'
import { createClientRegistration } from '../../src/clients/client-registration.ts'
import { createClientStore } from '../../src/clients/client-store.ts'
import { createExchangePolicyRegistration } from '../../src/clients/exchange/exchange-policy-registration.ts'
import { createExchangePolicyStore } from '../../src/clients/exchange/exchange-policy-store.ts'
import { createTrustedIssuerRegistration } from '../../src/clients/exchange/trusted-issuer-registration.ts'
import { createTrustedIssuerStore } from '../../src/clients/exchange/trusted-issuer-store.ts'
import { createErrorRenderer } from '../../src/http/error-renderer.ts'
import { createInputCheck } from '../../src/http/request/input-check.ts'
import { createRequestLog } from '../../src/http/request-log.ts'
import { createTranslations } from '../../src/language/translations.ts'
import { createAccessRevocation } from '../../src/oidc/access-revocation.ts'
import { outwardUriProblem } from '../../src/oidc/policy/outward-uri.ts'
import { createConsentStore } from '../../src/oidc/storage/consent-store.ts'
import { createGrantStore } from '../../src/oidc/storage/grant-store.ts'
import { createSessionStore } from '../../src/oidc/storage/session-store.ts'
import { createSealing } from '../../src/sealing.ts'
import { memoryLog, plainViews, serve } from '../http/serving.ts'
import { freshDatabase } from '../support/fresh-database.ts'

export const issuer = 'https://id.example'
export const adminAudience = `${issuer}/admin/api`
export const everyScope = adminScopes.map(({ scope }) => scope)

export interface TokenChoice {
  sub?: string
  clientId?: string
  scope?: string
  audience?: string | string[]
  typ?: string
  issuer?: string
  /** Seconds from now. */
  expiresIn?: number
  claims?: Record<string, unknown>
}

export interface Answered {
  status: number
  headers: Headers
  body: Body
}
export interface Body {
  [name: string]: unknown
  client_id: string
  client_secret: string
  sub: string
  audience: string
  code: string
  detail: string
  next_cursor: string | null
  items: Body[]
  errors: { field: string; message: string }[]
}

export interface CallOptions {
  token?: string | undefined
  body?: unknown
  headers?: Record<string, string>
}

const { english } = createTranslations({ directory: join(import.meta.dirname, '../../views/locales') })

export type AdminWorld = Awaited<ReturnType<typeof adminWorld>>

/** The admin API alone, on a real database, with a signing key of its own. */
export async function adminWorld() {
  const fresh = await freshDatabase()
  const { database } = fresh
  const keys = await signingKeys()
  const [clients, accounts, apis] = [
    createClientStore({ database }),
    createAccountStore({ database }),
    createApiStore({ database }),
  ]
  await ensureAdminApi(apis, issuer)
  // Whose tokens people hold in these tests.
  await clients.insert({ clientId: 'gatehouse-cli', kind: 'machine', name: 'CLI', metadata: {}, isBuiltIn: true })
  const { transaction } = database
  const forgotten: string[] = []
  const forgetClient = (clientId: string) => void forgotten.push(clientId)
  const [grants, sessions, consents] = [
    createGrantStore({ database }),
    createSessionStore({ database }),
    createConsentStore({ database }),
  ]
  const accountRegistration = createAccountRegistration({
    store: accounts,
    transaction,
    policy: {
      problem: async (password) =>
        password.length < 15 ? { key: 'password.too_short', values: { minimum: 15 } } : undefined,
      isShort: () => false,
    },
    schemes: createHashSchemes({ sealing: createSealing([Buffer.alloc(32, 1)]) }),
    requiresSecondFactor: false,
    hashPassword: async (password) => ({ ok: true, hash: `$test$${password.length}` }),
  })
  const exchangePolicies = createExchangePolicyStore({ database })
  const trustedIssuers = createTrustedIssuerStore({ database })
  const factorStore = createFactorStore({ database, canUseEmailCodes: true })
  const activity = createActivityLog({ database })
  const accountLocks = createAccountLocks({ store: createSignInThrottleStore({ database }) })
  const links = createOneTimeLinkStore({ database, sealing: createSealing([Buffer.alloc(32, 1)]) })
  const revocation = createAccessRevocation({
    database,
    accounts,
    securityVersions: createSecurityVersionStore({ database }),
    clients,
    grants,
    sessions,
    consents,
    forgetClient,
  })
  /** What was written to whom, instead of a message. */
  const letters: { to: string; about: string; link?: string; inviterName?: string | undefined }[] = []
  const accountSupport = createAccountSupport({
    issuer,
    transaction,
    accounts,
    registration: accountRegistration,
    links,
    factorStore,
    locks: accountLocks,
    activity,
    accountMail: {
      invitation: async ({ email }, { link, inviterName }) =>
        void letters.push({ to: email, about: 'invitation', link, inviterName }),
      factorsReset: async ({ email }) => void letters.push({ to: email, about: 'factorsReset' }),
    },
    endEverything: revocation.endEverything,
  })
  const middleware = adminApi({
    issuer,
    adminAudience,
    publicKeys: () => keys.keys.current,
    clients,
    clientRegistration: createClientRegistration({ store: clients, findApi: apis.find, transaction, adminAudience }),
    apis,
    apiRegistration: createApiRegistration({
      store: apis,
      hasClient: async (clientId) => (await clients.find(clientId)) !== undefined,
      transaction,
      issuer,
      adminAudience,
    }),
    accounts,
    accountLocks,
    accountRegistration,
    accountSupport,
    factorStore,
    sessions,
    activity,
    english,
    revocation,
    transaction,
    ensureAlgorithm: async () => undefined,
    forgetClient,
    forgetApis: () => void forgotten.push('apis'),
    exchangePolicies,
    exchangePolicyRegistration: createExchangePolicyRegistration({
      store: exchangePolicies,
      issuers: trustedIssuers,
      findClient: clients.find,
      findApi: apis.find,
      transaction,
    }),
    trustedIssuers,
    trustedIssuerRegistration: createTrustedIssuerRegistration({ store: trustedIssuers, issuer, outwardUriProblem }),
    forgetExchangeRules: () => void forgotten.push('exchange rules'),
  })

  const memory = memoryLog()
  const app = new Koa({ proxy: true })
  app.use(createRequestLog({ log: memory.log }))
  app.use(createErrorRenderer({ views: plainViews, log: memory.log, isDevelopment: false }))
  app.use(createInputCheck({ maxBodyBytes: 65_536 }))
  app.use(middleware)
  const served = await serve(app)

  const call = async (
    method: string,
    path: string,
    { token, body, headers = {} }: CallOptions = {},
  ): Promise<Answered> => {
    const response = await fetch(`http://127.0.0.1:${served.port}${path}`, {
      method,
      headers: {
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : {} }
  }

  const makeOwner = async (email = `owner-${randomUUID()}@example.com`) => {
    const made = await accountRegistration.create({ email, roles: ['owner'], isEmailVerified: true })
    if (!made.ok) throw new Error(JSON.stringify(made))
    return made.account.sub
  }
  const makeMachine = async (scopes: string[]) => {
    const clientId = `client_${randomUUID()}`
    await clients.insert({ clientId, kind: 'machine', name: 'Ops', metadata: {}, apis: { [adminAudience]: scopes } })
    return clientId
  }
  const machineToken = async (...scopes: string[]) => {
    const clientId = await makeMachine(scopes)
    return keys.token({ sub: clientId, clientId, scope: scopes.join(' ') })
  }

  return {
    ...fresh,
    ...memory,
    ...keys,
    clients,
    accounts,
    apis,
    exchangePolicies,
    trustedIssuers,
    links,
    activity,
    factorStore,
    letters,
    forgotten,
    call,
    makeOwner,
    makeMachine,
    machineToken,
    port: served.port,
    close: async () => {
      await served.close()
      await fresh.drop()
    },
  }
}

async function signingKeys() {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const publicKeys: JSONWebKeySet = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }] }
  const token = (choice: TokenChoice) => {
    const { sub = 'nobody', clientId = 'gatehouse-cli', scope = everyScope.join(' '), expiresIn = 600 } = choice
    const now = Math.floor(Date.now() / 1000)
    return new SignJWT({ client_id: clientId, scope, ...choice.claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: choice.typ ?? 'at+jwt' })
      .setIssuer(choice.issuer ?? issuer)
      .setAudience(choice.audience ?? adminAudience)
      .setSubject(sub)
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setExpirationTime(now + expiresIn)
      .sign(privateKey)
  }
  return { keys: { current: publicKeys }, token }
}
