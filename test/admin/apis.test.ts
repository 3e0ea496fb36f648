import { type AdminWorld, adminAudience, adminWorld } from './admin-world.ts'

const apisPath = '/admin/api/v1/apis'
const one = (audience: string) => `${apisPath}/${encodeURIComponent(audience)}`
const good = { audience: 'https://orders.example/v1', name: 'Orders', scopes: [{ scope: 'read', description: 'Read' }] }

let world: AdminWorld
let token: string

beforeAll(async () => {
  world = await adminWorld()
  token = await world.token({ sub: await world.makeOwner() })
})
afterAll(() => world.close())

const patch = (audience: string, body: unknown, ifMatch = '*') =>
  world.call('PATCH', one(audience), { token, body, headers: ifMatch ? { 'If-Match': ifMatch } : {} })

describe('registering APIs over the admin API', () => {
  it('registers, shows, changes and deletes an API by its percent-encoded audience', async () => {
    const made = await world.call('POST', apisPath, { token, body: good })
    expect(made).toMatchObject({
      status: 201,
      body: { ...good, token_format: 'jwt', token_ttl: 600, signing_alg: 'ES256', built_in: false },
    })
    expect(made.headers.get('Location')).toBe(one(good.audience))
    expect((await world.call('GET', one(good.audience), { token })).body).toEqual(made.body)
    const changed = await patch(good.audience, { scopes: [{ scope: 'write' }], token_ttl: 60 }, '"1"')
    expect(changed).toMatchObject({
      status: 200,
      body: { scopes: [{ scope: 'write', description: '' }], token_ttl: 60 },
    })
    expect(changed.headers.get('ETag')).toBe('"2"')
    const remove = (headers = {}) => world.call('DELETE', one(good.audience), { token, headers })
    expect((await remove({ 'If-Match': '"1"' })).status).toBe(412)
    expect([(await remove()).status, (await remove()).status]).toEqual([204, 404])
    expect(world.forgotten.filter((what) => what === 'apis')).toHaveLength(3)
  })

  it.each<[string, object, string]>([
    ['a taken scope name', { scopes: [{ scope: 'openid' }] }, 'scopes'],
    ['the issuer as audience', { audience: 'https://id.example' }, 'audience'],
    ['tokens of a week', { token_ttl: 604_800 }, 'token_ttl'],
    ['an unknown client', { introspection_clients: ['client_none'] }, 'introspection_clients'],
    ['a field of its own', { built_in: true }, 'built_in'],
    ['a field in a scope', { scopes: [{ scope: 'a', grants: 'all' }] }, 'scopes.0.grants'],
    [
      'a rule for another claim',
      { token_claims: { rules: [{ claim: 'scope', value: 'x', role: 'y' }] } },
      'token_claims.rules.0.claim',
    ],
    ['a rule for everybody', { token_claims: { rules: [{ claim: 'roles', value: 'x' }] } }, 'token_claims'],
    ['a claim that is taken', { token_claims: { claims: { sub: 'account.email' } } }, 'token_claims'],
    ['a key set without a key', { encryption: { jwks: { keys: [] } } }, 'encryption'],
    ['a key in the own network', { encryption: { jwks_uri: 'https://10.0.0.1/jwks' } }, 'encryption'],
    [
      'encryption of opaque tokens',
      { token_format: 'opaque', encryption: { jwks_uri: 'https://k.example/' } },
      'encryption',
    ],
    ['an unknown algorithm', { signing_alg: 'none' }, 'signing_alg'],
  ])('refuses %s', async (_, change, field) => {
    const answer = await world.call('POST', apisPath, { token, body: { ...good, ...change } })
    expect({ status: answer.status, field: answer.body.errors[0]?.field }).toEqual({ status: 400, field })
  })

  it('keeps what its tokens tell, part by part', async () => {
    const audience = 'urn:telling'
    const rules = [
      { claim: 'groups', value: 'staff', email_domain: 'example.com' },
      { claim: 'roles', value: 'admin', role: 'owner' },
    ]
    const made = await world.call('POST', apisPath, { token, body: { ...good, audience, token_claims: { rules } } })
    expect(made.body.token_claims).toEqual({ rules })
    const claims = { zone: 'account.profile.zoneinfo' }
    await patch(audience, { token_claims: { roles: 'all', claims } })
    expect((await patch(audience, { token_claims: { claims: {} } })).body.token_claims).toEqual({
      roles: 'all',
      rules,
      claims: {},
    })
    expect((await patch(audience, { name: 'other' })).body.token_claims).toMatchObject({ roles: 'all', rules })
  })

  it('keeps where the key is to which its tokens are encrypted, until it is taken away', async () => {
    const audience = 'urn:sealed'
    const encryption = { jwks_uri: 'https://keys.example/jwks' }
    const made = await world.call('POST', apisPath, { token, body: { ...good, audience, encryption } })
    expect(made.body.encryption).toEqual(encryption)
    expect((await patch(audience, { name: 'other' })).body.encryption).toEqual(encryption)
    expect((await patch(audience, { encryption: null })).body.encryption).toBeNull()
  })

  it('answers 409 for a taken audience, also when two come at once', async () => {
    const body = { ...good, audience: 'urn:contested' }
    const answers = await Promise.all([1, 2, 3].map(() => world.call('POST', apisPath, { token, body })))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409])
  })

  it('demands If-Match, and lets exactly one of two changes through', async () => {
    await world.call('POST', apisPath, { token, body: { ...good, audience: 'urn:race' } })
    expect((await patch('urn:race', { name: 'x' }, '')).status).toBe(428)
    const answers = await Promise.all(['a', 'b'].map((name) => patch('urn:race', { name }, '"1"')))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412])
  })

  it('leaves the admin API alone', async () => {
    const answers = [
      await patch(adminAudience, { name: 'x' }),
      await world.call('DELETE', one(adminAudience), { token }),
    ]
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual(answers.map(() => [403, 'built_in']))
  })

  it('withdraws a scope that is gone from the clients that had it', async () => {
    await world.call('POST', apisPath, { token, body: { ...good, audience: 'urn:shrinks' } })
    await world.clients.insert({
      clientId: 'client_a',
      kind: 'machine',
      name: 'a',
      metadata: {},
      apis: { 'urn:shrinks': ['read'] },
    })
    await patch('urn:shrinks', { scopes: [] })
    expect((await world.clients.find('client_a'))?.apis).toEqual({ 'urn:shrinks': [] })
  })
})
