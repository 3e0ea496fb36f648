// The JSON resource of APIs (resource servers); one is addressed by its percent-encoded audience.
import type { z } from 'zod'
import type { ApiInputChanges, ApiRegistration } from '../apis/api-registration.ts'
import type { Api, ApiStore, SigningAlgorithm } from '../apis/api-store.ts'
import type { TokenClaims } from '../apis/token-claims.ts'
import type { ApiEncryption } from '../apis/token-encryption.ts'
import type { Database } from '../database/database.ts'
import { type AppError, conflict, forbidden, notFound } from '../http/errors.ts'
import { outwardUriProblem } from '../oidc/policy/outward-uri.ts'
import type { tokenClaims as tokenClaimsSchema } from './api-token-schemas.ts'
import { type Operation, operation } from './operation.ts'
import { page } from './paging.ts'
import { changedMeanwhile, requiredVersion, seenVersion } from './preconditions.ts'
import * as schemas from './schemas.ts'
import { invalidFields, namedFields } from './validation.ts'

export interface ApisResourceParts {
  apis: ApiStore
  apiRegistration: ApiRegistration
  transaction: Database['transaction']
  /** Makes a signing key for an algorithm that nobody has asked for yet. */
  ensureAlgorithm(alg: SigningAlgorithm): Promise<void>
  /** Drops this node's copies of APIs and, since they lose scopes with them, of clients. */
  forgetApis(): void
}

const path = '/apis'
const one = `${path}/{audience}`

export function apisResource(parts: ApisResourceParts): Operation[] {
  return [...reading(parts), creating(parts), updating(parts), deleting(parts)]
}

function reading({ apis }: ApisResourceParts): Operation[] {
  const scope = 'apis:read'
  return [
    operation({
      id: 'listApis',
      summary: 'List APIs',
      method: 'get',
      path,
      scope,
      query: schemas.pageQuery,
      status: 200,
      answer: schemas.pageOf(schemas.api),
      refusals: [],
      handle: async ({ query }) => {
        const found = await page(query, { name: 'apis', list: apis.list, idOf: ({ audience }) => audience })
        return { body: { ...found, items: found.items.map(apiJson) } }
      },
    }),
    operation({
      id: 'showApi',
      summary: 'Show an API',
      method: 'get',
      path: one,
      scope,
      status: 200,
      answer: schemas.api,
      refusals: [404],
      handle: async ({ id }) => {
        const api = await apis.find(id)
        if (!api) throw refusal('not_found')
        return shown(api)
      },
    }),
  ]
}

function creating({ apiRegistration, ensureAlgorithm, forgetApis }: ApisResourceParts): Operation {
  return operation({
    id: 'createApi',
    summary: 'Register an API',
    method: 'post',
    path,
    scope: 'apis:write',
    body: schemas.apiCreation,
    status: 201,
    answer: schemas.api,
    refusals: [409],
    handle: async ({ body }) => {
      if (body.signing_alg) await ensureAlgorithm(body.signing_alg)
      const { audience, name, scopes = [] } = body
      const created = await apiRegistration.create({ ...changesIn(body), audience, name, scopes })
      if (!created.ok) throw created.reason ? refusal(created.reason) : invalidFields(namedFields(created.problems))
      forgetApis()
      return { ...shown(created.api), location: `/admin/api/v1${path}/${encodeURIComponent(audience)}` }
    },
  })
}

function updating({ apiRegistration, ensureAlgorithm, forgetApis }: ApisResourceParts): Operation {
  return operation({
    id: 'updateApi',
    summary: 'Change an API',
    method: 'patch',
    path: one,
    scope: 'apis:write',
    body: schemas.apiUpdate,
    status: 200,
    answer: schemas.api,
    refusals: [404, 412, 428],
    takesIfMatch: true,
    handle: async ({ id, body, ifMatch }) => {
      const version = requiredVersion(ifMatch)
      if (body.signing_alg) await ensureAlgorithm(body.signing_alg)
      const updated = await apiRegistration.update(id, changesIn(body), version)
      if (!updated.ok) throw updated.reason ? refusal(updated.reason) : invalidFields(namedFields(updated.problems))
      forgetApis()
      return shown(updated.api)
    },
  })
}

function deleting({ apis, apiRegistration, transaction, forgetApis }: ApisResourceParts): Operation {
  return operation({
    id: 'deleteApi',
    summary: 'Delete an API; it is withdrawn from every client',
    method: 'delete',
    path: one,
    scope: 'apis:write',
    status: 204,
    refusals: [404, 412],
    takesIfMatch: true,
    handle: async ({ id, ifMatch }) => {
      const version = seenVersion(ifMatch)
      await transaction(async () => {
        const api = version === undefined ? undefined : await apis.find(id)
        if (api && api.version !== version) throw changedMeanwhile()
        const removed = await apiRegistration.remove(id)
        if (!removed.ok) throw refusal(removed.reason)
      })
      forgetApis()
      return {}
    },
  })
}

function refusal(reason: 'not_found' | 'version_conflict' | 'built_in' | 'taken'): AppError {
  if (reason === 'not_found') return notFound('There is no API with this audience.')
  if (reason === 'version_conflict') return changedMeanwhile()
  if (reason === 'built_in')
    return forbidden('built_in', 'This API belongs to the server itself and cannot be changed.')
  return conflict('taken', 'There is an API with this audience already.')
}

const changesIn = (body: z.output<typeof schemas.apiUpdate>): ApiInputChanges => ({
  name: body.name,
  scopes: body.scopes,
  tokenFormat: body.token_format,
  tokenTtl: body.token_ttl,
  signingAlg: body.signing_alg,
  introspectionClients: body.introspection_clients,
  tokenClaims: body.token_claims && claimsIn(body.token_claims),
  encryption: body.encryption && encryptionIn(body.encryption),
})

const claimsIn = ({ rules, ...others }: z.output<typeof tokenClaimsSchema>): TokenClaims => ({
  ...others,
  rules: rules?.map(({ email_domain: emailDomain, ...rule }) => ({ ...rule, emailDomain })),
})

function encryptionIn(given: NonNullable<z.output<typeof schemas.apiUpdate>['encryption']>): ApiEncryption {
  if ('jwks' in given) return { jwks: given.jwks }
  const problem = outwardUriProblem(given.jwks_uri)
  if (problem) throw invalidFields([{ field: 'encryption', message: `The address ${problem}.` }])
  return { jwksUri: given.jwks_uri }
}

const encryptionJson = (given: ApiEncryption) =>
  given.jwksUri === undefined ? { jwks: { keys: given.jwks.keys } } : { jwks_uri: given.jwksUri }

const claimsJson = ({ roles, rules, claims }: TokenClaims): z.output<typeof tokenClaimsSchema> => ({
  ...(roles && { roles }),
  ...(rules && { rules: rules.map(({ emailDomain, ...rule }) => ({ ...rule, email_domain: emailDomain })) }),
  ...(claims && { claims }),
})

const shown = (api: Api) => ({ body: apiJson(api), version: api.version })

const apiJson = (api: Api): z.output<typeof schemas.api> => ({
  audience: api.audience,
  name: api.name,
  scopes: api.scopes,
  token_format: api.tokenFormat,
  token_ttl: api.tokenTtl,
  signing_alg: api.signingAlg,
  introspection_clients: api.introspectionClients,
  token_claims: claimsJson(api.tokenClaims),
  encryption: api.encryption ? encryptionJson(api.encryption) : null,
  built_in: api.isBuiltIn,
  created_at: api.createdAt.toISOString(),
  updated_at: api.updatedAt.toISOString(),
})
