// Keeps administrators from climbing: nobody grants, or takes hold of somebody who has, more than they hold themselves.
import { adminScopes } from '../apis/admin-api-registration.ts'
import { type Caller, insufficientScope } from './guard.ts'

const everyScope = adminScopes.map(({ scope }) => scope)

/** For scopes that a client has or is to have: whoever changes its keys or its secret acts with them. */
export function demandScopes(caller: Caller, scopes: readonly string[]): void {
  const missing = scopes.filter((scope) => !caller.scopes.has(scope))
  if (missing.length === 0) return
  const list = missing.join(' ')
  throw insufficientScope(list, `This client has, or is to have, rights that your access token lacks: ${list}.`)
}

/** For an account that has, or is to have, these roles. An owner may do everything. */
export function demandRoles(caller: Caller, roles: readonly string[]): void {
  const missing = roles.includes('owner') ? everyScope.filter((scope) => !caller.scopes.has(scope)) : []
  if (missing.length === 0) return
  const list = missing.join(' ')
  throw insufficientScope(list, `Only a token with every admin scope may make or change an owner. Missing: ${list}.`)
}
