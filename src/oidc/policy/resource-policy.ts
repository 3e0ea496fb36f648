// Tells the engine which API a request is for, and what tokens for it look like (RFC 8707, RFC 9068).
import { type Client as EngineClient, errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider'
import type { ApiCache } from '../../apis/api-cache.ts'
import type { Api } from '../../apis/api-store.ts'
import type { EncryptionKey } from '../../apis/token-encryption.ts'
import type { Client } from '../../clients/client-store.ts'
import type { ApiEncryptionKeys } from '../encryption/api-encryption.ts'
import { openidScopes } from './claims.ts'
import { requestedApi } from './requested-api.ts'

export interface ResourcePolicyParts {
  apis: Pick<ApiCache, 'find'>
  clientOf(client: EngineClient): Client
  demandKey(alg: Api['signingAlg']): Promise<void>
  encryption: ApiEncryptionKeys
}

const scopesOf = (ctx: KoaContextWithOIDC) => {
  const { scope } = ctx.oidc.params ?? {}
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []
}

export function createResourcePolicy({ apis, clientOf, demandKey, encryption }: ResourcePolicyParts) {
  const decide = (ctx: KoaContextWithOIDC, client: Client, resource: string | undefined) => {
    const isMachine = client.kind === 'machine'
    const decision = requestedApi({ apis: client.apis, openidScopes, isMachine, resource, scopes: scopesOf(ctx) })
    if (decision.ok) return decision.audience
    if (decision.error === 'invalid_target') throw new errors.InvalidTarget(decision.description)
    throw new errors.InvalidScope(decision.description, decision.scope ?? '')
  }

  return {
    enabled: true,

    defaultResource: async (ctx: KoaContextWithOIDC, engineClient: EngineClient, oneOf?: readonly string[]) => {
      // At the token endpoint: what was granted, when it was one API.
      if (oneOf) return oneOf.length === 1 ? (oneOf[0] as string) : oneOf
      return decide(ctx, clientOf(engineClient), undefined)
    },

    useGrantedResource: async () => true,

    getResourceServerInfo: async (
      ctx: KoaContextWithOIDC,
      resource: string,
      engineClient: EngineClient,
    ): Promise<ResourceServer> => {
      const client = clientOf(engineClient)
      const audience = decide(ctx, client, resource)
      const api = audience === undefined ? undefined : await apis.find(audience)
      if (!api) throw new errors.InvalidTarget(`there is no API ${resource}`)
      if (api.tokenFormat === 'jwt') await demandKey(api.signingAlg)
      const granted = client.apis[api.audience] ?? []
      // A machine that names no scope means all that it was granted there.
      if (client.kind === 'machine' && ctx.oidc.params && ctx.oidc.params.scope === undefined)
        ctx.oidc.params.scope = granted.join(' ') || undefined
      return resourceServer(api, granted, await encryption.keyOf(api))
    },
  }
}

export function resourceServer(
  api: Api,
  granted: readonly string[],
  encrypt: EncryptionKey | undefined,
): ResourceServer {
  return {
    audience: api.audience,
    scope: granted.join(' '),
    accessTokenTTL: api.tokenTtl,
    accessTokenFormat: api.tokenFormat,
    ...(api.tokenFormat === 'jwt'
      ? { jwt: { sign: { alg: api.signingAlg }, ...(encrypt && { encrypt }) } }
      : undefined),
  } as ResourceServer
}
