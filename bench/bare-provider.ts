// oidc-provider alone, in memory, with the features that are measured: what Gatehouse is compared with.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Provider } from 'oidc-provider'

const issuer = process.env.BENCH_ISSUER ?? 'http://localhost'
const jwk = (alg: string, use: object) => ({ ...use, alg, use: 'sig', kid: alg })
const es256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
const rs256 = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
const client = {
  client_id: 'bench',
  client_secret: randomBytes(32).toString('base64url'),
  grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
  redirect_uris: ['https://app.example.com/callback'],
  scope: 'openid offline_access things:read',
}
const formats: Record<string, 'jwt' | 'opaque'> = { 'urn:jwt': 'jwt', 'urn:opaque': 'opaque' }

// The engine's own keeps a thousand entries and would forget what is being refreshed.
function createMemoryAdapter(model: string) {
  const rows = new Map<string, Record<string, unknown>>()
  return {
    upsert: async (id: string, payload: Record<string, unknown>) => void rows.set(id, payload),
    find: async (id: string) => (model === 'Client' ? undefined : rows.get(id)),
    consume: async (id: string) => void rows.set(id, { ...rows.get(id), consumed: Date.now() / 1000 }),
    destroy: async (id: string) => void rows.delete(id),
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    revokeByGrantId: async () => undefined,
  }
}

const provider = new Provider(issuer, {
  adapter: createMemoryAdapter,
  clients: [client],
  jwks: { keys: [jwk('ES256', es256), jwk('RS256', rs256)] },
  scopes: ['openid', 'offline_access', 'things:read'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: async () => true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: async (_: unknown, audience: string) => ({
        audience,
        scope: 'things:read',
        accessTokenFormat: formats[audience] ?? 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  findAccount: async (_: unknown, sub: string) => ({ accountId: sub, claims: async () => ({ sub }) }),
  rotateRefreshToken: true,
} as never)
provider.proxy = true

const server = createServer(provider.callback()).listen(0, '127.0.0.1')
await once(server, 'listening')

async function refreshToken(): Promise<string> {
  const found = await provider.Client.find('bench')
  const grant = new provider.Grant({ accountId: 'person', clientId: 'bench' })
  grant.addOIDCScope('openid offline_access')
  const RefreshToken = provider.RefreshToken as unknown as new (payload: object) => { save(): Promise<string> }
  const about = { accountId: 'person', client: found, grantId: await grant.save(), gty: 'authorization_code' }
  return new RefreshToken({ ...about, scope: 'openid offline_access' }).save()
}

const refreshTokens = await Promise.all(Array.from({ length: 64 }, refreshToken))
process.stdout.write(
  `${JSON.stringify({ port: (server.address() as AddressInfo).port, secret: client.client_secret, refreshTokens })}\n`,
)
