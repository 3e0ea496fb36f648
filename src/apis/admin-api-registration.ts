// Registers the server's own admin API: audience ISSUER/admin/api, with the scopes that its resources demand.
import type { Api, ApiScope, ApiStore } from './api-store.ts'

export const adminAudience = (issuer: string): string => `${issuer}/admin/api`

export const adminScopes: readonly ApiScope[] = [
  { scope: 'clients:read', description: 'See the registered applications' },
  { scope: 'clients:write', description: 'Register, change and delete applications' },
  { scope: 'apis:read', description: 'See the registered APIs' },
  { scope: 'apis:write', description: 'Register, change and delete APIs' },
  { scope: 'accounts:read', description: 'See the accounts of people' },
  { scope: 'accounts:write', description: 'Create, change, disable and delete accounts' },
  { scope: 'exchange-policies:read', description: 'See which tokens may be exchanged, and trusted issuers' },
  { scope: 'exchange-policies:write', description: 'Decide which tokens may be exchanged, and whom to trust' },
  { scope: 'keys:read', description: 'See the signing keys' },
  { scope: 'keys:write', description: 'Rotate and retire signing keys' },
  { scope: 'audit:read', description: 'Read the audit log' },
]

export type AdminApiStore = Pick<ApiStore, 'find' | 'list' | 'insert' | 'update' | 'moveBuiltIn'>

/** Inserts it, moves it to a changed issuer with all that was granted, and adds the scopes of a newer version. */
export async function ensureAdminApi(apis: AdminApiStore, issuer: string): Promise<Api> {
  const audience = adminAudience(issuer)
  const existing = (await ownApi(apis, audience)) ?? (await makeOrMove(apis, audience))
  const missing = adminScopes.filter(({ scope }) => !existing.scopes.some((known) => known.scope === scope))
  if (missing.length === 0) return existing
  return (await apis.update(audience, { scopes: [...existing.scopes, ...missing] })) ?? existing
}

/** As it stands in the database, whatever issuer it was registered for. */
export async function findAdminApi(apis: Pick<ApiStore, 'list'>): Promise<Api | undefined> {
  const all = await apis.list({ limit: 100_000 })
  return all.find((api) => api.isBuiltIn)
}

async function makeOrMove(apis: AdminApiStore, audience: string): Promise<Api> {
  if (await findAdminApi(apis)) await apis.moveBuiltIn(audience)
  // False: another process that starts now was faster.
  else await apis.insert({ audience, name: 'Gatehouse admin API', scopes: [...adminScopes], isBuiltIn: true })
  const made = await ownApi(apis, audience)
  if (!made) throw new Error(`The admin API could not be registered as ${audience}.`)
  return made
}

async function ownApi(apis: AdminApiStore, audience: string): Promise<Api | undefined> {
  const api = await apis.find(audience)
  if (api && !api.isBuiltIn)
    throw new Error(
      `${audience} is registered as an API, but it belongs to the server: delete it with gatehouse apis delete.`,
    )
  return api
}
