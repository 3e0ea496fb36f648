import { exportJWK, generateKeyPair, type JSONWebKeySet, SignJWT } from 'jose'
import { type AdminWorld, adminAudience, adminWorld, everyScope, issuer, type TokenChoice } from './admin-world.ts'

// Every route of the API with a request that succeeds for an owner. A route that is missing here fails the first test.
const routes: Record<
  string,
  {
    path: (ids: Ids) => string
    body?: object | ((ids: Ids) => object)
    headers?: Record<string, string>
    scope: string
  }
> = {
  'GET /clients': { path: () => '/clients', scope: 'clients:read' },
  'POST /clients': {
    path: () => '/clients',
    body: { type: 'web', client_name: 'x', redirect_uris: ['https://a.example/'] },
    scope: 'clients:write',
  },
  'GET /clients/{client_id}': { path: ({ client }) => `/clients/${client}`, scope: 'clients:read' },
  'PATCH /clients/{client_id}': {
    path: ({ client }) => `/clients/${client}`,
    body: { client_name: 'y' },
    headers: { 'If-Match': '*' },
    scope: 'clients:write',
  },
  'DELETE /clients/{client_id}': { path: ({ client }) => `/clients/${client}`, scope: 'clients:write' },
  'POST /clients/{client_id}/rotate-secret': {
    path: ({ client }) => `/clients/${client}/rotate-secret`,
    scope: 'clients:write',
  },
  'POST /clients/{client_id}/disable': { path: ({ client }) => `/clients/${client}/disable`, scope: 'clients:write' },
  'POST /clients/{client_id}/enable': { path: ({ client }) => `/clients/${client}/enable`, scope: 'clients:write' },
  'GET /apis': { path: () => '/apis', scope: 'apis:read' },
  'POST /apis': { path: () => '/apis', body: { audience: 'urn:new', name: 'x' }, scope: 'apis:write' },
  'GET /apis/{audience}': { path: ({ api }) => `/apis/${api}`, scope: 'apis:read' },
  'PATCH /apis/{audience}': {
    path: ({ api }) => `/apis/${api}`,
    body: { name: 'y' },
    headers: { 'If-Match': '*' },
    scope: 'apis:write',
  },
  'DELETE /apis/{audience}': { path: ({ api }) => `/apis/${api}`, scope: 'apis:write' },
  'GET /accounts': { path: () => '/accounts', scope: 'accounts:read' },
  'POST /accounts': { path: () => '/accounts', body: { email: 'new@example.com' }, scope: 'accounts:write' },
  'GET /accounts/{sub}': { path: ({ account }) => `/accounts/${account}`, scope: 'accounts:read' },
  'PATCH /accounts/{sub}': {
    path: ({ account }) => `/accounts/${account}`,
    body: { name: 'y' },
    headers: { 'If-Match': '*' },
    scope: 'accounts:write',
  },
  'DELETE /accounts/{sub}': { path: ({ account }) => `/accounts/${account}`, scope: 'accounts:write' },
  'POST /accounts/{sub}/disable': { path: ({ account }) => `/accounts/${account}/disable`, scope: 'accounts:write' },
  'POST /accounts/{sub}/unlock': { path: ({ account }) => `/accounts/${account}/unlock`, scope: 'accounts:write' },
  'POST /accounts/{sub}/invitation': {
    path: ({ account }) => `/accounts/${account}/invitation`,
    scope: 'accounts:write',
  },
  'POST /accounts/{sub}/one-time-link': {
    path: ({ account }) => `/accounts/${account}/one-time-link`,
    scope: 'accounts:write',
  },
  'POST /accounts/{sub}/reset-factors': {
    path: ({ account }) => `/accounts/${account}/reset-factors`,
    scope: 'accounts:write',
  },
  'POST /accounts/{sub}/sign-out': { path: ({ account }) => `/accounts/${account}/sign-out`, scope: 'accounts:write' },
  'GET /accounts/{sub}/sessions': { path: ({ account }) => `/accounts/${account}/sessions`, scope: 'accounts:read' },
  'DELETE /accounts/{sub}/sessions/{uid}': {
    path: ({ account }) => `/accounts/${account}/sessions/s-${account}`,
    scope: 'accounts:write',
  },
  'POST /accounts/{sub}/enable': { path: ({ account }) => `/accounts/${account}/enable`, scope: 'accounts:write' },
  'GET /exchange-policies': { path: () => '/exchange-policies', scope: 'exchange-policies:read' },
  'POST /exchange-policies': {
    path: () => '/exchange-policies',
    body: ({ exchanger, api }) => ({ client_id: exchanger, subject_audience: api, audience: api }),
    scope: 'exchange-policies:write',
  },
  'GET /exchange-policies/{id}': {
    path: ({ policy }) => `/exchange-policies/${policy}`,
    scope: 'exchange-policies:read',
  },
  'DELETE /exchange-policies/{id}': {
    path: ({ policy }) => `/exchange-policies/${policy}`,
    scope: 'exchange-policies:write',
  },
  'GET /trusted-issuers': { path: () => '/trusted-issuers', scope: 'exchange-policies:read' },
  'POST /trusted-issuers': {
    path: () => '/trusted-issuers',
    body: ({ api }) => ({ issuer: api, jwks_uri: 'https://new.example/jwks' }),
    scope: 'exchange-policies:write',
  },
  'GET /trusted-issuers/{issuer}': {
    path: ({ issuer }) => `/trusted-issuers/${encodeURIComponent(issuer)}`,
    scope: 'exchange-policies:read',
  },
  'DELETE /trusted-issuers/{issuer}': {
    path: ({ issuer }) => `/trusted-issuers/${encodeURIComponent(issuer)}`,
    scope: 'exchange-policies:write',
  },
}
interface Ids {
  client: string
  api: string
  account: string
  exchanger: string
  policy: string
  issuer: string
}

let world: AdminWorld
let owner: string
let disabledOwner: string
let plain: string
let idle: string
let disabledMachine: string
let foreignToken: string
let foreignKeys: JSONWebKeySet
let shared: Ids

beforeAll(async () => {
  world = await adminWorld()
  owner = await world.makeOwner()
  disabledOwner = await world.makeOwner()
  await world.accounts.setDisabled(disabledOwner, true)
  const made = await world.accounts.insert({ email: 'plain@example.com' })
  plain = made.ok ? made.account.sub : ''
  idle = await world.makeMachine([])
  disabledMachine = await world.makeMachine(everyScope)
  await world.clients.setDisabled(disabledMachine, true)
  await world.clients.insert({
    clientId: 'client_web',
    kind: 'web',
    name: 'x',
    metadata: {},
    apis: { [adminAudience]: everyScope },
  })
  await world.clients.insert({ clientId: 'client_off', kind: 'web', name: 'x', metadata: {} })
  await world.clients.setDisabled('client_off', true)
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  foreignKeys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k2', alg: 'ES256' }] }
  foreignToken = await new SignJWT({ client_id: 'gatehouse-cli', scope: everyScope.join(' ') })
    .setProtectedHeader({ alg: 'ES256', kid: 'k2', typ: 'at+jwt' })
    .setIssuer(issuer)
    .setAudience(adminAudience)
    .setSubject(owner)
    .setJti('x')
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(privateKey)
  shared = await target()
})
afterAll(() => world.close())

const target = async (): Promise<Ids> => {
  const id = Math.random().toString(36).slice(2)
  const ids = {
    client: `client_${id}`,
    api: `urn:${id}`,
    account: id,
    exchanger: `client_x${id}`,
    policy: '',
    issuer: `https://${id}.example`,
  }
  const metadata = { token_endpoint_auth_method: 'client_secret_basic', redirect_uris: ['https://a.example/'] }
  await world.clients.insert({ clientId: ids.client, kind: 'web', name: 'x', metadata })
  await world.apis.insert({ audience: ids.api, name: 'x', scopes: [] })
  await world.accounts.insert({ sub: id, email: `${id}@example.com` })
  const exchanging = { ...metadata, grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange'] }
  await world.clients.insert({ clientId: ids.exchanger, kind: 'machine', name: 'x', metadata: exchanging })
  const rules = { tokenType: 'access_token' as const, scopes: [], maxTtl: 60, mode: 'delegation' as const, maxDepth: 1 }
  const subject = { kind: 'client' as const, value: ids.client }
  const policy = await world.exchangePolicies.insert({ clientId: ids.exchanger, subject, audience: ids.api, ...rules })
  const keys = { jwks: undefined, jwksUri: 'https://keys.example/jwks' }
  await world.trustedIssuers.insert({ issuer: ids.issuer, audience: 'urn:us', subjectClaim: 'sub', ...keys })
  await world.database.query(
    `INSERT INTO sessions (uid, sub, payload, expires_at) VALUES ($1, $2, '{}', now() + interval '1 day')`,
    [`s-${id}`, id],
  )
  await world.apis.remove('urn:new')
  await world.database.query("DELETE FROM accounts WHERE email = 'new@example.com'")
  return { ...ids, policy: policy?.id ?? '' }
}
const send = (route: string, token: string | undefined, headers: Record<string, string> = {}, ids = shared) => {
  const { path, body, headers: own } = routes[route] ?? { path: () => '' }
  const method = route.split(' ')[0] ?? ''
  const sent = typeof body === 'function' ? body(ids) : body
  return world.call(method, `/admin/api/v1${path(ids)}`, { token, body: sent, headers: { ...own, ...headers } })
}
const without = (scope: string) => everyScope.filter((name) => name !== scope).join(' ')

type Caller = [name: string, token: (scope: string) => Promise<string | undefined> | string | undefined, status: number]
const by = (choice: () => TokenChoice) => () => world.token({ sub: owner, ...choice() })
const callers: Caller[] = [
  ['no token', () => undefined, 401],
  ['garbage', () => 'garbage', 401],
  ['three parts of garbage', () => 'a.b.c', 401],
  ['a token of another audience', by(() => ({ audience: 'https://orders.example' })), 401],
  ['a token for userinfo', by(() => ({ audience: issuer })), 401],
  ['a token of two audiences', by(() => ({ audience: [adminAudience, 'urn:x'] })), 401],
  ['a token of another issuer', by(() => ({ issuer: 'https://evil.example' })), 401],
  ['an ID token', by(() => ({ typ: 'JWT' })), 401],
  ['an ID token for the admin API', by(() => ({ typ: 'JWT', audience: [adminAudience] })), 401],
  ['a logout token', by(() => ({ typ: 'logout+jwt' })), 401],
  ['an expired token', by(() => ({ expiresIn: -1 })), 401],
  ['a token of another key', () => foreignToken, 401],
  [
    'a token without signature',
    async () => `${(await world.token({ sub: owner })).split('.').slice(0, 2).join('.')}.`,
    401,
  ],
  ['a token bound to a key', by(() => ({ claims: { cnf: { jkt: 'x' } } })), 401],
  ['a token whose scopes are a list', by(() => ({ claims: { scope: everyScope } })), 401],
  ['a disabled owner', by(() => ({ sub: disabledOwner })), 401],
  ['somebody who is no longer there', by(() => ({ sub: 'nobody' })), 401],
  ['an owner through a disabled client', by(() => ({ clientId: 'client_off' })), 401],
  ['an owner through a client that is gone', by(() => ({ clientId: 'client_none' })), 401],
  ['a disabled machine', by(() => ({ sub: disabledMachine, clientId: disabledMachine })), 401],
  ['a machine that is gone', by(() => ({ sub: 'client_none', clientId: 'client_none' })), 401],
  ['an account without role', by(() => ({ sub: plain })), 403],
  ['a machine whose grant was withdrawn', by(() => ({ sub: idle, clientId: idle })), 403],
  ['a web client in the place of a machine', by(() => ({ sub: 'client_web', clientId: 'client_web' })), 403],
  ['an owner whose token lacks the scope', (scope) => world.token({ sub: owner, scope: without(scope) }), 403],
  ['a machine whose token lacks the scope', (scope) => world.machineToken(...without(scope).split(' ')), 403],
  ['a token without any scope', by(() => ({ scope: '' })), 403],
]

describe('who may call the admin API', () => {
  it('is asked for every route that there is', async () => {
    const { body } = await world.call('GET', '/admin/api/openapi.json')
    const paths = body.paths as Record<string, Record<string, { security: { oauth2: string[] }[] }>>
    const documented = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { security }]) => [`${method.toUpperCase()} ${path}`, security[0]?.oauth2]),
    )
    expect(Object.fromEntries(documented)).toEqual(
      Object.fromEntries(Object.entries(routes).map(([route, { scope }]) => [route, [scope]])),
    )
  })

  describe.each(Object.entries(routes))('%s', (route, { scope }) => {
    it('lets an owner in, and a machine that holds just this scope', async () => {
      const tokens = [await world.token({ sub: owner }), await world.machineToken(scope)]
      for (const token of tokens)
        expect(Math.floor((await send(route, token, {}, await target())).status / 100)).toBe(2)
    })

    it.each(callers)('refuses %s', async (_, token, status) => {
      const answer = await send(route, await token(scope))
      expect(answer.status).toBe(status)
      expect(answer.headers.get('Content-Type')).toMatch('application/problem+json')
      if (status === 401) expect(answer.headers.get('WWW-Authenticate')).toMatch(/^Bearer realm="gatehouse-admin"/)
    })
  })

  it.each([
    ['Basic dXNlcjpwYXNz', 401],
    ['DPoP abc', 401],
    ['Bearer', 401],
    ['Bearer a b', 401],
  ])('refuses Authorization: %s', async (header, status) => {
    expect((await send('GET /clients', undefined, { Authorization: header })).status).toBe(status)
  })

  it('challenges by RFC 6750: nothing but the realm without a token, and the scope that is missing', async () => {
    const none = await send('GET /clients', undefined)
    expect(none.headers.get('WWW-Authenticate')).toBe('Bearer realm="gatehouse-admin"')
    const lacking = await send('GET /clients', await world.token({ sub: owner, scope: 'apis:read' }))
    expect(lacking.headers.get('WWW-Authenticate')).toBe(
      'Bearer realm="gatehouse-admin", error="insufficient_scope", scope="clients:read"',
    )
  })

  it('says nothing about what is there before it knows who asks', async () => {
    const [there, not] = [(await target()).client, 'client_none']
    const answers = await Promise.all(
      [there, not].map((id) => world.call('PATCH', `/admin/api/v1/clients/${id}`, { body: { unknown: 1 } })),
    )
    expect(answers.map(({ status }) => status)).toEqual([401, 401])
  })

  it('accepts a new signing key as soon as it is there, and the old one no longer once it is gone', async () => {
    const [current, token] = [world.keys.current, await world.token({ sub: owner })]
    const [status, lists] = [async (by: string) => (await send('GET /clients', by)).status, [foreignKeys, current]]
    world.keys.current = { keys: lists.flatMap(({ keys }) => keys) }
    expect([await status(token), await status(foreignToken)]).toEqual([200, 200])
    world.keys.current = foreignKeys
    expect([await status(token), await status(foreignToken)]).toEqual([401, 200])
    world.keys.current = current
    expect([await status(token), await status(foreignToken)]).toEqual([200, 401])
  })

  it('answers 405 for another method and 404 for another address', async () => {
    const token = await world.token({ sub: owner })
    const put = await world.call('PUT', '/admin/api/v1/clients', { token })
    expect([put.status, put.headers.get('Allow')]).toEqual([405, expect.stringContaining('POST')])
    expect((await world.call('GET', '/admin/api/v1/secrets', { token })).status).toBe(404)
    expect((await world.call('GET', '/admin/api/v2/clients', { token })).status).toBe(404)
  })

  it('left untouched what all of these aimed at', async () => {
    expect(await world.clients.find(shared.client)).toMatchObject({ version: 1 })
    expect(await world.apis.find(shared.api)).toMatchObject({ version: 1 })
    expect(await world.accounts.find(shared.account)).toMatchObject({ version: 1, securityVersion: 1 })
    expect(world.letters.filter(({ to }) => to.startsWith(shared.account))).toEqual([])
    const kept = async (table: string) =>
      (await world.database.query(`SELECT 1 FROM ${table} WHERE sub = $1`, [shared.account])).length
    expect([await kept('sessions'), await kept('one_time_links')]).toEqual([1, 0])
    expect(await world.exchangePolicies.find(shared.policy)).toBeDefined()
    expect(await world.trustedIssuers.find(shared.issuer)).toBeDefined()
    const policies = await world.exchangePolicies.list({ limit: 1000 })
    expect(policies.filter(({ clientId }) => clientId === shared.exchanger)).toHaveLength(1)
  })

  it('never ended in a bug', () => {
    expect(world.entries().filter(({ msg }) => msg === 'a bug ended this request')).toEqual([])
  })
})
