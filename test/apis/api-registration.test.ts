import { type ApiInput, type ApiInputChanges, createApiRegistration } from '../../src/apis/api-registration.ts'
import { createApiStore } from '../../src/apis/api-store.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'

const issuer = 'https://id.example'
const adminAudience = `${issuer}/admin/api`
const good: ApiInput = {
  audience: 'https://api.example',
  name: 'API',
  scopes: [{ scope: 'read', description: 'Read' }],
}
const scope = (name: string, description = '') => ({ scope: name, description })

let fresh: FreshDatabase
let registration: ReturnType<typeof createApiRegistration>

beforeAll(async () => {
  fresh = await freshDatabase()
  const store = createApiStore({ database: fresh.database })
  await store.insert({ audience: adminAudience, name: 'Admin', scopes: [scope('clients:read')], isBuiltIn: true })
  await fresh.database.query("INSERT INTO clients (client_id, kind, name) VALUES ('client_1', 'machine', 'x')")
  registration = createApiRegistration({
    store,
    hasClient: async (clientId) => clientId === 'client_1',
    transaction: fresh.database.transaction,
    issuer,
    adminAudience,
  })
})
afterAll(() => fresh.drop())

describe('registering an API', () => {
  it.each<[string, Partial<ApiInput>, keyof ApiInput, RegExp]>([
    ['a word', { audience: 'orders' }, 'audience', /absolute URI/],
    ['a host and port without scheme', { audience: 'localhost:3000' }, 'audience', /absolute URI/],
    ['an empty audience', { audience: '' }, 'audience', /absolute URI/],
    ['a fragment', { audience: 'https://api.example/#a' }, 'audience', /fragment/],
    ['a space', { audience: 'https://api.example/a b' }, 'audience', /characters/],
    ['a line break', { audience: 'https://api.example/\n' }, 'audience', /characters/],
    ['letters beyond ASCII', { audience: 'https://äpi.example' }, 'audience', /characters/],
    ['a long audience', { audience: `https://api.example/${'a'.repeat(240)}` }, 'audience', /255/],
    ['a password in the audience', { audience: 'https://u:p@api.example' }, 'audience', /user name/],
    ['the issuer', { audience: issuer }, 'audience', /belongs to the server/],
    ['the issuer with a slash', { audience: `${issuer}/` }, 'audience', /belongs to the server/],
    ['the issuer in capitals', { audience: 'HTTPS://ID.example' }, 'audience', /belongs to the server/],
    ['the admin API', { audience: adminAudience }, 'audience', /belongs to the server/],
    ['no name', { name: ' ' }, 'name', /1 to 200/],
    ['a control character in the name', { name: 'a\u0007' }, 'name', /control/],
    ['a space in a scope', { scopes: [scope('a b')] }, 'scopes', /printable/],
    ['a quote in a scope', { scopes: [scope('a"b')] }, 'scopes', /printable/],
    ['a backslash in a scope', { scopes: [scope('a\\b')] }, 'scopes', /printable/],
    ['an empty scope', { scopes: [scope('')] }, 'scopes', /printable/],
    ['a long scope', { scopes: [scope('a'.repeat(101))] }, 'scopes', /100/],
    ...['openid', 'profile', 'email', 'offline_access', 'address', 'phone'].map(
      (name): [string, Partial<ApiInput>, keyof ApiInput, RegExp] => [
        `the scope ${name}`,
        { scopes: [scope(name)] },
        'scopes',
        /OpenID Connect/,
      ],
    ),
    ['a scope twice', { scopes: [scope('a'), scope('a', 'again')] }, 'scopes', /twice/],
    ['a long description', { scopes: [scope('a', 'x'.repeat(501))] }, 'scopes', /500/],
    ['tokens of nine seconds', { tokenTtl: 9 }, 'tokenTtl', /10 to 86400/],
    ['tokens of more than a day', { tokenTtl: 86_401 }, 'tokenTtl', /10 to 86400/],
    ['half a second', { tokenTtl: 10.5 }, 'tokenTtl', /10 to 86400/],
    ['an unknown format', { tokenFormat: 'saml' as never }, 'tokenFormat', /jwt or opaque/],
    ['an unsafe algorithm', { signingAlg: 'HS256' as never }, 'signingAlg', /ES256/],
    ['an unknown client', { introspectionClients: ['client_none'] }, 'introspectionClients', /no client/],
  ])('refuses %s', async (_, change, field, message) => {
    const result = await registration.create({ ...good, ...change })
    expect(result).toEqual({ ok: false, problems: [{ field, message: expect.stringMatching(message) }] })
  })

  it.each<[string, Partial<ApiInput>]>([
    ['an https audience', {}],
    ['a urn', { audience: 'urn:example:orders' }],
    ['a neighbour of the admin API', { audience: `${adminAudience}2` }],
    ['an API without scopes', { audience: 'urn:bare', scopes: [] }],
    [
      'every choice',
      {
        audience: 'urn:all',
        tokenFormat: 'opaque',
        tokenTtl: 10,
        signingAlg: 'EdDSA',
        introspectionClients: ['client_1'],
      },
    ],
  ])('accepts %s', async (_, change) => {
    const result = await registration.create({ ...good, ...change })
    expect(result).toMatchObject({ ok: true, api: { ...good, ...change } })
  })

  it('says that an audience is taken, also when two come at once', async () => {
    const input = { ...good, audience: 'urn:contested' }
    const results = await Promise.all([registration.create(input), registration.create(input)])
    expect(results.filter(({ ok }) => ok)).toHaveLength(1)
    expect(results).toContainEqual({ ok: false, reason: 'taken' })
  })
})

describe('changing and removing an API', () => {
  it('changes what was given and withdraws scopes that are gone', async () => {
    await registration.create({ ...good, audience: 'urn:change', scopes: [scope('a'), scope('b')] })
    const result = await registration.update('urn:change', { scopes: [scope('b', 'B'), scope('c')], tokenTtl: 60 }, 1)
    expect(result).toMatchObject({
      ok: true,
      api: { name: 'API', tokenTtl: 60, scopes: [scope('b', 'B'), scope('c')], version: 2 },
    })
  })

  it.each<[string, string, ApiInputChanges, number | undefined, string]>([
    ['is not there', 'urn:none', { name: 'x' }, undefined, 'not_found'],
    ['belongs to the server', adminAudience, { name: 'x' }, undefined, 'built_in'],
    ['has changed meanwhile', 'https://api.example', { name: 'x' }, 7, 'version_conflict'],
  ])('refuses to change one that %s', async (_, audience, changes, version, reason) => {
    expect(await registration.update(audience, changes, version)).toEqual({ ok: false, reason })
  })

  it('refuses a wrong field', async () => {
    expect(await registration.update('https://api.example', { tokenTtl: 1 })).toMatchObject({
      problems: [{ field: 'tokenTtl' }],
    })
  })

  it('removes an API once, and never the server’s own', async () => {
    await registration.create({ ...good, audience: 'urn:gone' })
    expect(await registration.remove('urn:gone')).toEqual({ ok: true })
    expect(await registration.remove('urn:gone')).toEqual({ ok: false, reason: 'not_found' })
    expect(await registration.remove(adminAudience)).toEqual({ ok: false, reason: 'built_in' })
  })
})
