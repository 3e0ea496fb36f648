// Finds or makes the grant for a request: what a person consented to before, or all that the operator's own client asks for.
import type { Client as EngineClient, Grant, KoaContextWithOIDC, Provider } from 'oidc-provider'
import type { Client } from '../../clients/client-store.ts'
import type { Consent, ConsentStore } from '../storage/consent-store.ts'

export interface GrantPolicyParts {
  consents: ConsentStore
  clientOf(client: EngineClient): Client
}

export function createGrantPolicy({ consents, clientOf }: GrantPolicyParts) {
  return async function loadExistingGrant(ctx: KoaContextWithOIDC): Promise<Grant | undefined> {
    const { account, client: engineClient, session, provider, result } = ctx.oidc
    if (!account || !engineClient) return undefined
    const client = clientOf(engineClient)
    const grantId = result?.consent?.grantId ?? session?.grantIdFor(client.clientId)
    const existing = await findOwn(provider, grantId, account.accountId, client.clientId)
    const allowed = client.isFirstParty ? requested(ctx) : await consents.find(account.accountId, client.clientId)
    if (!allowed) return existing
    const grant = existing ?? new provider.Grant({ accountId: account.accountId, clientId: client.clientId })
    // `none` answers nothing that would be issued under it.
    if (ctx.oidc.params?.response_type === 'none') {
      addMissing(grant, allowed)
      return grant
    }
    if (addMissing(grant, allowed) || !existing) await grant.save()
    return grant
  }
}

// A session may name a grant of the account that was signed in before.
async function findOwn(provider: Provider, grantId: string | undefined, accountId: string, clientId: string) {
  const grant = grantId ? await provider.Grant.find(grantId) : undefined
  return grant?.accountId === accountId && grant.clientId === clientId ? grant : undefined
}

function requested(ctx: KoaContextWithOIDC): Consent {
  const { requestParamOIDCScopes, requestParamClaims, requestParamScopes, resourceServers } = ctx.oidc
  const servers = Object.entries(resourceServers ?? {})
  return {
    scopes: [...requestParamOIDCScopes],
    claims: [...requestParamClaims],
    resources: Object.fromEntries(
      servers.map(([audience, server]) => [
        audience,
        [...requestParamScopes].filter((scope) => server.scopes.has(scope)),
      ]),
    ),
  }
}

/** True when the grant has grown. */
export function addMissing(grant: Grant, allowed: Consent): boolean {
  const missing = (has: string, wanted: string[]) => wanted.filter((name) => !has.split(' ').includes(name))
  const scopes = missing(grant.getOIDCScope(), allowed.scopes)
  if (scopes.length > 0) grant.addOIDCScope(scopes.join(' '))
  const claims = missing(grant.getOIDCClaims().join(' '), allowed.claims)
  if (claims.length > 0) grant.addOIDCClaims(claims)
  const resources = Object.entries(allowed.resources)
    .map(([audience, wanted]) => [audience, missing(grant.getResourceScope(audience), wanted)] as const)
    .filter(([, wanted]) => wanted.length > 0)
  for (const [audience, wanted] of resources) grant.addResourceScope(audience, wanted.join(' '))
  return scopes.length + claims.length + resources.length > 0
}
