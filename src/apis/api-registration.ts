// Decides which APIs may be registered (RFC 8707 section 2, RFC 6749 section 3.3), for the command line and the admin API alike.
import type { Database } from '../database/database.ts'
import {
  type Api,
  type ApiScope,
  type ApiStore,
  type SigningAlgorithm,
  signingAlgorithms,
  type TokenFormat,
} from './api-store.ts'
import { type TokenClaims, tokenClaimsProblems } from './token-claims.ts'
import { type ApiEncryption, encryptionProblem } from './token-encryption.ts'

export interface Problem {
  field: keyof ApiInput
  message: string
}

export interface ApiInput {
  audience: string
  name: string
  scopes: ApiScope[]
  tokenFormat?: TokenFormat | undefined
  /** Seconds. */
  tokenTtl?: number | undefined
  signingAlg?: SigningAlgorithm | undefined
  introspectionClients?: string[] | undefined
  /** What its tokens tell about an account; in an update each part that is given replaces the one before. */
  tokenClaims?: TokenClaims | undefined
  /** Null takes it away: its tokens are signed only. */
  encryption?: ApiEncryption | null | undefined
}

export type ApiInputChanges = { [Field in Exclude<keyof ApiInput, 'audience'>]?: ApiInput[Field] | undefined }
export type ApiCreated = { ok: true; api: Api } | { ok: false; reason: 'taken' } | Refused
export type ApiUpdated = { ok: true; api: Api } | { ok: false; reason: ApiRefusal | 'version_conflict' } | Refused
export type ApiRemoved = { ok: true } | { ok: false; reason: ApiRefusal }
type ApiRefusal = 'not_found' | 'built_in'
type Refused = { ok: false; reason?: never; problems: Problem[] }

export interface ApiRegistrationParts {
  store: ApiStore
  hasClient(clientId: string): Promise<boolean>
  transaction: Database['transaction']
  issuer: string
  adminAudience: string
}

export type ApiRegistration = ReturnType<typeof createApiRegistration>

export function createApiRegistration(parts: ApiRegistrationParts) {
  const { store, transaction } = parts
  return {
    create: (input: ApiInput): Promise<ApiCreated> =>
      transaction(async () => {
        const problems = [...audienceProblems(input.audience, parts), ...(await fieldProblems(input, parts))]
        if (problems.length > 0) return { ok: false, problems }
        const encryption = input.encryption ?? undefined
        if (!(await store.insert(defined({ ...input, encryption, name: input.name.trim() }))))
          return { ok: false, reason: 'taken' }
        return { ok: true, api: (await store.find(input.audience)) as Api }
      }),

    /** Scopes that are no longer listed are withdrawn from every client. */
    update: (audience: string, changes: ApiInputChanges, version?: number): Promise<ApiUpdated> =>
      transaction(async () => {
        const existing = await store.find(audience)
        if (!existing) return { ok: false, reason: 'not_found' }
        if (existing.isBuiltIn) return { ok: false, reason: 'built_in' }
        if (version !== undefined && existing.version !== version) return { ok: false, reason: 'version_conflict' }
        const problems = await fieldProblems({ ...changes, ...formatOf(changes, existing) }, parts)
        if (problems.length > 0) return { ok: false, problems }
        const { tokenClaims } = changes
        const merged = tokenClaims && { ...existing.tokenClaims, ...defined(tokenClaims) }
        const api = await store.update(audience, defined({ ...changes, tokenClaims: merged }), version)
        return api ? { ok: true, api } : { ok: false, reason: 'version_conflict' }
      }),

    /** Also withdraws it from every client that was granted it. */
    remove: (audience: string): Promise<ApiRemoved> =>
      transaction(async () => {
        const existing = await store.find(audience)
        if (existing?.isBuiltIn) return { ok: false, reason: 'built_in' }
        return (await store.remove(audience)) ? { ok: true } : { ok: false, reason: 'not_found' }
      }),
  }
}

/** The two together decide whether either is possible. */
const formatOf = ({ tokenFormat, encryption }: ApiInputChanges, existing: Api) => ({
  tokenFormat: tokenFormat ?? existing.tokenFormat,
  encryption: encryption === undefined ? existing.encryption : encryption,
})

const problem = (field: keyof ApiInput, message: string): Problem[] => [{ field, message }]
type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }
const defined = <T extends object>(given: T) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Defined<T>

function audienceProblems(audience: string, parts: Pick<ApiRegistrationParts, 'issuer' | 'adminAudience'>): Problem[] {
  const wrong = audienceProblem(audience, parts)
  return wrong ? problem('audience', wrong) : []
}

function audienceProblem(
  audience: string,
  { issuer, adminAudience }: Pick<ApiRegistrationParts, 'issuer' | 'adminAudience'>,
): string | undefined {
  if (audience.length > 255) return 'The audience must not be longer than 255 characters.'
  if (/[^\x21-\x7e]|["<>\\^`{|}]/.test(audience))
    return 'The audience has characters that do not belong in a URI (spaces, quotes, backslashes or unencoded characters).'
  // `localhost:3000` is, to the letter, a URI with the scheme `localhost`.
  if (!URL.canParse(audience) || /^[^/:]+:\d+(\/|$)/.test(audience))
    return 'The audience must be an absolute URI, such as https://api.example.com or urn:example:api.'
  if (audience.includes('#')) return 'The audience must not have a fragment (#…).'
  const url = new URL(audience)
  if (url.username || url.password) return 'The audience must not carry a user name or password.'
  const own = [issuer, adminAudience].map((uri) => new URL(uri).href.replace(/\/$/, ''))
  if (own.includes(url.href.replace(/\/$/, ''))) return 'This audience belongs to the server itself. Choose another.'
  return undefined
}

async function fieldProblems(input: ApiInputChanges, parts: ApiRegistrationParts): Promise<Problem[]> {
  const { name, scopes, tokenFormat, tokenTtl, signingAlg, introspectionClients, tokenClaims = {}, encryption } = input
  return [
    ...(name === undefined || isName(name)
      ? []
      : problem('name', 'The name must have 1 to 200 characters and no control characters.')),
    ...(scopes === undefined ? [] : scopesProblems(scopes)),
    ...(tokenFormat === undefined || ['jwt', 'opaque'].includes(tokenFormat)
      ? []
      : problem('tokenFormat', 'The token format must be jwt or opaque.')),
    ...(tokenTtl === undefined || (Number.isInteger(tokenTtl) && tokenTtl >= 10 && tokenTtl <= 86_400)
      ? []
      : problem('tokenTtl', 'The lifetime of tokens must be a whole number of seconds from 10 to 86400.')),
    ...(signingAlg === undefined || signingAlgorithms.includes(signingAlg)
      ? []
      : problem('signingAlg', `The signing algorithm must be one of ${signingAlgorithms.join(', ')}.`)),
    ...encryptionProblems(encryption, tokenFormat),
    ...tokenClaimsProblems(tokenClaims).map((message) => ({ field: 'tokenClaims' as const, message })),
    ...(introspectionClients === undefined ? [] : await introspectionProblems(introspectionClients, parts)),
  ]
}

function encryptionProblems(encryption: ApiEncryption | null | undefined, format: TokenFormat | undefined): Problem[] {
  if (!encryption) return []
  if (format === 'opaque') return problem('encryption', 'Opaque tokens tell nothing: there is nothing to encrypt.')
  const wrong = encryptionProblem(encryption)
  return wrong ? problem('encryption', wrong) : []
}

// Also without the characters that turn the direction of text around: names stand on the consent page.
const isName = (name: string) =>
  name.trim() !== '' && name.length <= 200 && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.test(name)

const reserved = new Set(['openid', 'profile', 'email', 'offline_access', 'address', 'phone'])
const mostScopes = 500

function scopesProblems(scopes: readonly ApiScope[]): Problem[] {
  if (scopes.length > mostScopes) return problem('scopes', `An API must not have more than ${mostScopes} scopes.`)
  const names = scopes.map(({ scope }) => scope)
  const twice = names.find((scope, index) => names.indexOf(scope) !== index)
  return [
    ...scopes.flatMap((scope) => scopeProblem(scope) ?? []).map((message) => ({ field: 'scopes' as const, message })),
    ...(twice === undefined ? [] : problem('scopes', `The scope ${twice} stands twice in the list.`)),
  ]
}

function scopeProblem({ scope, description }: ApiScope): string | undefined {
  const shown = JSON.stringify(scope.slice(0, 100))
  if (!/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/.test(scope))
    return `The scope ${shown} must have 1 to 100 printable ASCII characters without spaces, quotes and backslashes.`
  if (reserved.has(scope)) return `The scope ${shown} belongs to OpenID Connect. Choose another name.`
  if (description.length > 500 || /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u.test(description))
    return `The description of the scope ${shown} must have at most 500 characters and no control characters.`
  return undefined
}

async function introspectionProblems(
  clientIds: readonly string[],
  { hasClient }: ApiRegistrationParts,
): Promise<Problem[]> {
  if (new Set(clientIds).size !== clientIds.length)
    return problem('introspectionClients', 'A client stands twice in the list.')
  if (clientIds.length > 100) return problem('introspectionClients', 'At most 100 clients may introspect.')
  for (const clientId of clientIds)
    if (!(await hasClient(clientId)))
      return problem('introspectionClients', `There is no client ${clientId.slice(0, 100)}.`)
  return []
}
