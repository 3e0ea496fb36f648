// Reads and shows a client in the names of RFC 7591.
import type { z } from 'zod'
import type { ClientInputChanges } from '../clients/client-registration.ts'
import type { Client } from '../clients/client-store.ts'
import { mayExchangeTokens } from '../clients/exchange/exchange-grant.ts'
import { outwardUriProblem } from '../oidc/policy/outward-uri.ts'
import type { client as clientSchema, clientUpdate } from './schemas.ts'
import { type FieldError, invalidFields } from './validation.ts'

export function clientJson(client: Client, adminAudience: string): z.output<typeof clientSchema> {
  const { metadata } = client
  const { [adminAudience]: adminScopes = [], ...apis } = client.apis
  return {
    client_id: client.clientId,
    type: client.kind,
    client_name: client.name,
    redirect_uris: metadata.redirect_uris ?? [],
    post_logout_redirect_uris: metadata.post_logout_redirect_uris ?? [],
    apis: Object.entries(apis).map(([audience, scopes]) => ({ audience, scopes })),
    admin_scopes: adminScopes,
    first_party: client.isFirstParty,
    require_pkce: client.requiresPkce,
    second_factor: client.secondFactor ?? null,
    token_exchange: mayExchangeTokens(client),
    token_endpoint_auth_method: metadata.token_endpoint_auth_method ?? 'client_secret_basic',
    grant_types: metadata.grant_types ?? [],
    response_types: metadata.response_types ?? [],
    ...optionalMetadata(client),
    secrets: client.secrets.map(({ createdAt, expiresAt }) => ({
      created_at: createdAt.toISOString(),
      expires_at: expiresAt?.toISOString() ?? null,
    })),
    dynamically_registered: client.isDynamicallyRegistered,
    built_in: client.isBuiltIn,
    disabled_at: client.disabledAt?.toISOString() ?? null,
    created_at: client.createdAt.toISOString(),
    updated_at: client.updatedAt.toISOString(),
  }
}

const optional = [
  'jwks',
  'jwks_uri',
  'id_token_signed_response_alg',
  'id_token_encrypted_response_alg',
  'client_uri',
  'policy_uri',
  'tos_uri',
]

const optionalMetadata = ({ metadata }: Client): Record<string, never> =>
  Object.fromEntries(
    optional.filter((name) => metadata[name] !== undefined).map((name) => [name, metadata[name] as never]),
  )

/** Those that the domain calls otherwise. */
export const fieldNames = {
  kind: 'type',
  name: 'client_name',
  isFirstParty: 'first_party',
  requiresPkce: 'require_pkce',
  secondFactor: 'second_factor',
}

export function changesIn(body: z.output<typeof clientUpdate>): ClientInputChanges {
  const errors: FieldError[] = []
  const audiences = body.apis?.map(({ audience }) => audience) ?? []
  const twice = audiences.find((audience, index) => audiences.indexOf(audience) !== index)
  if (twice !== undefined) errors.push({ field: 'apis', message: `${twice.slice(0, 255)} stands twice in the list.` })
  const outward = body.jwks_uri == null ? undefined : outwardUriProblem(body.jwks_uri)
  if (outward) errors.push({ field: 'jwks_uri', message: `The address ${outward}.` })
  if (errors.length > 0) throw invalidFields(errors)
  return {
    name: body.client_name,
    redirectUris: body.redirect_uris,
    postLogoutRedirectUris: body.post_logout_redirect_uris,
    apis: body.apis && Object.fromEntries(body.apis.map(({ audience, scopes }) => [audience, scopes])),
    isFirstParty: body.first_party,
    requiresPkce: body.require_pkce,
    secondFactor: body.second_factor,
    tokenExchange: body.token_exchange,
    adminScopes: body.admin_scopes,
    tokenEndpointAuthMethod: body.token_endpoint_auth_method,
    jwks: body.jwks,
    jwksUri: body.jwks_uri,
    idTokenSignedResponseAlg: body.id_token_signed_response_alg,
    idTokenEncryptedResponseAlg: body.id_token_encrypted_response_alg,
    clientUri: body.client_uri,
    policyUri: body.policy_uri,
    tosUri: body.tos_uri,
  }
}
