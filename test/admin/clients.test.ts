import { generateKeyPairSync } from 'node:crypto'
import { isLiveSecret } from '../../src/clients/client-secret.ts'
import { type AdminWorld, adminAudience, adminWorld, type Body } from './admin-world.ts'

const clientsPath = '/admin/api/v1/clients'
const orders = 'https://orders.example'
const web = { type: 'web', client_name: 'Shop', redirect_uris: ['https://shop.example/cb'] }
const machine = { type: 'machine', client_name: 'Job', apis: [{ audience: orders, scopes: ['orders:read'] }] }

let world: AdminWorld
let token: string

beforeAll(async () => {
  world = await adminWorld()
  token = await world.token({ sub: await world.makeOwner() })
  const scopes = ['orders:read', 'orders:write'].map((scope) => ({ scope, description: '' }))
  await world.apis.insert({ audience: orders, name: 'Orders', scopes })
})
afterAll(() => world.close())

const created = async (body: object, as = token): Promise<Body> => {
  const answer = await world.call('POST', clientsPath, { token: as, body })
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  return answer.body
}
const patch = (id: string, body: unknown, ifMatch = '*', as = token) =>
  world.call('PATCH', `${clientsPath}/${id}`, { token: as, body, headers: ifMatch ? { 'If-Match': ifMatch } : {} })

describe('registering clients over the admin API', () => {
  it('answers 201 with where it is, its version, and its secret once', async () => {
    const answer = await world.call('POST', clientsPath, { token, body: machine })
    expect(answer.status).toBe(201)
    const { client_id: id, client_secret: secret } = answer.body
    expect(answer.body).toMatchObject({
      type: 'machine',
      client_name: 'Job',
      apis: [{ audience: orders, scopes: ['orders:read'] }],
      admin_scopes: [],
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_basic',
      secrets: [{ expires_at: null }],
      disabled_at: null,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    })
    expect(answer.headers.get('Location')).toBe(`${clientsPath}/${id}`)
    expect(answer.headers.get('ETag')).toBe('"1"')
    expect(answer.headers.get('Cache-Control')).toBe('no-store')
    expect(isLiveSecret((await world.clients.find(id))?.secrets ?? [], secret, new Date())).toBe(true)

    const shown = await world.call('GET', `${clientsPath}/${id}`, { token })
    expect({ ...shown.body, client_secret: secret }).toEqual(answer.body)
    expect(JSON.stringify(world.lines)).not.toContain(secret)
  })

  it('gives a rule of its own for second factors, changes that, and takes it away', async () => {
    expect(await created(web)).toMatchObject({ second_factor: null })
    const { client_id: id, ...rest } = await created({ ...web, second_factor: 'required-for:owner' })
    expect(rest).toMatchObject({ second_factor: 'required-for:owner' })
    const shown = async () => (await world.call('GET', `${clientsPath}/${id}`, { token })).body.second_factor
    expect(await patch(id, { second_factor: 'off' })).toMatchObject({ status: 200, body: { second_factor: 'off' } })
    expect(await patch(id, { client_name: 'Shop 2' })).toMatchObject({ body: { second_factor: 'off' } })
    for (const wrong of ['always', '', 'required-for:', 'required-for:a b', 7])
      expect(await patch(id, { second_factor: wrong })).toMatchObject({
        status: 400,
        body: { errors: [{ field: 'second_factor' }] },
      })
    expect(await shown()).toBe('off')
    expect(await patch(id, { second_factor: null })).toMatchObject({ status: 200, body: { second_factor: null } })
    expect(await shown()).toBeNull()
    expect(await world.clients.find(id)).toMatchObject({ secondFactor: undefined })
    const answer = await world.call('POST', clientsPath, { token, body: { ...web, second_factor: 'sometimes' } })
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ field: 'second_factor' }] } })
    const none = await world.call('POST', clientsPath, { token, body: { ...web, second_factor: null } })
    expect(none).toMatchObject({ status: 201, body: { second_factor: null } })
  })

  it('names every field that is wrong, with the fields of the JSON', async () => {
    const body = { type: 'web', client_name: '', redirect_uris: ['javascript:1'], require_pkce: 'no', jwks_uri: 7 }
    const answer = await world.call('POST', clientsPath, { token, body })
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request', status: 400 } })
    expect(answer.headers.get('Content-Type')).toMatch('application/problem+json')
    expect(answer.body.errors.map(({ field }) => field).sort()).toEqual(['jwks_uri', 'require_pkce'])
    const deeper = await world.call('POST', clientsPath, {
      token,
      body: { ...web, client_name: '', redirect_uris: [] },
    })
    expect(deeper.body.errors.map(({ field }) => field).sort()).toEqual(['client_name', 'redirect_uris'])
  })

  it.each<[string, object, string]>([
    ['no type', { client_name: 'x' }, 'type'],
    ['an API twice', { ...machine, apis: [...machine.apis, ...machine.apis] }, 'apis'],
    ['an unknown API', { ...machine, apis: [{ audience: 'urn:none', scopes: [] }] }, 'apis'],
    [
      'the admin API among the others',
      { ...machine, apis: [{ audience: adminAudience, scopes: ['clients:read'] }] },
      'apis',
    ],
    ['a machine without any API', { type: 'machine', client_name: 'x' }, 'apis'],
    ['admin scopes for a web client', { ...web, admin_scopes: ['clients:read'] }, 'admin_scopes'],
    ['keys in a private network', { ...web, jwks_uri: 'https://10.0.0.1/keys' }, 'jwks_uri'],
    ['keys of the metadata service', { ...web, jwks_uri: 'https://169.254.169.254/latest' }, 'jwks_uri'],
  ])('refuses %s', async (_, body, field) => {
    const answer = await world.call('POST', clientsPath, { token, body })
    expect({ status: answer.status, field: answer.body.errors?.[0]?.field }).toEqual({ status: 400, field })
  })

  it.each([
    ['client_id', 'client_mine'],
    ['client_secret', 'mine'],
    ['secrets', []],
    ['built_in', true],
    ['dynamically_registered', true],
    ['grant_types', ['implicit']],
    ['response_types', ['token']],
    ['disabled_at', null],
    ['created_at', '2020-01-01T00:00:00Z'],
    ['version', 7],
    ['metadata', {}],
    ['constructor', { prototype: { isAdmin: true } }],
  ])('refuses the field %s, in creation and in change', async (field, value) => {
    const answers = [
      await world.call('POST', clientsPath, { token, body: { ...web, [field]: value } }),
      await patch((await created(web)).client_id, { [field]: value }),
    ]
    for (const answer of answers) {
      expect(answer.status).toBe(400)
      expect(answer.body.errors).toEqual([{ field, message: 'There is no such field.' }])
    }
  })

  it('refuses __proto__ and leaves every object alone', async () => {
    const body = `{"type":"web","client_name":"x","redirect_uris":["https://a.example/"],"__proto__":{"isAdmin":true}}`
    const answer = await world.call('POST', clientsPath, { token, body })
    expect(answer.body.errors).toEqual([{ field: '__proto__', message: 'There is no such field.' }])
    const inside = `{"type":"machine","client_name":"x","apis":[{"audience":"urn:x","scopes":[],"__proto__":{"isAdmin":true}}]}`
    expect((await world.call('POST', clientsPath, { token, body: inside })).body.errors).toEqual([
      { field: 'apis.0.__proto__', message: 'There is no such field.' },
    ])
    expect('isAdmin' in {}).toBe(false)
  })

  it.each<[string, unknown, Record<string, string>, number]>([
    ['no JSON', '{', {}, 400],
    ['a list', [], {}, 400],
    ['null', 'null', {}, 400],
    ['a form', 'type=web', { 'Content-Type': 'application/x-www-form-urlencoded' }, 415],
    ['XML', '<client/>', { 'Content-Type': 'text/xml' }, 415],
    ['nothing', undefined, {}, 400],
    ['too much', { ...web, client_name: 'x'.repeat(70_000) }, {}, 413],
    ['a NUL', { ...web, client_name: 'a\u0000' }, {}, 400],
  ])('refuses a body that is %s', async (_, body, headers, status) => {
    expect((await world.call('POST', clientsPath, { token, body, headers })).status).toBe(status)
  })
})

describe('changing clients over the admin API', () => {
  it('changes what is given, keeps the rest, and counts the version up', async () => {
    const { client_id: id } = await created({ ...web, policy_uri: 'https://shop.example/privacy' })
    const answer = await patch(id, { client_name: 'New', first_party: true, policy_uri: null }, '"1"')
    expect(answer).toMatchObject({
      status: 200,
      body: { client_name: 'New', first_party: true, redirect_uris: web.redirect_uris },
    })
    expect(answer.body).not.toHaveProperty('policy_uri')
    expect(answer.headers.get('ETag')).toBe('"2"')
    expect(world.forgotten).toContain(id)
  })

  it.each([
    ['', 428],
    ['"7"', 412],
    ['W/"1"', 412],
    ['"other"', 412],
    ['1', 400],
    ['"1", "2"', 400],
  ])('with If-Match %j answers %d', async (ifMatch, status) => {
    const { client_id: id } = await created(web)
    const answer = await patch(id, { client_name: 'x' }, ifMatch)
    expect(answer.status).toBe(status)
    expect((await world.clients.find(id))?.name).toBe('Shop')
  })

  it('lets exactly one of two changes from the same version through, fifty times', async () => {
    const { client_id: id } = await created(web)
    for (let version = 1; version <= 50; version += 1) {
      const answers = await Promise.all(['a', 'b'].map((client_name) => patch(id, { client_name }, `"${version}"`)))
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 412])
    }
  })

  it('refuses another type, and answers 404 for a client that is not there', async () => {
    const { client_id: id } = await created(web)
    expect((await patch(id, { type: 'spa' })).body.errors).toEqual([
      { field: 'type', message: 'There is no such field.' },
    ])
    expect((await patch('client_none', { client_name: 'x' })).status).toBe(404)
  })
})

describe('ending and rotating over the admin API', () => {
  const post = (id: string, verb: string, body?: unknown, as = token) =>
    world.call('POST', `${clientsPath}/${id}/${verb}`, { token: as, body })

  it('rotates a secret and keeps the old one for the overlap', async () => {
    const { client_id: id, client_secret: old } = await created(machine)
    const answer = await post(id, 'rotate-secret', { overlap_seconds: 60 })
    expect(answer).toMatchObject({ status: 200, body: { client_id: id } })
    const secrets = (await world.clients.find(id))?.secrets ?? []
    const at = (seconds: number) =>
      [old, answer.body.client_secret].map((secret) =>
        isLiveSecret(secrets, secret, new Date(Date.now() + seconds * 1000)),
      )
    expect([at(0), at(61)]).toEqual([
      [true, true],
      [false, true],
    ])
    expect(String(answer.body.old_secrets_expire_at)).toMatch(/Z$/)
  })

  it('rotates without a body, and refuses a wrong overlap or a client without a secret', async () => {
    const { client_id: id } = await created(machine)
    expect((await post(id, 'rotate-secret')).status).toBe(200)
    expect((await post(id, 'rotate-secret', { overlap_seconds: -1 })).status).toBe(400)
    expect((await post(id, 'rotate-secret', { overlap_seconds: 1e9 })).status).toBe(400)
    expect((await post(id, 'rotate-secret', { overlap: 1 })).status).toBe(400)
    const spa = await created({ ...web, type: 'spa' })
    expect(await post(spa.client_id, 'rotate-secret')).toMatchObject({ status: 409, body: { code: 'no_secret' } })
    expect((await post('client_none', 'rotate-secret')).status).toBe(404)
  })

  it('disables and enables, and what was granted is gone', async () => {
    const { client_id: id } = await created(web)
    const sub = await world.makeOwner()
    await world.database.query(
      "INSERT INTO grants (key, sub, client_id, payload, expires_at) VALUES ('\\x01', $1, $2, '{}', now() + interval '1 day')",
      [sub, id],
    )
    const disabled = await post(id, 'disable')
    expect(disabled).toMatchObject({ status: 200, body: { disabled_at: expect.any(String) } })
    expect(await world.database.query('SELECT 1 FROM grants WHERE client_id = $1', [id])).toEqual([])
    expect((await post(id, 'enable')).body.disabled_at).toBeNull()
    expect((await post('client_none', 'disable')).status).toBe(404)
    expect((await post(id, 'disable', { reason: 'x' })).status).toBe(400)
  })

  it('deletes once, and only the version that was meant', async () => {
    const { client_id: id } = await created(web)
    const remove = (headers = {}) => world.call('DELETE', `${clientsPath}/${id}`, { token, headers })
    expect((await remove({ 'If-Match': '"9"' })).status).toBe(412)
    expect((await remove({ 'If-Match': '"1"' })).status).toBe(204)
    expect((await remove()).status).toBe(404)
    expect((await world.call('GET', `${clientsPath}/${id}`, { token })).status).toBe(404)
  })

  it('leaves the server’s own clients alone', async () => {
    const id = 'gatehouse-console'
    await world.clients.insert({ clientId: id, kind: 'web', name: 'Console', metadata: {}, isBuiltIn: true })
    const answers = [
      await patch(id, { client_name: 'x' }),
      await post(id, 'disable'),
      await post(id, 'enable'),
      await post(id, 'rotate-secret'),
      await world.call('DELETE', `${clientsPath}/${id}`, { token }),
    ]
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual(answers.map(() => [403, 'built_in']))
    expect(await world.clients.find(id)).toMatchObject({ name: 'Console', disabledAt: undefined, version: 1 })
  })
})

describe('a machine that registers clients', () => {
  it('cannot grant admin scopes that it does not hold, nor take hold of a client that has them', async () => {
    const weak = await world.machineToken('clients:write', 'clients:read')
    const strong = await created({ type: 'machine', client_name: 'Strong', admin_scopes: ['accounts:write'] })
    const own = await created({ type: 'machine', client_name: 'Own', admin_scopes: ['clients:read'] }, weak)
    const id = strong.client_id
    const jwks = { keys: [generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })] }
    const answers = [
      await world.call('POST', clientsPath, {
        token: weak,
        body: { type: 'machine', client_name: 'x', admin_scopes: ['clients:read', 'accounts:write'] },
      }),
      await patch(own.client_id, { admin_scopes: ['accounts:write'] }, '*', weak),
      await patch(id, { token_endpoint_auth_method: 'private_key_jwt', jwks }, '*', weak),
      await world.call('POST', `${clientsPath}/${id}/rotate-secret`, { token: weak }),
      await world.call('POST', `${clientsPath}/${id}/disable`, { token: weak }),
      await world.call('POST', `${clientsPath}/${id}/enable`, { token: weak }),
      await world.call('DELETE', `${clientsPath}/${id}`, { token: weak }),
    ]
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } })
      expect(answer.headers.get('WWW-Authenticate')).toContain('scope="accounts:write"')
    }
    expect(await world.clients.find(id)).toMatchObject({ version: 1, disabledAt: undefined })
  })

  it('cannot use through a token what was withdrawn from it since', async () => {
    const clientId = await world.makeMachine(['clients:write', 'accounts:write'])
    const old = await world.token({ sub: clientId, clientId, scope: 'clients:write accounts:write' })
    await world.clients.update(clientId, { apis: { [adminAudience]: ['clients:write'] } })
    const body = { type: 'machine', client_name: 'x', admin_scopes: ['accounts:write'] }
    expect((await world.call('POST', clientsPath, { token: old, body })).status).toBe(403)
  })
})
