// Decides which clients may be registered: pure rules over what was asked for and the APIs that exist.
import { isSecondFactorRule } from '../config/second-factor-rule.ts'
import { type Client, type ClientKind, clientKinds } from './client-store.ts'
import { canExchangeTokens, mayExchangeTokens } from './exchange/exchange-grant.ts'
import { publicJwksProblem } from './public-jwks.ts'
import { redirectUriProblem } from './redirect-uri.ts'

export const authMethods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'] as const
export const idTokenEncryptionAlgorithms = ['RSA-OAEP-256', 'ECDH-ES'] as const
export const idTokenEncryptionMethod = 'A256GCM'
export const idTokenAlgorithms = ['RS256', 'ES256', 'PS256', 'EdDSA'] as const

export interface ClientInput {
  kind: ClientKind
  name: string
  redirectUris?: string[] | undefined
  postLogoutRedirectUris?: string[] | undefined
  /** Granted scopes by audience; without scopes the grant is for the audience alone. Not for the admin API. */
  apis?: Record<string, string[]> | undefined
  isFirstParty?: boolean | undefined
  requiresPkce?: boolean | undefined
  /** A rule of its own for second factors (config/second-factor-rule.ts). */
  secondFactor?: string | undefined
  /** Whether it may ask for a token in exchange for another (RFC 8693); what for, the exchange policies say. */
  tokenExchange?: boolean | undefined
  /** Scopes of the admin API, for a machine. */
  adminScopes?: string[] | undefined
  tokenEndpointAuthMethod?: (typeof authMethods)[number] | undefined
  /** A key set (RFC 7517) with public keys only. */
  jwks?: object | undefined
  jwksUri?: string | undefined
  idTokenSignedResponseAlg?: (typeof idTokenAlgorithms)[number] | undefined
  /** Encrypts its ID tokens to a key of its own, out of jwks or jwks_uri; with A256GCM. */
  idTokenEncryptedResponseAlg?: (typeof idTokenEncryptionAlgorithms)[number] | undefined
  clientUri?: string | undefined
  policyUri?: string | undefined
  tosUri?: string | undefined
}

export interface Problem {
  field: keyof ClientInput
  message: string
}

/** As much of an API as the rules ask for. */
export interface GrantableApi {
  audience: string
  scopes: { scope: string }[]
  isBuiltIn: boolean
}

export interface KnownApis {
  /** Those that the client asks for and that exist. */
  apis: ReadonlyMap<string, GrantableApi>
  adminAudience: string
}

const mostUris = 50
const mostApis = 100

export function clientProblems(input: ClientInput, known: KnownApis): Problem[] {
  if (!clientKinds.includes(input.kind))
    return [{ field: 'kind', message: `The kind must be one of ${clientKinds.join(', ')}.` }]
  return [...formProblems(input), ...uriProblems(input), ...authProblems(input), ...grantProblems(input, known)]
}

type Check = [field: keyof ClientInput, isWrong: boolean | undefined, message: string]
const failed = (checks: Check[]): Problem[] =>
  checks.flatMap(([field, isWrong, message]) => (isWrong ? [{ field, message }] : []))

// Also without the characters that turn the direction of text around: names stand on the consent page.
const isName = (name: string) =>
  name.trim() !== '' && name.length <= 200 && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.test(name)

function formProblems({
  kind,
  name,
  requiresPkce,
  secondFactor,
  tokenExchange,
  idTokenSignedResponseAlg: alg,
}: ClientInput): Problem[] {
  return failed([
    ['name', !isName(name), 'The name must have 1 to 200 characters and no control characters.'],
    // A public client has nothing else that ties the code to it (RFC 9700, 2.1.1).
    [
      'requiresPkce',
      requiresPkce === false && kind !== 'web',
      'Only a confidential web client may be exempted from PKCE.',
    ],
    [
      'tokenExchange',
      tokenExchange && !canExchangeTokens(kind),
      `A ${kind} client runs on people’s devices: only machine and web clients may exchange tokens.`,
    ],
    [
      'secondFactor',
      secondFactor !== undefined && !isSecondFactorRule(secondFactor),
      'The rule for second factors is off, optional, required or required-for:ROLE,ROLE.',
    ],
    [
      'idTokenSignedResponseAlg',
      alg && !idTokenAlgorithms.includes(alg),
      `ID tokens can be signed with ${idTokenAlgorithms.join(', ')}.`,
    ],
  ])
}

function uriProblems(input: ClientInput): Problem[] {
  const { kind, redirectUris = [], postLogoutRedirectUris = [] } = input
  const lists = { redirectUris, postLogoutRedirectUris }
  const listed = Object.entries(lists).flatMap(([name, uris]) => {
    const field = name as keyof typeof lists
    if (uris.length > mostUris) return [{ field, message: `At most ${mostUris} URIs may be registered.` }]
    return uris.flatMap((uri) => shownProblem(field, uri, redirectUriProblem(uri, kind)))
  })
  const pages = (['clientUri', 'policyUri', 'tosUri'] as const).flatMap((field) => {
    const uri = input[field]
    return uri === undefined ? [] : shownProblem(field, uri, redirectUriProblem(uri, 'web'))
  })
  const isMissing = kind !== 'machine' && redirectUris.length === 0
  const missing = `A ${kind} client needs at least one redirect URI: the address that people come back to after sign-in.`
  return [...failed([['redirectUris', isMissing, missing]]), ...listed, ...pages]
}

const shownProblem = (field: keyof ClientInput, uri: string, problem: string | undefined): Problem[] =>
  problem ? [{ field, message: `${uri.slice(0, 200)} ${problem}.` }] : []

function authProblems(input: ClientInput): Problem[] {
  const { kind, tokenEndpointAuthMethod: method, jwks, jwksUri, idTokenEncryptedResponseAlg: encryption } = input
  const isPublic = kind === 'spa' || kind === 'native'
  const jwksProblem = jwks === undefined ? undefined : publicJwksProblem(jwks)
  return failed([
    [
      'tokenEndpointAuthMethod',
      method && !authMethods.includes(method),
      `The method must be one of ${authMethods.join(', ')}.`,
    ],
    [
      'tokenEndpointAuthMethod',
      isPublic && method && method !== 'none',
      `A ${kind} client runs on people’s devices and cannot keep a secret: its method is none.`,
    ],
    [
      'tokenEndpointAuthMethod',
      !isPublic && method === 'none',
      `A ${kind} client must authenticate itself; register a public client as spa or native.`,
    ],
    ['jwks', method === 'private_key_jwt' && !jwks && !jwksUri, 'private_key_jwt needs jwks or jwks_uri.'],
    [
      'idTokenEncryptedResponseAlg',
      encryption && !idTokenEncryptionAlgorithms.includes(encryption),
      `ID tokens can be encrypted with ${idTokenEncryptionAlgorithms.join(', ')}.`,
    ],
    [
      'idTokenEncryptedResponseAlg',
      encryption && jwksUri === undefined && !hasKeyFor(encryption, jwks),
      'ID tokens are encrypted to a public key of the client: give jwks_uri, or jwks with a key of that kind.',
    ],
    ['jwks', jwks && jwksUri !== undefined, 'Give either jwks or jwks_uri, not both (RFC 7591, section 2).'],
    ['jwks', jwksProblem !== undefined, jwksProblem ?? ''],
    [
      'jwksUri',
      jwksUri !== undefined && !isHttpsUrl(jwksUri),
      'The address of the key set must be an https URL without user name, password or fragment.',
    ],
  ] as Check[])
}

/** RSA-OAEP needs an RSA key, ECDH-ES one on a curve; a key for signatures is for those only. */
function hasKeyFor(alg: string, jwks: object | undefined): boolean {
  const { keys = [] } = (jwks ?? {}) as { keys?: { kty?: string; crv?: string; use?: string }[] }
  const fits = (kty?: string, crv?: string) =>
    alg === 'RSA-OAEP-256' ? kty === 'RSA' : kty === 'EC' || crv === 'X25519'
  return Array.isArray(keys) && keys.some(({ kty, crv, use }) => fits(kty, crv) && use !== 'sig')
}

function isHttpsUrl(uri: string): boolean {
  return redirectUriProblem(uri, 'web') === undefined && new URL(uri).protocol === 'https:'
}

function grantProblems(input: ClientInput, { apis, adminAudience }: KnownApis): Problem[] {
  const { kind, adminScopes = [], apis: asked = {} } = input
  const isIdle = kind === 'machine' && adminScopes.length === 0 && Object.keys(asked).length === 0
  return [
    ...failed([
      [
        'apis',
        isIdle,
        'A machine client without any API could do nothing: give it --audience (in the admin API: apis) or scopes of the admin API.',
      ],
      ['apis', Object.keys(asked).length > mostApis, `At most ${mostApis} APIs may be granted.`],
      [
        'adminScopes',
        kind !== 'machine' && adminScopes.length > 0,
        'Only a machine client is granted scopes of the admin API; people get them by their role.',
      ],
    ]),
    ...Object.entries(asked).flatMap(([audience, scopes]) => apiProblems(audience, scopes, apis.get(audience))),
    ...scopeProblems('adminScopes', adminScopes, apis.get(adminAudience), adminAudience),
  ]
}

function apiProblems(audience: string, scopes: string[], api: GrantableApi | undefined): Problem[] {
  if (api?.isBuiltIn)
    return [{ field: 'apis', message: 'The admin API is granted by admin scopes (--admin, admin_scopes), not here.' }]
  if (api) return scopeProblems('apis', scopes, api, audience)
  return [{ field: 'apis', message: `There is no API ${audience.slice(0, 255)}. Register it first: apis create.` }]
}

function scopeProblems(
  field: 'apis' | 'adminScopes',
  scopes: readonly string[],
  api: GrantableApi | undefined,
  audience: string,
): Problem[] {
  const existing = api?.scopes.map(({ scope }) => scope) ?? []
  const list = existing.length > 0 ? `It has: ${existing.join(', ')}.` : 'It has none.'
  const unknown = scopes.filter((scope) => !existing.includes(scope))
  return unknown.map((scope) => ({ field, message: `${audience} has no scope ${scope.slice(0, 100)}. ${list}` }))
}

/** What a registered client would have to be asked for to come out as it is. */
export function inputOf(client: Client, adminAudience: string): ClientInput {
  const { [adminAudience]: adminScopes, ...apis } = client.apis
  const { metadata } = client
  return {
    kind: client.kind,
    name: client.name,
    redirectUris: metadata.redirect_uris,
    postLogoutRedirectUris: metadata.post_logout_redirect_uris,
    apis,
    adminScopes,
    isFirstParty: client.isFirstParty,
    requiresPkce: client.requiresPkce,
    secondFactor: client.secondFactor,
    tokenExchange: mayExchangeTokens(client),
    tokenEndpointAuthMethod: metadata.token_endpoint_auth_method as ClientInput['tokenEndpointAuthMethod'],
    jwks: metadata.jwks as object | undefined,
    jwksUri: metadata.jwks_uri as string | undefined,
    idTokenSignedResponseAlg: metadata.id_token_signed_response_alg as ClientInput['idTokenSignedResponseAlg'],
    idTokenEncryptedResponseAlg: metadata.id_token_encrypted_response_alg as ClientInput['idTokenEncryptedResponseAlg'],
    clientUri: metadata.client_uri as string | undefined,
    policyUri: metadata.policy_uri as string | undefined,
    tosUri: metadata.tos_uri as string | undefined,
  }
}
