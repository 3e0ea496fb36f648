// The JSON resource of client applications.
import type { ClientRegistration } from '../clients/client-registration.ts'
import type { ClientStore } from '../clients/client-store.ts'
import type { Database } from '../database/database.ts'
import { type AppError, conflict, forbidden, notFound } from '../http/errors.ts'
import type { AccessRevocation } from '../oidc/access-revocation.ts'
import { demandScopes } from './admin-rights.ts'
import { changesIn, clientJson, fieldNames } from './client-json.ts'
import type { Caller } from './guard.ts'
import { type Operation, operation } from './operation.ts'
import { page } from './paging.ts'
import { changedMeanwhile, requiredVersion, seenVersion } from './preconditions.ts'
import * as schemas from './schemas.ts'
import { invalidFields, namedFields } from './validation.ts'

export interface ClientsResourceParts {
  clients: ClientStore
  clientRegistration: ClientRegistration
  revocation: AccessRevocation
  transaction: Database['transaction']
  adminAudience: string
  /** Makes a signing key for an algorithm that nobody has asked for yet. */
  ensureAlgorithm(alg: 'RS256' | 'ES256' | 'PS256' | 'EdDSA'): Promise<void>
  forgetClient(clientId: string): void
}

const path = '/clients'
const one = `${path}/{client_id}`

export function clientsResource(parts: ClientsResourceParts): Operation[] {
  return [...reading(parts), creating(parts), updating(parts), ...acting(parts)]
}

function reading({ clients, adminAudience }: ClientsResourceParts): Operation[] {
  const scope = 'clients:read'
  return [
    operation({
      id: 'listClients',
      summary: 'List clients',
      method: 'get',
      path,
      scope,
      query: schemas.pageQuery,
      status: 200,
      answer: schemas.pageOf(schemas.client),
      refusals: [],
      handle: async ({ query }) => {
        const found = await page(query, { name: 'clients', list: clients.list, idOf: ({ clientId }) => clientId })
        return { body: { ...found, items: found.items.map((client) => clientJson(client, adminAudience)) } }
      },
    }),
    operation({
      id: 'showClient',
      summary: 'Show a client',
      method: 'get',
      path: one,
      scope,
      status: 200,
      answer: schemas.client,
      refusals: [404],
      handle: async ({ id }) => {
        const client = await clients.find(id)
        if (!client) throw noSuchClient()
        return { body: clientJson(client, adminAudience), version: client.version }
      },
    }),
  ]
}

function creating(parts: ClientsResourceParts): Operation {
  const { clientRegistration, adminAudience, ensureAlgorithm } = parts
  return operation({
    id: 'createClient',
    summary: 'Register a client; its secret is shown once',
    method: 'post',
    path,
    scope: 'clients:write',
    body: schemas.clientCreation,
    status: 201,
    answer: schemas.createdClient,
    refusals: [],
    handle: async ({ caller, body }) => {
      demandScopes(caller, body.admin_scopes ?? [])
      const changes = changesIn(body)
      // null, as it is shown where there is none.
      const secondFactor = changes.secondFactor ?? undefined
      const input = { ...changes, secondFactor, kind: body.type, name: body.client_name }
      if (body.id_token_signed_response_alg) await ensureAlgorithm(body.id_token_signed_response_alg)
      const created = await clientRegistration.create(input as Parameters<ClientRegistration['create']>[0])
      if (!created.ok) throw invalidFields(namedFields(created.problems, fieldNames))
      const { client, clientSecret } = created
      parts.forgetClient(client.clientId)
      return {
        body: { ...clientJson(client, adminAudience), client_secret: clientSecret },
        version: client.version,
        location: `/admin/api/v1${path}/${client.clientId}`,
      }
    },
  })
}

function updating(parts: ClientsResourceParts): Operation {
  const { clientRegistration, adminAudience, ensureAlgorithm } = parts
  return operation({
    id: 'updateClient',
    summary: 'Change a client',
    method: 'patch',
    path: one,
    scope: 'clients:write',
    body: schemas.clientUpdate,
    status: 200,
    answer: schemas.client,
    refusals: [404, 409, 412, 428],
    takesIfMatch: true,
    handle: async ({ caller, id, body, ifMatch }) => {
      const version = requiredVersion(ifMatch)
      const before = await changeable(id, caller, parts)
      demandScopes(caller, body.admin_scopes ?? [])
      if (body.id_token_signed_response_alg) await ensureAlgorithm(body.id_token_signed_response_alg)
      // Against the version whose rights were looked at, so that nobody gets hold of a client that has just gained some.
      const updated = await clientRegistration.update(id, changesIn(body), version ?? before.version)
      if (!updated.ok) {
        throw updated.reason ? refusal(updated.reason) : invalidFields(namedFields(updated.problems, fieldNames))
      }
      parts.forgetClient(id)
      return { body: clientJson(updated.client, adminAudience), version: updated.client.version }
    },
  })
}

function acting(parts: ClientsResourceParts): Operation[] {
  const { clients, clientRegistration, revocation, transaction, adminAudience } = parts
  const scope = 'clients:write'
  const shown = async (id: string) => {
    const client = await clients.find(id)
    if (!client) throw noSuchClient()
    return { body: clientJson(client, adminAudience), version: client.version }
  }
  const switching = (verb: 'disable' | 'enable', summary: string, change: (id: string) => Promise<boolean>) =>
    operation({
      id: `${verb}Client`,
      summary,
      method: 'post',
      path: `${one}/${verb}`,
      scope,
      status: 200,
      answer: schemas.client,
      refusals: [404, 409],
      handle: ({ caller, id }) =>
        transaction(async () => {
          await changeable(id, caller, parts)
          await change(id)
          return shown(id)
        }),
    })
  return [
    operation({
      id: 'deleteClient',
      summary: 'Delete a client with its tokens, grants and consents',
      method: 'delete',
      path: one,
      scope,
      status: 204,
      refusals: [404, 409, 412],
      takesIfMatch: true,
      handle: ({ caller, id, ifMatch }) =>
        transaction(async () => {
          const version = seenVersion(ifMatch)
          const client = await changeable(id, caller, parts)
          if (version !== undefined && version !== client.version) throw changedMeanwhile()
          if (!(await revocation.deleteClient(id))) throw noSuchClient()
          return {}
        }),
    }),
    operation({
      id: 'rotateClientSecret',
      summary: 'Make a new secret; the old ones live on for a while',
      method: 'post',
      path: `${one}/rotate-secret`,
      scope,
      body: schemas.secretRotation,
      status: 200,
      answer: schemas.rotatedSecret,
      refusals: [404, 409],
      handle: ({ caller, id, body }) =>
        transaction(async () => {
          const { version } = await changeable(id, caller, parts)
          const rotated = await clientRegistration.rotateSecret(id, { overlapSeconds: body.overlap_seconds, version })
          if (!rotated.ok) throw rotated.reason === 'version_conflict' ? busyClient() : refusal(rotated.reason)
          const { clientSecret, oldSecretsExpireAt } = rotated
          const until = oldSecretsExpireAt.toISOString()
          return { body: { client_id: id, client_secret: clientSecret, old_secrets_expire_at: until } }
        }).finally(() => parts.forgetClient(id)),
    }),
    switching('disable', 'Disable a client: no more tokens; what it holds is withdrawn', revocation.disableClient),
    switching('enable', 'Enable a client again', revocation.enableClient),
  ]
}

/** The client, if the caller may lay hands on it. */
async function changeable(id: string, caller: Caller, { clients, adminAudience }: ClientsResourceParts) {
  const client = await clients.find(id)
  if (!client) throw noSuchClient()
  if (client.isBuiltIn) throw refusal('built_in')
  demandScopes(caller, client.apis[adminAudience] ?? [])
  return client
}

const busyClient = () => conflict('changed_meanwhile', 'Somebody has changed this client in this moment. Repeat.')
const noSuchClient = () => notFound('There is no client with this client_id.')

function refusal(reason: 'not_found' | 'version_conflict' | 'built_in' | 'no_secret'): AppError {
  if (reason === 'not_found') return noSuchClient()
  if (reason === 'version_conflict') return changedMeanwhile()
  if (reason === 'built_in')
    return forbidden('built_in', 'This client belongs to the server itself and cannot be changed.')
  return conflict('no_secret', 'This client has no secret: it does not authenticate with one.')
}
