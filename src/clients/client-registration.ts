// Registers clients and changes them by the rules, for the command line and the admin API alike; secrets are shown once.
import type { Database } from '../database/database.ts'
import { isMissingParent } from '../database/faults.ts'
import { generateClientId, metadataFor } from './client-kinds.ts'
import {
  type ClientInput,
  clientProblems,
  type GrantableApi,
  idTokenEncryptionMethod,
  inputOf,
  type Problem,
} from './client-rules.ts'
import { digestClientSecret, generateClientSecret } from './client-secret.ts'
import type { Client, ClientChanges, ClientMetadata, ClientStore } from './client-store.ts'
import { mayExchangeTokens, withExchange } from './exchange/exchange-grant.ts'

export type { ClientInput, Problem }

/** Undefined changes nothing; null takes a field away that a client need not have. */
export type ClientInputChanges = {
  [Field in keyof ClientInput]?:
    | ClientInput[Field]
    | (Field extends
        | 'secondFactor'
        | 'jwks'
        | 'jwksUri'
        | 'idTokenSignedResponseAlg'
        | 'idTokenEncryptedResponseAlg'
        | 'clientUri'
        | 'policyUri'
        | 'tosUri'
        ? null
        : never)
    | undefined
}

type Refused = { ok: false; reason?: never; problems: Problem[] }
export type ClientCreated = { ok: true; client: Client; clientSecret: string | undefined } | Refused
export type ClientUpdated =
  | { ok: true; client: Client }
  | { ok: false; reason: 'not_found' | 'version_conflict' | 'built_in' }
  | Refused
export type SecretRotated =
  | { ok: true; clientSecret: string; oldSecretsExpireAt: Date }
  | { ok: false; reason: 'not_found' | 'no_secret' | 'built_in' | 'version_conflict' }

export interface ClientRegistrationParts {
  store: ClientStore
  findApi(audience: string): Promise<GrantableApi | undefined>
  transaction: Database['transaction']
  adminAudience: string
}

const aDay = 86_400

export type ClientRegistration = ReturnType<typeof createClientRegistration>

export function createClientRegistration(parts: ClientRegistrationParts) {
  const { store, transaction } = parts
  return {
    create: (given: ClientInput): Promise<ClientCreated> =>
      refusingWhatVanished(() =>
        transaction(async () => {
          const input = normalized(given)
          const problems = await problemsOf(input, parts)
          return problems.length > 0 ? { ok: false, problems } : insert(input, parts)
        }),
      ),

    update: (clientId: string, changes: ClientInputChanges, version?: number): Promise<ClientUpdated> =>
      refusingWhatVanished(() => transaction(() => update(clientId, changes, version, parts))),

    /** Old secrets stay good for `overlapSeconds`, so that every place that holds one can be changed in the meantime. */
    rotateSecret: (
      clientId: string,
      { overlapSeconds = aDay, version }: { overlapSeconds?: number | undefined; version?: number | undefined } = {},
    ): Promise<SecretRotated> =>
      transaction(async () => {
        const client = await store.find(clientId)
        if (!client) return { ok: false, reason: 'not_found' }
        if (client.isBuiltIn) return { ok: false, reason: 'built_in' }
        if (!usesSecret(client.metadata)) return { ok: false, reason: 'no_secret' }
        // Whose secret this is must not change between the look at the client and the secret.
        if (!(await store.update(clientId, {}, version ?? client.version)))
          return { ok: false, reason: 'version_conflict' }
        await store.expireSecrets(clientId, overlapSeconds)
        const clientSecret = generateClientSecret()
        await store.insertSecret(clientId, digestClientSecret(clientSecret))
        return { ok: true, clientSecret, oldSecretsExpireAt: new Date(Date.now() + overlapSeconds * 1000) }
      }),
  }
}

async function insert(input: ClientInput, parts: ClientRegistrationParts): Promise<ClientCreated> {
  const clientId = generateClientId()
  const metadata = withGrantTypes(metadataFor(input.kind, withoutUndefined(metadataOf(input))), input)
  const clientSecret = usesSecret(metadata) ? generateClientSecret() : undefined
  await parts.store.insert({
    clientId,
    kind: input.kind,
    name: input.name,
    metadata,
    isFirstParty: input.isFirstParty ?? false,
    requiresPkce: input.requiresPkce ?? true,
    secondFactor: input.secondFactor,
    apis: grantsOf(input, parts.adminAudience),
  })
  if (clientSecret) await parts.store.insertSecret(clientId, digestClientSecret(clientSecret))
  return { ok: true, client: (await parts.store.find(clientId)) as Client, clientSecret }
}

async function update(
  clientId: string,
  changes: ClientInputChanges,
  version: number | undefined,
  parts: ClientRegistrationParts,
): Promise<ClientUpdated> {
  const { store, adminAudience } = parts
  const client = await store.find(clientId)
  if (!client) return { ok: false, reason: 'not_found' }
  if (client.isBuiltIn) return { ok: false, reason: 'built_in' }
  if (version !== undefined && client.version !== version) return { ok: false, reason: 'version_conflict' }
  const before = inputOf(client, adminAudience)
  const after = normalized(withoutNull({ ...before, ...withoutUndefined(changes) }) as ClientInput)
  const problems = await newProblems(before, after, parts)
  if (problems.length > 0) return { ok: false, problems }
  // Against the version that was read: what was merged here must not overwrite what somebody else has changed meanwhile.
  const changed = await store.update(clientId, changesOf(client, after, changes, adminAudience), client.version)
  if (!changed) return { ok: false, reason: 'version_conflict' }
  // A secret that is no longer asked for must not come back to life later.
  if (usesSecret(client.metadata) && !usesSecret(changed.metadata)) await store.expireSecrets(clientId, 0)
  return { ok: true, client: changed }
}

// What was wrong before stays as it is: a client whose only API is gone can still be renamed.
async function newProblems(before: ClientInput, after: ClientInput, parts: ClientRegistrationParts) {
  const known = (await problemsOf(before, parts)).map(({ message }) => message)
  const problems = (await problemsOf(after, parts)).filter(({ message }) => !known.includes(message))
  if (before.kind !== after.kind)
    problems.push({ field: 'kind', message: 'The kind of a client cannot change. Create another client.' })
  return problems
}

async function problemsOf(input: ClientInput, { findApi, adminAudience }: ClientRegistrationParts) {
  const audiences = [...Object.keys(input.apis ?? {}).slice(0, 101), adminAudience]
  const found = await Promise.all(audiences.map(findApi))
  const apis = new Map(found.flatMap((api) => (api ? [[api.audience, api] as const] : [])))
  return clientProblems(input, { apis, adminAudience })
}

/** Without duplicates, names without spaces around them. */
function normalized(input: ClientInput): ClientInput {
  const once = (list: string[] | undefined) => list && [...new Set(list)]
  return {
    ...input,
    name: input.name.trim(),
    redirectUris: once(input.redirectUris),
    postLogoutRedirectUris: once(input.postLogoutRedirectUris),
    adminScopes: once(input.adminScopes),
    apis: Object.fromEntries(
      Object.entries(input.apis ?? {}).map(([audience, scopes]) => [audience, [...new Set(scopes)]]),
    ),
  }
}

function grantsOf({ apis = {}, adminScopes = [] }: ClientInput, adminAudience: string): Record<string, string[]> {
  return adminScopes.length > 0 ? { ...apis, [adminAudience]: adminScopes } : apis
}

function changesOf(client: Client, after: ClientInput, changes: ClientInputChanges, adminAudience: string) {
  const result: ClientChanges = {
    name: after.name,
    isFirstParty: after.isFirstParty ?? client.isFirstParty,
    requiresPkce: after.requiresPkce ?? client.requiresPkce,
    secondFactor: after.secondFactor ?? null,
    metadata: withGrantTypes(withoutUndefined({ ...client.metadata, ...metadataOf(after) }), after),
  }
  const regrants = changes.apis !== undefined || changes.adminScopes !== undefined
  return regrants ? { ...result, apis: grantsOf(after, adminAudience) } : result
}

const metadataOf = (input: ClientInput): Record<string, unknown> => ({
  redirect_uris: input.redirectUris,
  post_logout_redirect_uris: input.postLogoutRedirectUris,
  token_endpoint_auth_method: input.tokenEndpointAuthMethod,
  jwks: input.jwks,
  jwks_uri: input.jwksUri,
  id_token_signed_response_alg: input.idTokenSignedResponseAlg,
  id_token_encrypted_response_alg: input.idTokenEncryptedResponseAlg,
  id_token_encrypted_response_enc: input.idTokenEncryptedResponseAlg && idTokenEncryptionMethod,
  client_uri: input.clientUri,
  policy_uri: input.policyUri,
  tos_uri: input.tosUri,
})

const withGrantTypes = (metadata: ClientMetadata, { tokenExchange }: ClientInput): ClientMetadata =>
  tokenExchange === undefined || tokenExchange === mayExchangeTokens({ metadata })
    ? metadata
    : { ...metadata, grant_types: withExchange(metadata, tokenExchange) }

const without = (unwanted: unknown, given: object) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== unwanted))
const withoutUndefined = (given: object) => without(undefined, given)
const withoutNull = (given: object) => without(null, given)

const usesSecret = (metadata: ClientMetadata): boolean =>
  String(metadata.token_endpoint_auth_method).startsWith('client_secret_')

/** An API or a scope that is removed in the same moment leaves nothing to refer to. */
async function refusingWhatVanished<Result>(work: () => Promise<Result>): Promise<Result | Refused> {
  try {
    return await work()
  } catch (error) {
    if (!isMissingParent(error)) throw error
    return {
      ok: false,
      problems: [{ field: 'apis', message: 'An API or a scope was removed in this moment. Look again and repeat.' }],
    }
  }
}
