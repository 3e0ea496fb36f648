// Introspection (RFC 7662): who may ask about a token, and an answer for JWTs, which the engine itself does not store.
import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import type { Context, Next } from 'koa'
import type { Client as EngineClient, KoaContextWithOIDC } from 'oidc-provider'
import type { AccountStore } from '../../accounts/account-store.ts'
import type { ApiCache } from '../../apis/api-cache.ts'
import type { ClientCache } from '../../clients/client-cache.ts'
import { exchangeGrantType } from '../../clients/exchange/exchange-grant.ts'
import { isMachine } from '../grants/subject-tokens.ts'

export interface IntrospectionParts {
  issuer: string
  accounts: Pick<AccountStore, 'find'>
  apis: Pick<ApiCache, 'find'>
  clients: Pick<ClientCache, 'find'>
  publicKeys: JSONWebKeySet
}

interface Asked {
  clientId?: string | undefined
  accountId?: string | undefined
  gty?: string | undefined
  aud?: string | string[] | undefined
}

export function createIntrospectionPolicy({ issuer, accounts, apis, clients, publicKeys }: IntrospectionParts) {
  const keys = createLocalJWKSet(publicKeys)

  /** A party to the token: the client that it was issued to, or one that its API names. */
  const isParty = async (asking: string, { clientId, aud }: Asked): Promise<boolean> => {
    const owner = clientId === undefined ? undefined : await clients.find(clientId)
    if (!owner || owner.disabledAt) return false
    if (asking === clientId) return true
    const api = typeof aud === 'string' ? await apis.find(aud) : undefined
    return api?.introspectionClients.includes(asking) ?? false
  }

  /** Stored tokens go with their account; a JWT has to be asked for, and what was got by exchange. */
  const isSubjectAlive = async (sub: unknown, clientId: unknown): Promise<boolean> => {
    if (sub === clientId) return true
    const subject = isMachine(String(sub)) ? await clients.find(String(sub)) : await accounts.find(String(sub))
    return subject !== undefined && !subject.disabledAt
  }

  // Only a token that does not verify is inactive: a database that does not answer must not look like one.
  const verifiedClaims = (token: string): Promise<JWTPayload | undefined> =>
    jwtVerify(token, keys, { issuer, typ: 'at+jwt', requiredClaims: ['client_id', 'exp'] }).then(
      ({ payload }) => payload,
      () => undefined,
    )

  const introspectJwt = async (asking: string, token: string) => {
    const claims = await verifiedClaims(token)
    if (!claims) return { active: false }
    const asked = { clientId: String(claims.client_id), aud: claims.aud }
    const isActive = (await isParty(asking, asked)) && (await isSubjectAlive(claims.sub, claims.client_id))
    return isActive ? active(claims) : { active: false }
  }

  return {
    allowedPolicy: async (_: KoaContextWithOIDC, client: EngineClient, token: Asked) =>
      (await isParty(client.clientId, token)) &&
      (token.gty !== exchangeGrantType || (await isSubjectAlive(token.accountId, token.clientId))),

    /** Of a JWT that would be called active, whoever asks. */
    liveClaims: async (token: string): Promise<JWTPayload | undefined> => {
      const claims = await verifiedClaims(token)
      const owner = claims && (await clients.find(String(claims.client_id)))
      const isLive = owner && !owner.disabledAt && (await isSubjectAlive(claims.sub, claims.client_id))
      return isLive ? claims : undefined
    },

    /** Mounted in front of the engine: where it declines a JWT of an authenticated client, the answer is found here. */
    answerForJwts: async (ctx: Context, next: Next): Promise<void> => {
      await next()
      const { oidc } = ctx as unknown as { oidc?: KoaContextWithOIDC['oidc'] }
      const isDeclined = (ctx.body as { error?: string } | undefined)?.error === 'unsupported_token_type'
      if (oidc?.route !== 'introspection' || !isDeclined || !oidc.client) return
      const body = await introspectJwt(oidc.client.clientId, String(oidc.params?.token))
      ctx.status = 200
      ctx.body = body
    },
  }
}

const active = (claims: JWTPayload) => ({ ...claims, active: true, token_type: claims.cnf ? 'DPoP' : 'Bearer' })
