// The engine's policy as data: features, algorithms, cookies, and the decisions that have files of their own.
import type { JSONWebKeySet } from 'jose'
import { type Configuration, type Client as EngineClient, errors, type KoaContextWithOIDC } from 'oidc-provider'
import type { AccountStore } from '../../accounts/account-store.ts'
import { generateClientId } from '../../clients/client-kinds.ts'
import { idTokenEncryptionAlgorithms, idTokenEncryptionMethod } from '../../clients/client-rules.ts'
import { generateClientSecret } from '../../clients/client-secret.ts'
import type { Client } from '../../clients/client-store.ts'
import type { Config } from '../../config.ts'
import type { createAccountClaims } from '../grants/account-claims.ts'
import { exchangeClaims } from '../grants/exchange-claims.ts'
import { acrValues } from './acr.ts'
import { authenticationClaims } from './authentication-claims.ts'
import { claimsByScope, claimsOf } from './claims.ts'
import { ttl } from './lifetimes.ts'

type Features = NonNullable<Configuration['features']>

export interface PolicyParts {
  config: Pick<Config, 'issuer' | 'session' | 'registration'>
  accounts: Pick<AccountStore, 'find'>
  adapter: Configuration['adapter']
  privateKeys: JSONWebKeySet
  cookieKeys: string[]
  /** In which people are spoken to. */
  locales: readonly string[]
  dpopNonceSecret: Buffer
  clientOf(client: EngineClient): Client
  accountClaims: ReturnType<typeof createAccountClaims>
  resourceIndicators: Features['resourceIndicators']
  allowedPolicy: NonNullable<NonNullable<Features['introspection']>['allowedPolicy']>
  loadExistingGrant: Configuration['loadExistingGrant']
  promptPolicy: NonNullable<NonNullable<Configuration['interactions']>['policy']>
  registrationPolicy: (ctx: KoaContextWithOIDC, metadata: Record<string, unknown>) => Promise<void>
  pages: Pick<NonNullable<Features['rpInitiatedLogout']>, 'logoutSource' | 'postLogoutSuccessSource'> &
    Pick<NonNullable<Features['deviceFlow']>, 'userCodeInputSource' | 'userCodeConfirmSource' | 'successSource'> &
    Pick<Configuration, 'renderError'>
}

// Asymmetric only: a client's secret is stored as a digest, so nothing can be signed with it.
const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'] as const

const routes = {
  authorization: '/authorize',
  token: '/token',
  userinfo: '/userinfo',
  jwks: '/jwks',
  introspection: '/introspect',
  revocation: '/revoke',
  pushed_authorization_request: '/par',
  registration: '/register',
  device_authorization: '/device_authorization',
  code_verification: '/device',
  end_session: '/sign-out',
}

export function enginePolicy(parts: PolicyParts): Configuration {
  const { config, accounts, pages } = parts
  return {
    adapter: parts.adapter as NonNullable<Configuration['adapter']>,
    jwks: parts.privateKeys as NonNullable<Configuration['jwks']>,
    cookies: cookies(config.issuer, parts.cookieKeys),
    routes,
    features: features(parts),
    discovery: { ui_locales_supported: [...parts.locales] },
    ttl: ttl(config) as NonNullable<Configuration['ttl']>,
    acrValues: [...acrValues],
    claims: claimsByScope,
    extraTokenClaims: async (ctx, token) => {
      const usual = exchangeClaims(ctx) ?? authenticationClaims(ctx, token)
      const more = await parts.accountClaims(token as never)
      return more ? { ...more, ...usual } : usual
    },
    // Where the access token is for an API, the ID token is the only place for the claims that were asked for.
    conformIdTokenClaims: false,
    scopes: ['openid', 'offline_access'],
    // `none` is for the server's own pages; discovery does not tell of it, and engine-seams.ts refuses it to the others.
    responseTypes: ['code', 'none'],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    enabledJWA: {
      clientAuthSigningAlgValues: [...algorithms],
      idTokenSigningAlgValues: [...algorithms],
      idTokenEncryptionAlgValues: [...idTokenEncryptionAlgorithms],
      idTokenEncryptionEncValues: [idTokenEncryptionMethod],
      userinfoSigningAlgValues: [...algorithms],
      dPoPSigningAlgValues: [...algorithms],
    },
    pkce: { required: (ctx: KoaContextWithOIDC, client: EngineClient) => isPkceRequired(parts.clientOf(client), ctx) },
    findAccount: async (_, sub) => {
      const account = await accounts.find(sub)
      return account && !account.disabledAt ? { accountId: account.sub, claims: () => claimsOf(account) } : undefined
    },
    loadExistingGrant: parts.loadExistingGrant as NonNullable<Configuration['loadExistingGrant']>,
    interactions: { policy: parts.promptPolicy, url: (_, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: async (_, client, code) => isRefreshable(parts.clientOf(client), client, code.scopes),
    rotateRefreshToken: true,
    // Sessions end by sign-out, which takes their grants along; a refresh token does not wait for a browser to come back.
    expiresWithSession: async () => false,
    clientBasedCORS: (_, origin, client) => isOwnOrigin(parts.clientOf(client), client, origin),
    assertJwtClientAuthClaimsAndHeader: async (_: KoaContextWithOIDC, claims: { exp?: unknown }) =>
      checkAssertionLifetime(claims),
    acceptQueryParamAccessTokens: false,
    allowOmittingSingleRegisteredRedirectUri: false,
    clockTolerance: 10,
    fetchResponseBodyLimits: { jwks_uri: 256 * 1024, sector_identifier_uri: 64 * 1024 },
    renderError: pages.renderError as NonNullable<Configuration['renderError']>,
  } as Configuration
}

function features({
  config,
  dpopNonceSecret,
  resourceIndicators,
  allowedPolicy,
  registrationPolicy,
  pages,
}: PolicyParts): Features {
  const isRegistrationOpen = config.registration === 'token'
  return {
    devInteractions: { enabled: false },
    claimsParameter: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: pages.userCodeInputSource,
      userCodeConfirmSource: pages.userCodeConfirmSource,
      successSource: pages.successSource,
    },
    dPoP: { enabled: true, nonceSecret: dpopNonceSecret },
    // To clients' own public keys.
    encryption: { enabled: true },
    introspection: { enabled: true, allowedPolicy },
    pushedAuthorizationRequests: { enabled: true },
    registration: {
      enabled: isRegistrationOpen,
      initialAccessToken: isRegistrationOpen,
      ...(isRegistrationOpen ? { policies: { registration: registrationPolicy as never } } : undefined),
      idFactory: generateClientId,
      secretFactory: generateClientSecret,
    },
    registrationManagement: { enabled: isRegistrationOpen },
    resourceIndicators,
    revocation: { enabled: true, allowedPolicy: mayRevoke },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: pages.logoutSource,
      postLogoutSuccessSource: pages.postLogoutSuccessSource,
    },
    userinfo: { enabled: true },
  } as Features
}

/** RFC 7009 section 2.1. Anybody can pose as a public client: it is not told that somebody else's token exists. */
async function mayRevoke(_: KoaContextWithOIDC, client: EngineClient, token: { clientId?: string | undefined }) {
  if (token.clientId === client.clientId) return true
  if (client.tokenEndpointAuthMethod === 'none') return false
  throw new errors.InvalidRequest('the token was issued to another client')
}

/** Browsers keep a `__Host-` cookie from subdomains and plain http; it needs https, which development has not. */
export function cookieNames(issuer: string) {
  const isSecure = issuer.startsWith('https:')
  return {
    session: `${isSecure ? '__Host-' : ''}gatehouse-session`,
    // Bound to a path, so not `__Host-`.
    interaction: `${isSecure ? '__Secure-' : ''}gatehouse-interaction`,
    resume: `${isSecure ? '__Secure-' : ''}gatehouse-resume`,
  }
}

function cookies(issuer: string, keys: string[]): Configuration['cookies'] {
  const secure = issuer.startsWith('https:')
  const options = { httpOnly: true, sameSite: 'lax', signed: true, secure } as const
  return {
    keys,
    names: cookieNames(issuer),
    long: options,
    short: options,
  }
}

/** Its `jti` is remembered as long as it lives: an assertion is made for one request, not for a year (RFC 7523 section 3). */
function checkAssertionLifetime({ exp }: { exp?: unknown }): void {
  if (!Number.isInteger(exp) || Number(exp) > Date.now() / 1000 + 3600)
    throw new errors.InvalidClientAuth('exp of the assertion is more than an hour ahead')
}

/** RFC 9700 section 2.1.1: a confidential client may do without when it sends a nonce, and an operator has said so. */
function isPkceRequired(client: Client, ctx: KoaContextWithOIDC): boolean {
  const isConfidential = client.metadata.token_endpoint_auth_method !== 'none'
  const sendsNonce = typeof ctx.oidc.params?.nonce === 'string'
  return client.requiresPkce || !isConfidential || !sendsNonce
}

function isRefreshable(client: Client, engineClient: EngineClient, scopes: Set<string>): boolean {
  if (!engineClient.grantTypeAllowed('refresh_token')) return false
  return scopes.has('offline_access') || (client.isFirstParty && (client.kind === 'web' || client.kind === 'native'))
}

/** Browsers may call from the pages of a public client, and from nowhere else. */
function isOwnOrigin(client: Client, engineClient: EngineClient, origin: string): boolean {
  if (client.metadata.token_endpoint_auth_method !== 'none') return false
  return (engineClient.redirectUris ?? []).some(
    (uri) => URL.canParse(uri) && /^https?:/.test(uri) && new URL(uri).origin === origin,
  )
}
