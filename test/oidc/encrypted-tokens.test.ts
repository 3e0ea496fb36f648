// Access tokens encrypted to their API, and ID tokens to their client (JWE, RFC 7516): opened with jose on the other side.
import {
  compactDecrypt,
  createRemoteJWKSet,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  type JWK,
  jwtVerify,
} from 'jose'
import type { ApiEncryption } from '../../src/apis/token-encryption.ts'
import { createApiEncryption } from '../../src/oidc/encryption/api-encryption.ts'
import { createVerifier } from '../../src/verifier/verifier.ts'
import type { Application } from '../support/code-flow.ts'
import { refresh } from '../support/code-flow.ts'
import { testClock } from '../verifier/test-issuer.ts'
import { type ExchangeWorld, exchangeWorld, orders, type Service, stock, subjectFields } from './exchange-world.ts'
import { machineToken } from './requests.ts'

type Kind = 'RSA-OAEP-256' | 'ECDH-ES'

interface Holder {
  alg: Kind
  jwk: JWK
  privateKey: CryptoKey
}

let world: ExchangeWorld
let app: Application
const holders = {} as Record<Kind, Holder>

beforeAll(async () => {
  world = await exchangeWorld()
  app = world.app
  for (const alg of ['RSA-OAEP-256', 'ECDH-ES'] as const) {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    holders[alg] = { alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid: `enc-${alg}`, use: 'enc' } }
  }
})
afterAll(() => world.gatehouse.stop())

const encrypt = async (audience: string, encryption: ApiEncryption | null) => {
  const updated = await world.gatehouse.server.node.registrations.apis.update(audience, { encryption })
  if (!updated.ok) throw new Error(JSON.stringify(updated))
  world.gatehouse.server.stores.apiCache.clear()
}
const to = ({ jwk }: Holder): ApiEncryption => ({ jwks: { keys: [jwk as Record<string, unknown>] } })

/** As the API or the client does it: opens the envelope, then checks the signature inside. */
async function open(token: unknown, { alg, privateKey, jwk }: Holder, typ: string | undefined) {
  expect(decodeProtectedHeader(String(token))).toMatchObject({ alg, enc: 'A256GCM', kid: jwk.kid })
  const options = { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: ['A256GCM'] }
  const { plaintext } = await compactDecrypt(String(token), privateKey, options)
  const keys = createRemoteJWKSet(new URL('/jwks', world.issuer))
  const inside = new TextDecoder().decode(plaintext)
  const verifier = createVerifier({ issuer: world.issuer, audience: stock })
  if (typ) expect((await verifier.verify(inside)).audience).toEqual([stock])
  if (typ) await expect(verifier.verify(String(token))).rejects.toMatchObject({ code: 'invalid_token' })
  return (await jwtVerify(inside, keys, { issuer: world.issuer, ...(typ && { typ }) })).payload
}

describe.each(['RSA-OAEP-256', 'ECDH-ES'] as const)('an access token encrypted with %s', (alg) => {
  beforeAll(() => encrypt(stock, to(holders[alg])))
  afterAll(() => encrypt(stock, null))

  it('is a signed one in an envelope that its API alone can open, of a person, at a refresh and of a machine', async () => {
    const tokens = await world.tokensOf({ scope: 'openid read', resource: stock }, { client: app })
    const payload = await open(tokens.access_token, holders[alg], 'at+jwt')
    expect(payload).toMatchObject({ sub: world.person.sub, aud: stock, scope: 'read', client_id: app.clientId })
    const next = await refresh(world.issuer, app, String(tokens.refresh_token))
    expect(await open(next.access_token, holders[alg], 'at+jwt')).toMatchObject({ sub: world.person.sub })
    const machine = await world.gatehouse.makeClient({ kind: 'machine', apis: { [stock]: ['read'] } })
    const { body } = await machineToken(world.issuer, machine)
    expect(await open(body.access_token, holders[alg], 'at+jwt')).toMatchObject({ sub: machine.clientId })
    const other = holders[alg === 'ECDH-ES' ? 'RSA-OAEP-256' : 'ECDH-ES']
    await expect(compactDecrypt(String(body.access_token), other.privateKey)).rejects.toThrow()
  })

  it('is what an exchange for that API gives, too', async () => {
    const service = await world.makeService()
    await world.allow({ clientId: service.clientId, subjectAudience: orders, audience: stock, scopes: ['read'] })
    const { body } = await world.exchange(service, subjectFields(await world.accessToken(orders, app), stock))
    expect(await open(body.access_token, holders[alg], 'at+jwt')).toMatchObject({ act: { sub: service.clientId } })
    // Its API opens it; this server cannot, and neither introspects nor exchanges it.
    expect((await world.introspect(service, body.access_token)).body).toEqual({ active: false })
    expect((await world.exchange(service, subjectFields(String(body.access_token), stock))).status).toBe(400)
  })

  it('leaves the tokens of other APIs as they are', async () => {
    expect(decodeProtectedHeader(await world.accessToken(orders, app))).toMatchObject({ typ: 'at+jwt' })
  })
})

describe.each(['RSA-OAEP-256', 'ECDH-ES'] as const)('an ID token encrypted with %s', (alg) => {
  it('is opened with the key of its client', async () => {
    const jwks = { keys: [holders[alg].jwk] }
    const made = await world.gatehouse.makeClient({
      redirectUris: [app.redirectUri],
      isFirstParty: true,
      idTokenEncryptedResponseAlg: alg,
      jwks,
    })
    const client: Application = { redirectUri: app.redirectUri, ...made }
    const tokens = await world.tokensOf({ scope: 'openid' }, { client })
    const payload = await open(tokens.id_token, holders[alg], undefined)
    expect(payload).toMatchObject({ sub: world.person.sub, aud: client.clientId })
    const next = await refresh(world.issuer, client, String(tokens.refresh_token))
    expect(await open(next.id_token, holders[alg], undefined)).toMatchObject({ sub: world.person.sub })
    const { clients } = world.gatehouse.server.node.registrations
    await clients.update(client.clientId, { idTokenEncryptedResponseAlg: null })
    world.gatehouse.server.stores.clientCache.clear()
    const plain = await refresh(world.issuer, client, String(next.refresh_token))
    expect(decodeProtectedHeader(String(plain.id_token))).toMatchObject({ alg: 'RS256' })
  })
})

describe('declaring a key to encrypt to', () => {
  const refused = async (encryption: unknown, audience = orders) => {
    const { apis } = world.gatehouse.server.node.registrations
    const updated = await apis.update(audience, { encryption: encryption as ApiEncryption })
    return updated.ok || updated.reason ? undefined : updated.problems[0]?.field
  }
  it.each<[string, () => Promise<unknown> | unknown]>([
    ['that is no key', () => ({ jwks: { keys: [{}] } })],
    ['that is not there', () => ({ jwks: { keys: [] } })],
    ['for signatures', () => ({ jwks: { keys: [{ ...holders['ECDH-ES'].jwk, use: 'sig' }] } })],
    ['for another algorithm', () => ({ jwks: { keys: [{ ...holders['RSA-OAEP-256'].jwk, alg: 'RSA-OAEP' }] } })],
    ['that is private', async () => ({ jwks: { keys: [await exportJWK(holders['ECDH-ES'].privateKey)] } })],
    ['that is short', async () => ({ jwks: { keys: [shortRsa] } })],
    ['at an address without TLS', () => ({ jwksUri: 'http://keys.example/jwks' })],
    ['at two places', () => ({ jwks: { keys: [holders['ECDH-ES'].jwk] }, jwksUri: 'https://keys.example/jwks' })],
    ['at none', () => ({})],
  ])('is refused for one %s', async (_, make) => {
    expect(await refused(await make())).toBe('encryption')
  })

  it('is refused for opaque tokens, whichever of the two comes second', async () => {
    await world.gatehouse.makeApi({ audience: 'urn:opaque', tokenFormat: 'opaque' })
    expect(await refused(to(holders['ECDH-ES']), 'urn:opaque')).toBe('encryption')
    await world.gatehouse.makeApi({ audience: 'urn:sealed', encryption: to(holders['ECDH-ES']) })
    const { apis } = world.gatehouse.server.node.registrations
    expect(await apis.update('urn:sealed', { tokenFormat: 'opaque' })).toMatchObject({ ok: false })
    expect(await apis.update('urn:sealed', { tokenFormat: 'opaque', encryption: null })).toMatchObject({ ok: true })
  })

  it('is refused for a client without a key of that kind', async () => {
    const { clients } = world.gatehouse.server.node.registrations
    const input = { kind: 'web' as const, name: 'x', redirectUris: ['https://a.example/'] }
    const field = async (more: object) => {
      const made = await clients.create({ ...input, ...more })
      return made.ok ? undefined : made.problems[0]?.field
    }
    const rsa = { idTokenEncryptedResponseAlg: 'RSA-OAEP-256' }
    expect(await field(rsa)).toBe('idTokenEncryptedResponseAlg')
    expect(await field({ ...rsa, jwks: { keys: [holders['ECDH-ES'].jwk] } })).toBe('idTokenEncryptedResponseAlg')
    expect(await field({ idTokenEncryptedResponseAlg: 'dir', jwks: { keys: [holders['ECDH-ES'].jwk] } })).toBe(
      'idTokenEncryptedResponseAlg',
    )
    expect(await field({ ...rsa, jwksUri: 'https://a.example/jwks' })).toBeUndefined()
  })
})

// A public key of 1024 bits.
const shortRsa = {
  kty: 'RSA',
  e: 'AQAB',
  n: Buffer.concat([Buffer.from([0xc0]), Buffer.alloc(126, 0x55), Buffer.from([0x01])]).toString('base64url'),
}

describe('a key at an address', () => {
  const audience = 'https://stock.example.com'
  const encryption: ApiEncryption = { jwksUri: 'https://keys.example/jwks' }
  const started = () => {
    const clock = testClock()
    const asked = { count: 0, answer: async () => Response.json(to(holders['ECDH-ES']).jwks) }
    const fetch = () => {
      asked.count += 1
      return asked.answer()
    }
    return { clock, asked, keys: createApiEncryption({ fetch, now: clock.now }) }
  }

  it('is fetched once and kept for five minutes, then again', async () => {
    const { clock, asked, keys } = started()
    for (const _ of [1, 2, 3]) expect(await keys.keyOf({ encryption, audience })).toMatchObject({ alg: 'ECDH-ES' })
    expect(asked.count).toBe(1)
    clock.advance(301)
    asked.answer = async () => Response.json(to(holders['RSA-OAEP-256']).jwks)
    expect(await keys.keyOf({ encryption, audience })).toMatchObject({ alg: 'RSA-OAEP-256' })
    expect(asked.count).toBe(2)
  })

  it('outlives an outage of a day, and is not asked for all the time', async () => {
    const { clock, asked, keys } = started()
    await keys.keyOf({ encryption, audience })
    asked.answer = () => Promise.reject(new Error('down'))
    clock.advance(3600)
    for (const _ of [1, 2, 3]) expect(await keys.keyOf({ encryption, audience })).toMatchObject({ alg: 'ECDH-ES' })
    expect(asked.count).toBe(2)
    clock.advance(86_400)
    await expect(keys.keyOf({ encryption, audience })).rejects.toMatchObject({ error: 'temporarily_unavailable' })
  })

  it('that cannot be had refuses the token for a moment: none is issued in the clear', async () => {
    await encrypt(stock, { jwksUri: 'https://keys.invalid/jwks' })
    const machine: Service = await world.gatehouse.makeClient({ kind: 'machine', apis: { [stock]: ['read'] } })
    const { status, body, headers } = await machineToken(world.issuer, machine)
    expect([status, body.error, headers.get('retry-after')]).toEqual([503, 'temporarily_unavailable', '1'])
    expect(body).not.toHaveProperty('access_token')
    await encrypt(stock, null)
  })
})
