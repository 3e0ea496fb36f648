// The JSON of the admin API: what requests may hold and answers do hold, in the names of the standards where they have any.
import { z } from 'zod'
import { signingAlgorithms } from '../apis/api-store.ts'
import { authMethods, idTokenAlgorithms, idTokenEncryptionAlgorithms } from '../clients/client-rules.ts'
import { clientKinds } from '../clients/client-store.ts'
import { encryption, jwksAddress, publicJwks, tokenClaims } from './api-token-schemas.ts'

export const time = z.iso.datetime().meta({ description: 'ISO 8601, in UTC' })
export const strings = z.array(z.string())
const unset = 'null takes it away'

const clientFields = {
  client_name: z.string().meta({ description: 'Shown to people; 1 to 200 characters' }),
  redirect_uris: strings.meta({ description: 'Compared character by character (RFC 9700, 4.1.3)' }),
  post_logout_redirect_uris: strings,
  apis: z
    .array(z.strictObject({ audience: z.string(), scopes: strings }))
    .meta({ description: 'The APIs and their scopes that it is granted; without scopes, for the audience alone' }),
  admin_scopes: strings.meta({ description: 'Scopes of this admin API; for a machine only, and only what you hold' }),
  first_party: z.boolean().meta({ description: 'The operator’s own: people are not asked for consent' }),
  require_pkce: z.boolean(),
  second_factor: z
    .string()
    .nullable()
    .meta({ description: 'off, optional, required or required-for:ROLE,ROLE; null: as the deployment has it' }),
  token_exchange: z.boolean().meta({ description: 'May exchange tokens (RFC 8693), as exchange policies allow' }),
  token_endpoint_auth_method: z.enum(authMethods),
}
const optionalClientFields = {
  jwks: publicJwks,
  jwks_uri: jwksAddress,
  id_token_signed_response_alg: z.enum(idTokenAlgorithms),
  id_token_encrypted_response_alg: z.enum(idTokenEncryptionAlgorithms),
  client_uri: z.string(),
  policy_uri: z.string(),
  tos_uri: z.string(),
}
const {
  jwks,
  jwks_uri,
  id_token_signed_response_alg,
  id_token_encrypted_response_alg,
  client_uri,
  policy_uri,
  tos_uri,
} = optionalClientFields
export const removable = <T extends z.ZodType>(schema: T) => schema.nullable().meta({ description: unset })

export const clientCreation = z
  .strictObject({ type: z.enum(clientKinds), ...clientFields, ...optionalClientFields })
  .partial()
  .required({ type: true, client_name: true })
  .meta({ id: 'ClientCreation' })

export const clientUpdate = z
  .strictObject({
    ...clientFields,
    jwks: removable(jwks),
    jwks_uri: removable(jwks_uri),
    id_token_signed_response_alg: removable(id_token_signed_response_alg),
    id_token_encrypted_response_alg: removable(id_token_encrypted_response_alg),
    client_uri: removable(client_uri),
    policy_uri: removable(policy_uri),
    tos_uri: removable(tos_uri),
  })
  .partial()
  .meta({ id: 'ClientUpdate', description: 'Only what is given changes; a list replaces the one before' })

const clientAnswer = {
  client_id: z.string(),
  type: z.enum(clientKinds),
  ...clientFields,
  token_endpoint_auth_method: z.string(),
  grant_types: strings,
  response_types: strings,
  jwks: jwks.optional(),
  jwks_uri: jwks_uri.optional(),
  id_token_signed_response_alg: z.string().optional(),
  id_token_encrypted_response_alg: z.string().optional(),
  client_uri: client_uri.optional(),
  policy_uri: policy_uri.optional(),
  tos_uri: tos_uri.optional(),
  secrets: z
    .array(z.strictObject({ created_at: time, expires_at: time.nullable() }))
    .meta({ description: 'Those that live, newest first; the secrets themselves are not kept' }),
  dynamically_registered: z.boolean(),
  built_in: z.boolean(),
  disabled_at: time.nullable(),
  created_at: time,
  updated_at: time,
}
export const client = z.strictObject(clientAnswer).meta({ id: 'Client' })
export const createdClient = z
  .strictObject({
    ...clientAnswer,
    client_secret: z.string().optional().meta({ description: 'Shown once; only a digest is kept' }),
  })
  .meta({ id: 'CreatedClient' })

export const secretRotation = z
  .strictObject({
    overlap_seconds: z
      .int()
      .min(0)
      .max(2_592_000)
      .default(86_400)
      .meta({ description: 'How long the old secret lives' }),
  })
  .meta({ id: 'SecretRotation' })
export const rotatedSecret = z
  .strictObject({ client_id: z.string(), client_secret: z.string(), old_secrets_expire_at: time })
  .meta({ id: 'RotatedSecret' })

const apiFields = {
  name: z.string(),
  token_format: z.enum(['jwt', 'opaque']),
  token_ttl: z.int().meta({ description: 'Lifetime of access tokens in seconds, 10 to 86400' }),
  signing_alg: z.enum(signingAlgorithms),
  introspection_clients: strings.meta({ description: 'Clients that may introspect every token for this API' }),
  token_claims: tokenClaims,
  encryption,
}
const scopeGiven = z.strictObject({ scope: z.string(), description: z.string().default('') })
export const apiCreation = z
  .strictObject({ audience: z.string(), scopes: z.array(scopeGiven), ...apiFields })
  .partial()
  .required({ audience: true, name: true })
  .meta({ id: 'ApiCreation' })
export const apiUpdate = z
  .strictObject({ scopes: z.array(scopeGiven), ...apiFields })
  .partial()
  .meta({ id: 'ApiUpdate', description: 'Scopes that are no longer listed are withdrawn from every client' })
export const api = z
  .strictObject({
    audience: z.string(),
    ...apiFields,
    scopes: z.array(z.strictObject({ scope: z.string(), description: z.string() })),
    built_in: z.boolean(),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'Api' })

const limit = z
  .string()
  .regex(/^([1-9]\d?|100)$/, 'must be a whole number from 1 to 100')
  .transform(Number)
  .default(20)
  .meta({ override: { type: 'integer', minimum: 1, maximum: 100, default: 20, pattern: undefined } })
const cursor = z.string().max(2000).optional().meta({ description: 'next_cursor of the page before' })
export const pageQuery = z.strictObject({ limit, cursor })
export const pageOf = (item: z.ZodType) =>
  z.strictObject({
    items: z.array(item),
    next_cursor: z.string().nullable().meta({ description: 'null on the last page' }),
  })

export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    request_id: z.string().optional(),
    errors: z.array(z.strictObject({ field: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' })
