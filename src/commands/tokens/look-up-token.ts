// Tells what a token is worth now, as introspection would (RFC 7662), from the keys and tokens in the database.
import { createLocalJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { createArtifactStore } from '../../oidc/storage/artifact-store.ts'
import { createGrantStore } from '../../oidc/storage/grant-store.ts'
import type { OpenDatabase } from '../open-database.ts'
import { openKeyRing } from '../open-key-ring.ts'

export type Introspection = { active: false } | ({ active: true } & Record<string, unknown>)

interface StoredToken {
  clientId?: string
  accountId?: string
  grantId?: string
  aud?: string
  scope?: string
  iat?: number
  exp?: number
  jkt?: string
}

/** Models of the engine that are presented as tokens. */
const tokenModels = new Set(['AccessToken', 'ClientCredentials', 'RefreshToken'])
const inactive = { active: false } as const

export const lookUpToken = (open: OpenDatabase, token: string): Promise<Introspection> =>
  token.split('.').length === 3 ? lookUpJwt(open, token) : lookUpStored(open, token)

async function lookUpJwt(open: OpenDatabase, token: string): Promise<Introspection> {
  const { public: keys } = await (await openKeyRing(open)).load()
  const checks = { issuer: open.config.issuer, typ: 'at+jwt', requiredClaims: ['client_id', 'exp'] }
  const claims = await jwtVerify(token, createLocalJWKSet(keys), checks).then(
    ({ payload }) => payload,
    () => undefined,
  )
  if (!claims || !(await isClientLive(open, String(claims.client_id)))) return inactive
  return { ...(claims as JWTPayload), active: true, token_type: claims.cnf ? 'DPoP' : 'Bearer' }
}

async function lookUpStored(open: OpenDatabase, token: string): Promise<Introspection> {
  await openKeyRing(open)
  const artifact = await createArtifactStore(open).find(open.sealing.digests(token))
  if (!artifact || artifact.isConsumed || !tokenModels.has(artifact.model)) return inactive
  const { clientId, accountId, grantId, aud, scope, iat, exp, jkt } = artifact.payload as StoredToken
  if (!clientId || !(await isClientLive(open, clientId))) return inactive
  if (grantId && !(await createGrantStore(open).find(open.sealing.digests(grantId)))) return inactive
  return {
    active: true,
    ...(scope && { scope }),
    client_id: clientId,
    sub: accountId ?? clientId,
    ...(aud && { aud }),
    iss: open.config.issuer,
    iat,
    exp,
    token_type: artifact.model === 'RefreshToken' ? 'refresh_token' : jkt ? 'DPoP' : 'Bearer',
  }
}

async function isClientLive({ clients }: OpenDatabase, clientId: string): Promise<boolean> {
  const client = await clients.find(clientId)
  return client !== undefined && !client.disabledAt
}
