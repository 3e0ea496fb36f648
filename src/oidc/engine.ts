// The running engine: built from the keys that are valid now, and swapped for a new one when they change.
import type { JSONWebKeySet } from 'jose'
import type { Context, Middleware, Next } from 'koa'
import mount from 'koa-mount'
import { Provider } from 'oidc-provider'
import type { ApiCache } from '../apis/api-cache.ts'
import type { Api } from '../apis/api-store.ts'
import type { ClientCache } from '../clients/client-cache.ts'
import { exchangeGrantType } from '../clients/exchange/exchange-grant.ts'
import type { ExchangeRulesCache } from '../clients/exchange/exchange-rules-cache.ts'
import type { ApiEncryptionKeys } from './encryption/api-encryption.ts'
import { createEngineSeams, type SeamParts } from './engine-seams.ts'
import { createAccountClaims } from './grants/account-claims.ts'
import { createSubjectTokens } from './grants/subject-tokens.ts'
import { registerTokenExchange } from './grants/token-exchange.ts'
import type { TrustedJwts } from './grants/trusted-jwts.ts'
import { enginePolicy, type PolicyParts } from './policy/engine-policy.ts'
import { createGrantPolicy } from './policy/grant-policy.ts'
import { createIntrospectionPolicy } from './policy/introspection-policy.ts'
import { createKeyDemand } from './policy/key-demand.ts'
import { createPromptPolicy } from './policy/prompt-policy.ts'
import { createRegistrationPolicy } from './policy/registration-policy.ts'
import { createResourcePolicy } from './policy/resource-policy.ts'
import type { SecondFactorPolicy } from './policy/second-factor-policy.ts'
import { createPreparedDocuments } from './prepared-documents.ts'
import { requestOrigin } from './request-origin.ts'
import { storedAsDigest } from './storage/client-adapter.ts'
import type { ConsentStore } from './storage/consent-store.ts'
import { type AdapterParts, createPostgresAdapter } from './storage/postgres-adapter.ts'

export interface EngineKeys {
  /** In the order in which the engine picks them: for each algorithm the one that signs now comes first. */
  privateKeys: JSONWebKeySet
  publicKeys: JSONWebKeySet
}

export interface EngineParts
  extends Omit<SeamParts, 'findClient' | 'sessions' | 'demandKey'>,
    Omit<AdapterParts, 'clients' | 'requestOrigin'> {
  config: PolicyParts['config']
  accounts: PolicyParts['accounts']
  apis: Pick<ApiCache, 'find'>
  clients: AdapterParts['clients'] & { cache: ClientCache }
  exchangeRules: ExchangeRulesCache
  trustedJwts: TrustedJwts
  encryption: ApiEncryptionKeys
  consents: ConsentStore
  owesSecondFactor: SecondFactorPolicy
  cookieKeys: string[]
  locales: PolicyParts['locales']
  pages: PolicyParts['pages']
  /** Makes the key that is missing; the engine that is built with it serves the next request. */
  ensureAlgorithm(alg: Api['signingAlg']): Promise<void>
  /** Observes each engine that is built, for the log. */
  onBuild(provider: Provider): void
}

export interface Engine {
  /** Builds the engine anew; requests under way finish on the old one. */
  build(keys: EngineKeys): void
  middleware: Middleware
  /** The engine as of now: ask for it in each request. */
  provider(): Provider
}

export function createEngine(parts: EngineParts): Engine {
  let running: { provider: Provider; handle: Middleware } | undefined
  const current = () => {
    if (!running) throw new Error('The engine was asked before its keys were loaded.')
    return running
  }

  return {
    build: (keys) => {
      running = buildEngine(parts, keys)
    },
    provider: () => current().provider,
    middleware: (ctx, next) => current().handle(ctx, next),
  }
}

function buildEngine(parts: EngineParts, { privateKeys, publicKeys }: EngineKeys) {
  const { config, apis, clients, sealing } = parts
  const demandKey = createKeyDemand({ privateKeys, ensureAlgorithm: parts.ensureAlgorithm })
  const seams = createEngineSeams({ ...parts, findClient: clients.cache.find, demandKey })
  const { clientOf } = seams
  const introspection = createIntrospectionPolicy({
    ...parts,
    issuer: config.issuer,
    clients: clients.cache,
    publicKeys,
  })
  const provider = new Provider(
    config.issuer,
    enginePolicy({
      ...parts,
      adapter: createPostgresAdapter({ ...parts, requestOrigin }) as never,
      privateKeys,
      dpopNonceSecret: sealing.derive('DPoP nonces'),
      clientOf,
      accountClaims: createAccountClaims(parts),
      resourceIndicators: createResourcePolicy({ apis, clientOf, demandKey, encryption: parts.encryption }),
      allowedPolicy: introspection.allowedPolicy,
      loadExistingGrant: createGrantPolicy({ consents: parts.consents, clientOf }),
      promptPolicy: createPromptPolicy({ config, clientOf, owesSecondFactor: parts.owesSecondFactor }),
      registrationPolicy: createRegistrationPolicy(parts),
    }),
  )
  // The only forwarded headers that get here are the ones that http/ has written.
  provider.proxy = true
  seams.apply(provider)
  registerTokenExchange(provider, {
    ...parts,
    issuer: config.issuer,
    privateKeys,
    rules: parts.exchangeRules,
    demandKey,
    subjectTokens: createSubjectTokens({
      ...parts,
      issuer: config.issuer,
      publicKeys,
      findClient: clients.cache.find,
      liveClaims: introspection.liveClaims,
    }),
  })
  endWithSession(provider)
  provider.use(introspection.answerForJwts)
  provider.use(withholdStoredSecret)
  provider.use(announcing(parts.exchangeRules.isInUse))
  parts.onBuild(provider)
  // Of this engine only: what an old one is still preparing must not be shown as the keys of the new one.
  const prepared = createPreparedDocuments({ edition: () => String(parts.exchangeRules.isInUse()) })
  const answer = mount(provider)
  return { provider, handle: (ctx: Context, next: Next) => prepared(ctx, () => answer(ctx, next)) }
}

/** What was not granted for offline use ends with the sign-out, whatever kind of token it is. */
function endWithSession(provider: Provider): void {
  provider.on('authorization.success', (ctx) => {
    const { client, session, requestParamScopes } = ctx.oidc
    if (!client || !session) return
    const authorization: Authorization = session.authorizationFor(client.clientId) ?? {}
    // A later request without `offline_access` does not take back what the same grant was given.
    if (requestParamScopes.has('offline_access')) authorization.offlineGrantId = authorization.grantId
    const isOffline = authorization.grantId !== undefined && authorization.offlineGrantId === authorization.grantId
    authorization.persistsLogout = isOffline
  })
}

interface Authorization {
  grantId?: string | undefined
  offlineGrantId?: string | undefined
  persistsLogout?: boolean | undefined
}

/** Discovery is for applications: what only the server's own pages may use (`none`) is not in it, nor what nobody was allowed. */
const announcing =
  (isExchangeInUse: () => boolean) =>
  async (ctx: Context, next: Next): Promise<void> => {
    await next()
    const body = ctx.body as { response_types_supported?: string[]; grant_types_supported?: string[] } | undefined
    if (!body?.response_types_supported) return
    body.response_types_supported = ['code']
    const { grant_types_supported: types = [] } = body
    if (!isExchangeInUse()) body.grant_types_supported = types.filter((type) => type !== exchangeGrantType)
  }

/** Reading a registration back must not show what stands in place of the secret. */
async function withholdStoredSecret(ctx: Context, next: Next): Promise<void> {
  await next()
  const body = ctx.body as { client_secret?: string } | undefined
  if (body?.client_secret === storedAsDigest) delete body.client_secret
}
