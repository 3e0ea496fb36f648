import { generateKeyPairSync } from 'node:crypto'
import { createApiStore } from '../../src/apis/api-store.ts'
import {
  type ClientInput,
  type ClientInputChanges,
  createClientRegistration,
} from '../../src/clients/client-registration.ts'
import { isLiveSecret } from '../../src/clients/client-secret.ts'
import { createClientStore } from '../../src/clients/client-store.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'

const adminAudience = 'https://id.example/admin/api'
const orders = 'https://orders.example'
const web: ClientInput = { kind: 'web', name: 'Shop', redirectUris: ['https://shop.example/cb'] }
const spa: ClientInput = { ...web, kind: 'spa' }
const native: ClientInput = { kind: 'native', name: 'App', redirectUris: ['com.example.app:/cb'] }
const machine: ClientInput = { kind: 'machine', name: 'Job', apis: { [orders]: ['orders:read'] } }

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const publicJwk = ec.publicKey.export({ format: 'jwk' })
const weakRsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })

let fresh: FreshDatabase
let store: ReturnType<typeof createClientStore>
let apis: ReturnType<typeof createApiStore>
let registration: ReturnType<typeof createClientRegistration>

beforeAll(async () => {
  fresh = await freshDatabase()
  const { database } = fresh
  store = createClientStore({ database })
  apis = createApiStore({ database })
  registration = createClientRegistration({
    store,
    findApi: apis.find,
    transaction: database.transaction,
    adminAudience,
  })
  const scopes = (names: string[]) => names.map((scope) => ({ scope, description: '' }))
  await apis.insert({ audience: adminAudience, name: 'Admin', scopes: scopes(['clients:read']), isBuiltIn: true })
  await apis.insert({ audience: orders, name: 'Orders', scopes: scopes(['orders:read', 'orders:write']) })
  await apis.insert({ audience: 'urn:stock', name: 'Stock', scopes: [] })
})
afterAll(() => fresh.drop())

const made = async (input: ClientInput) => {
  const result = await registration.create(input)
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return result
}
const countClients = async () => (await store.list({ limit: 1000 })).length

describe('registering a client', () => {
  it.each<[string, ClientInput, keyof ClientInput, RegExp]>([
    ['an unknown kind', { ...web, kind: 'robot' as never }, 'kind', /web, spa, native, machine/],
    ['no name', { ...web, name: '  ' }, 'name', /1 to 200/],
    ['a long name', { ...web, name: 'x'.repeat(201) }, 'name', /1 to 200/],
    ['a line break in the name', { ...web, name: 'a\nb' }, 'name', /control/],
    ['a name that turns text around', { ...web, name: 'a\u202eb' }, 'name', /control/],
    ['a web client without redirect URI', { ...web, redirectUris: [] }, 'redirectUris', /at least one/],
    ['a native client without redirect URI', { kind: 'native', name: 'App' }, 'redirectUris', /at least one/],
    ['http on a foreign host', { ...web, redirectUris: ['http://shop.example/cb'] }, 'redirectUris', /https/],
    ['a look-alike of localhost', { ...web, redirectUris: ['http://localhost.evil/cb'] }, 'redirectUris', /https/],
    ['javascript:', { ...web, redirectUris: ['javascript:alert(1)'] }, 'redirectUris', /scheme/],
    ['data:', { ...spa, redirectUris: ['data:text/html,x'] }, 'redirectUris', /scheme/],
    ['user info', { ...web, redirectUris: ['https://good.example@evil.example/'] }, 'redirectUris', /user name/],
    ['a fragment', { ...web, redirectUris: ['https://shop.example/#x'] }, 'redirectUris', /fragment/],
    ['a wildcard', { ...web, redirectUris: ['https://*.shop.example/'] }, 'redirectUris', /characters/],
    ['a bare custom scheme', { ...native, redirectUris: ['myapp:/cb'] }, 'redirectUris', /reversed domain/],
    [
      'too many',
      { ...web, redirectUris: Array.from({ length: 51 }, (_, i) => `https://a.example/${i}`) },
      'redirectUris',
      /50/,
    ],
    [
      'a dangerous sign-out URI',
      { ...web, postLogoutRedirectUris: ['javascript:1'] },
      'postLogoutRedirectUris',
      /scheme/,
    ],
    ['a machine with a redirect URI', { ...machine, redirectUris: ['https://a.example'] }, 'redirectUris', /machine/],
    ['a machine without any API', { kind: 'machine', name: 'Job' }, 'apis', /could do nothing/],
    ['an API that does not exist', { ...machine, apis: { 'urn:none': [] } }, 'apis', /no API urn:none/],
    ['a scope of another API', { ...machine, apis: { 'urn:stock': ['orders:read'] } }, 'apis', /has none/],
    [
      'a scope that does not exist',
      { ...machine, apis: { [orders]: ['orders:all'] } },
      'apis',
      /orders:read, orders:write/,
    ],
    [
      'the admin API among the others',
      { ...machine, apis: { [adminAudience]: ['clients:read'] } },
      'apis',
      /admin scopes/,
    ],
    ['admin scopes for a web client', { ...web, adminScopes: ['clients:read'] }, 'adminScopes', /Only a machine/],
    ['an unknown admin scope', { ...machine, adminScopes: ['everything'] }, 'adminScopes', /clients:read/],
    ['a public client without PKCE', { ...spa, requiresPkce: false }, 'requiresPkce', /confidential/],
    [
      'a secret for a browser app',
      { ...spa, tokenEndpointAuthMethod: 'client_secret_basic' },
      'tokenEndpointAuthMethod',
      /keep a secret/,
    ],
    [
      'a machine without authentication',
      { ...machine, tokenEndpointAuthMethod: 'none' },
      'tokenEndpointAuthMethod',
      /authenticate/,
    ],
    ['an unknown method', { ...web, tokenEndpointAuthMethod: 'tls' as never }, 'tokenEndpointAuthMethod', /one of/],
    ['private_key_jwt without keys', { ...web, tokenEndpointAuthMethod: 'private_key_jwt' }, 'jwks', /needs jwks/],
    ['a private key', { ...web, jwks: { keys: [ec.privateKey.export({ format: 'jwk' })] } }, 'jwks', /private/],
    ['a symmetric key', { ...web, jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }, 'jwks', /private or secret/],
    ['a weak key', { ...web, jwks: { keys: [weakRsa] } }, 'jwks', /2048/],
    ['a point off the curve', { ...web, jwks: { keys: [{ ...publicJwk, x: publicJwk.y }] } }, 'jwks', /not a valid/],
    ['no key in the set', { ...web, jwks: { keys: [] } }, 'jwks', /1 to 20/],
    ['both key sources', { ...web, jwks: { keys: [publicJwk] }, jwksUri: 'https://a.example/k' }, 'jwks', /not both/],
    ['keys over http', { ...web, jwksUri: 'http://localhost/keys' }, 'jwksUri', /https/],
    [
      'an unsigned ID token',
      { ...web, idTokenSignedResponseAlg: 'none' as never },
      'idTokenSignedResponseAlg',
      /RS256/,
    ],
    ['a script as home page', { ...web, clientUri: 'javascript:1' }, 'clientUri', /scheme/],
  ])('refuses %s', async (_, input, field, message) => {
    const before = await countClients()
    const result = await registration.create(input)
    if (result.ok) throw new Error('It was accepted.')
    expect(result.problems).toEqual([{ field, message: expect.stringMatching(message) }])
    expect(await countClients()).toBe(before)
  })

  it.each<[string, ClientInput, string | undefined]>([
    ['a web client', web, 'client_secret_basic'],
    [
      'a web client that posts its secret',
      { ...web, tokenEndpointAuthMethod: 'client_secret_post' },
      'client_secret_post',
    ],
    ['a web client without PKCE', { ...web, requiresPkce: false }, 'client_secret_basic'],
    ['a browser app on a developer’s machine', { ...spa, redirectUris: ['http://localhost:5173/cb'] }, 'none'],
    ['a native app', { ...native, redirectUris: ['com.example.app:/cb', 'http://127.0.0.1/cb'] }, 'none'],
    ['a machine', machine, 'client_secret_basic'],
    ['a machine for an API without scopes', { ...machine, apis: { 'urn:stock': [] } }, 'client_secret_basic'],
    [
      'a machine for the admin API only',
      { kind: 'machine', name: 'Ops', adminScopes: ['clients:read'] },
      'client_secret_basic',
    ],
    [
      'a client with a key',
      { ...web, tokenEndpointAuthMethod: 'private_key_jwt', jwks: { keys: [publicJwk] } },
      'private_key_jwt',
    ],
    [
      'a client with the address of its keys',
      { ...machine, tokenEndpointAuthMethod: 'private_key_jwt', jwksUri: 'https://a.example/k' },
      'private_key_jwt',
    ],
  ])('accepts %s', async (_, input, method) => {
    const { client, clientSecret } = await made(input)
    expect(client.metadata.token_endpoint_auth_method).toBe(method)
    expect(clientSecret === undefined).toBe(!method?.startsWith('client_secret'))
  })

  it('stores a digest of the secret only, and grants what was asked for without duplicates', async () => {
    const { client, clientSecret = '' } = await made({
      ...machine,
      name: '  Job  ',
      apis: { [orders]: ['orders:read', 'orders:read'] },
      adminScopes: ['clients:read', 'clients:read'],
    })
    expect(Buffer.from(clientSecret, 'base64url')).toHaveLength(32)
    expect(JSON.stringify(await fresh.database.query('SELECT * FROM clients, client_secrets'))).not.toContain(
      clientSecret,
    )
    expect(isLiveSecret(client.secrets, clientSecret, new Date())).toBe(true)
    expect(client).toMatchObject({
      name: 'Job',
      apis: { [orders]: ['orders:read'], [adminAudience]: ['clients:read'] },
    })
  })

  it('removes duplicate URIs', async () => {
    const { client } = await made({ ...web, redirectUris: ['https://a.example/', 'https://a.example/'] })
    expect(client.metadata.redirect_uris).toEqual(['https://a.example/'])
  })
})

describe('changing a client', () => {
  const changed = async (clientId: string, changes: ClientInputChanges, version?: number) => {
    const result = await registration.update(clientId, changes, version)
    if (!result.ok) throw new Error(JSON.stringify(result))
    return result.client
  }

  it('changes what was given and nothing else', async () => {
    const { client } = await made({ ...web, apis: { [orders]: ['orders:read'] }, policyUri: 'https://a.example/p' })
    const after = await changed(client.clientId, { name: 'New' }, client.version)
    expect(after).toEqual({ ...client, name: 'New', version: 2, updatedAt: after.updatedAt })
  })

  it('keeps the admin scopes when the other APIs change, and the other way round', async () => {
    const { client } = await made({ ...machine, adminScopes: ['clients:read'] })
    const other = await changed(client.clientId, { apis: { 'urn:stock': [] } })
    expect(other.apis).toEqual({ 'urn:stock': [], [adminAudience]: ['clients:read'] })
    expect((await changed(client.clientId, { adminScopes: [] })).apis).toEqual({ 'urn:stock': [] })
  })

  it('takes away with null what a client need not have', async () => {
    const { client } = await made({ ...web, jwksUri: 'https://a.example/k', clientUri: 'https://a.example/' })
    const after = await changed(client.clientId, { jwksUri: null, jwks: { keys: [publicJwk] }, clientUri: null })
    expect(Object.keys(after.metadata)).toEqual(expect.not.arrayContaining(['jwks_uri', 'client_uri']))
    expect(after.metadata.jwks).toEqual({ keys: [publicJwk] })
  })

  it.each<[string, ClientInput, ClientInputChanges, string]>([
    ['another kind', web, { kind: 'spa' }, 'kind'],
    ['no redirect URI', web, { redirectUris: [] }, 'redirectUris'],
    ['a machine that keeps no API', machine, { apis: {} }, 'apis'],
    ['admin scopes for people’s clients', native, { adminScopes: ['clients:read'] }, 'adminScopes'],
  ])('refuses %s', async (_, input, changes, field) => {
    const { client } = await made(input)
    const result = await registration.update(client.clientId, changes)
    if (result.ok) throw new Error('It was accepted.')
    expect('problems' in result && result.problems.map((problem) => problem.field)).toContain(field)
    expect(await store.find(client.clientId)).toEqual(client)
  })

  it('still renames a machine whose only API was removed', async () => {
    await apis.insert({ audience: 'urn:short-lived', name: 'Short', scopes: [] })
    const { client } = await made({ ...machine, apis: { 'urn:short-lived': [] } })
    await apis.remove('urn:short-lived')
    expect((await changed(client.clientId, { name: 'Idle' })).name).toBe('Idle')
  })

  it('says that there is no such client, or that somebody was faster', async () => {
    const { client } = await made(web)
    await changed(client.clientId, { name: 'First' }, 1)
    expect(await registration.update('client_none', { name: 'x' })).toEqual({ ok: false, reason: 'not_found' })
    expect(await registration.update(client.clientId, { name: 'Second' }, 1)).toEqual({
      ok: false,
      reason: 'version_conflict',
    })
  })

  it('leaves the server’s own clients alone', async () => {
    await store.insert({ clientId: 'gatehouse-console', kind: 'web', name: 'Console', metadata: {}, isBuiltIn: true })
    expect(await registration.update('gatehouse-console', { name: 'x' })).toEqual({ ok: false, reason: 'built_in' })
    expect(await registration.rotateSecret('gatehouse-console')).toEqual({ ok: false, reason: 'built_in' })
  })

  it('ends the secret of a client that goes over to keys', async () => {
    const { client, clientSecret = '' } = await made(web)
    await changed(client.clientId, { tokenEndpointAuthMethod: 'private_key_jwt', jwks: { keys: [publicJwk] } })
    const back = await changed(client.clientId, { tokenEndpointAuthMethod: 'client_secret_basic' })
    expect(isLiveSecret(back.secrets, clientSecret, new Date())).toBe(false)
  })

  it('of ten changes from one version exactly one wins', async () => {
    const { client } = await made(web)
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, i) => registration.update(client.clientId, { name: `N${i}` }, 1)),
    )
    expect(results.filter(({ ok }) => ok)).toHaveLength(1)
    expect(results.filter((result) => 'reason' in result && result.reason === 'version_conflict')).toHaveLength(9)
  })
})

describe('rotating a secret', () => {
  it('keeps the old one alive for the overlap', async () => {
    const { client, clientSecret: old = '' } = await made(machine)
    const rotated = await registration.rotateSecret(client.clientId, { overlapSeconds: 60 })
    if (!rotated.ok) throw new Error(rotated.reason)
    const { secrets = [] } = (await store.find(client.clientId)) ?? {}
    const inOneMinute = new Date(Date.now() + 61_000)
    expect([old, rotated.clientSecret].map((secret) => isLiveSecret(secrets, secret, new Date()))).toEqual([true, true])
    expect([old, rotated.clientSecret].map((secret) => isLiveSecret(secrets, secret, inOneMinute))).toEqual([
      false,
      true,
    ])
    expect(Math.abs(rotated.oldSecretsExpireAt.getTime() - Date.now() - 60_000)).toBeLessThan(5000)
  })

  it('ends the old one at once without an overlap', async () => {
    const { client, clientSecret: old = '' } = await made(machine)
    await registration.rotateSecret(client.clientId, { overlapSeconds: 0 })
    const { secrets = [] } = (await store.find(client.clientId)) ?? {}
    expect(isLiveSecret(secrets, old, new Date())).toBe(false)
    expect(secrets).toHaveLength(1)
  })

  it('gives no secret for a client that has changed since its rights were looked at', async () => {
    const { client } = await made(machine)
    await registration.update(client.clientId, { adminScopes: ['clients:read'] })
    const rotated = await registration.rotateSecret(client.clientId, { version: client.version })
    expect(rotated).toEqual({ ok: false, reason: 'version_conflict' })
    expect((await store.find(client.clientId))?.secrets).toEqual(client.secrets)
  })

  it('says so when there is nothing to rotate', async () => {
    const { client } = await made(spa)
    expect(await registration.rotateSecret(client.clientId)).toEqual({ ok: false, reason: 'no_secret' })
    expect(await registration.rotateSecret('client_none')).toEqual({ ok: false, reason: 'not_found' })
  })
})
