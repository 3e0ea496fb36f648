// Applications that register themselves, and what they may not ask for (threats D1 to D4, R2; RFC 7591, RFC 7592).
import { randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'
import { obtainCode, redeem } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { type Answer, post, send } from './requests.ts'

const redirectUri = 'https://app.example.com/cb'

let gatehouse: TestServer
let initial: string

beforeAll(async () => {
  gatehouse = await startTestServer()
  initial = await newToken()
})
afterAll(() => gatehouse.stop())

async function newToken(uses?: number, seconds = 600, server = gatehouse): Promise<string> {
  const token = randomBytes(32).toString('base64url')
  const { registrationTokens, sealing } = server.server.stores
  await registrationTokens.insert(sealing.digest(token), uses, seconds)
  return token
}

const json = (method: string, url: string | URL, token: unknown, body?: unknown): Promise<Answer> =>
  send(url, {
    method,
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${String(token)}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
const register = (metadata: Record<string, unknown> = {}, token: unknown = initial) =>
  json('POST', new URL('/register', gatehouse.issuer), token, { redirect_uris: [redirectUri], ...metadata })
const clientCount = async () =>
  (await gatehouse.server.stores.database.query('SELECT 1 FROM clients WHERE dynamically_registered')).length

async function refused(metadata: Record<string, unknown>): Promise<Answer> {
  const before = await clientCount()
  const answer = await register(metadata)
  expect(await clientCount()).toBe(before)
  expect(answer.status).toBe(400)
  expect(answer.body.error).toMatch(/^invalid_(client_metadata|redirect_uri|request)$/)
  return answer
}

describe('registration that is turned off', () => {
  it('is not there, and not in discovery', async () => {
    const server = await startTestServer({ env: { GATEHOUSE_REGISTRATION: 'off' } })
    const answer = await json('POST', new URL('/register', server.issuer), initial, { redirect_uris: [redirectUri] })
    const discovery = await send(new URL('/.well-known/openid-configuration', server.issuer))
    await server.stop()
    expect(answer.status).toBe(404)
    expect(discovery.body).not.toHaveProperty('registration_endpoint')
  })
})

describe('an initial access token', () => {
  it.each([
    ['is missing', undefined],
    ['is unknown', 'unknown'],
    ['is empty', ''],
    ['is long', 'x'.repeat(5000)],
  ])('that %s lets nobody in', async (_, token) => {
    const before = await clientCount()
    const answer = await json('POST', new URL('/register', gatehouse.issuer), token, { redirect_uris: [redirectUri] })
    expect([400, 401]).toContain(answer.status)
    expect(await clientCount()).toBe(before)
  })

  it('is good for as many registrations as it says', async () => {
    const token = await newToken(2)
    const statuses = [await register({}, token), await register({}, token), await register({}, token)].map(
      ({ status }) => status,
    )
    expect(statuses).toEqual([201, 201, 401])
  })

  it('is not used up by a registration that is refused', async () => {
    const token = await newToken(1)
    expect((await register({ grant_types: ['client_credentials'] }, token)).status).toBe(400)
    expect((await register({ redirect_uris: 'x' }, token)).status).toBe(400)
    expect((await register({}, token)).status).toBe(201)
  })

  it('is used once when several come at once', async () => {
    const token = await newToken(1)
    const before = await clientCount()
    const answers = await Promise.all(Array.from({ length: 6 }, () => register({}, token)))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5)
    expect(await clientCount()).toBe(before + 1)
  })

  it('ends', async () => {
    const token = await newToken(undefined, 1)
    expect((await register({}, token)).status).toBe(201)
    await new Promise((resolve) => setTimeout(resolve, 1100))
    expect((await register({}, token)).status).toBe(401)
  })

  it('can be taken back', async () => {
    const token = await newToken()
    const { registrationTokens, sealing } = gatehouse.server.stores
    const found = await registrationTokens.find(sealing.digests(token))
    await registrationTokens.remove(found?.id ?? '')
    expect((await register({}, token)).status).toBe(401)
  })

  it('is no token for anything else', async () => {
    const answer = await send(new URL('/userinfo', gatehouse.issuer), {
      headers: { authorization: `Bearer ${initial}` },
    })
    expect(answer.status).toBe(401)
  })

  it('is not in the database', async () => {
    const rows = await gatehouse.server.stores.database.query<{ row: string }>(
      'SELECT row_to_json(t)::text AS row FROM registration_tokens t',
    )
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.filter(({ row }) => row.includes(initial))).toEqual([])
  })
})

describe('a registered application', () => {
  it('gets an id, a secret once, and can sign people in', async () => {
    const { status, body, headers } = await register({ client_name: 'Dynamic Notes' })
    expect(status).toBe(201)
    expect(headers.get('cache-control')).toContain('no-store')
    expect(body).toMatchObject({
      client_id: expect.stringMatching(/^client_/),
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
      client_secret_expires_at: 0,
      client_id_issued_at: expect.any(Number),
      client_name: 'Dynamic Notes',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      registration_access_token: expect.any(String),
      registration_client_uri: `${gatehouse.issuer}/register/${body.client_id}`,
    })
    const app = { redirectUri, clientId: String(body.client_id), clientSecret: String(body.client_secret) }
    const person = await gatehouse.makeAccount()
    expect(await redeem(gatehouse.issuer, app, await obtainCode(gatehouse, app, person))).toMatchObject({ status: 200 })
  })

  it('asks for consent, needs PKCE, and is granted no API', async () => {
    const { body } = await register()
    const client = await gatehouse.server.stores.clients.find(String(body.client_id))
    expect(client).toMatchObject({ isFirstParty: false, requiresPkce: true, apis: {}, isBuiltIn: false })
  })

  it('may be public, or sign assertions, and then gets no secret', async () => {
    const open = await register({ token_endpoint_auth_method: 'none' })
    expect(open.status).toBe(201)
    expect(open.body).not.toHaveProperty('client_secret')
    const { publicKey } = await generateKeyPair('ES256')
    const signing = await register({
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] },
    })
    expect(signing.status).toBe(201)
    expect(signing.body).not.toHaveProperty('client_secret')
  })

  it('keeps the pages that it names (registration-policy-uri, registration-tos-uri, registration-logo-uri)', async () => {
    const pages = {
      policy_uri: 'https://app.example.com/policy',
      tos_uri: 'https://app.example.com/tos',
      logo_uri: 'https://app.example.com/logo.png',
      client_uri: 'https://app.example.com/',
    }
    const { status, body } = await register(pages)
    expect(status).toBe(201)
    expect(body).toMatchObject(pages)
  })
})

describe('promoting oneself', () => {
  const privateJwk = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'd' }
  const wishes: [string, Record<string, unknown>][] = [
    ['a machine’s grant', { grant_types: ['client_credentials'] }],
    ['the implicit grant', { grant_types: ['implicit'], response_types: ['id_token'] }],
    ['the device grant', { grant_types: ['urn:ietf:params:oauth:grant-type:device_code'] }],
    ['a grant that nobody knows', { grant_types: ['password'] }],
    ['a token in the URL', { response_types: ['token'] }],
    ['a hybrid answer', { response_types: ['code id_token'] }],
    ['scopes', { scope: 'openid clients:write' }],
    ['to be first-party', { is_first_party: true }],
    ['to be first-party, by our column’s name', { first_party: true }],
    ['to do without PKCE', { requires_pkce: false }],
    ['APIs', { apis: { 'https://orders.example.com': ['read'] } }],
    ['a client_id of its choice', { client_id: 'gatehouse-admin', id: 'x' }],
    ['an unsigned ID token', { id_token_signed_response_alg: 'none' }],
    ['an ID token signed with its secret', { id_token_signed_response_alg: 'HS256' }],
    ['assertions signed with its secret', { token_endpoint_auth_method: 'client_secret_jwt' }],
    ['authentication by certificate', { token_endpoint_auth_method: 'tls_client_auth' }],
    ['a private key in its key set', { jwks: { keys: [privateJwk] } }],
    [
      'a thousand redirect URIs',
      { redirect_uris: Array.from({ length: 1000 }, (_, index) => `${redirectUri}/${index}`) },
    ],
    [
      'twenty-one redirect URIs',
      { redirect_uris: Array.from({ length: 21 }, (_, index) => `${redirectUri}/${index}`) },
    ],
    ['no redirect URI', { redirect_uris: [] }],
    ['redirect URIs that are no list', { redirect_uris: redirectUri }],
    ['a redirect URI that is no text', { redirect_uris: [{ href: redirectUri }] }],
    ['to be called by our server', { initiate_login_uri: 'https://app.example.com/login' }],
    ['a name without end', { client_name: 'x'.repeat(201) }],
    ['a name that turns text around', { client_name: 'Nice\u202eppA' }],
    ['a name with a line feed', { client_name: 'Nice\nApp' }],
    ['a prototype', JSON.parse('{"__proto__": {"isFirstParty": true}, "constructor": {"x": 1}}')],
    ['a software statement', { software_statement: 'a.b.c' }],
    ['pairwise subjects', { subject_type: 'pairwise' }],
  ]
  it.each(wishes)('is refused: %s', async (_, wish) => {
    await refused(wish)
  })

  it('cannot choose its own id', async () => {
    const answer = await register({ client_id: 'gatehouse-admin' })
    if (answer.status === 201) expect(answer.body.client_id).toMatch(/^client_/)
    else expect(answer.status).toBe(400)
  })

  it('leaves objects of the server as they are', () => {
    expect(({} as Record<string, unknown>).isFirstParty).toBeUndefined()
  })
})

describe('a redirect URI that is dangerous', () => {
  it.each([
    'javascript:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:https://app.example.com/x',
    'http://app.example.com/cb',
    'http://localhost.evil.example/cb',
    'http://127.0.0.1.evil.example/cb',
    'https://user@evil.example/cb',
    'https://app.example.com@evil.example/cb',
    'https://app.example.com/cb#fragment',
    'https://app.example.com/*',
    'https://*.example.com/cb',
    'https://app.example.com\\@evil.example/cb',
    'https://app.example.com/c b',
    'https://app.example.com/cb\n',
    'com.example.app:/cb',
    'app.example.com/cb',
    '//app.example.com/cb',
    '',
  ])('is refused for a web application: %p', async (uri) => {
    await refused({ redirect_uris: [uri] })
    await refused({ post_logout_redirect_uris: [uri] })
  })

  it.each(['javascript:alert(1)', 'http://app.example.com/cb', 'myapp:/cb', 'data:x', 'https://localhost/cb'])(
    'is refused for a native one: %s',
    async (uri) => {
      await refused({ application_type: 'native', token_endpoint_auth_method: 'none', redirect_uris: [uri] })
    },
  )
})

describe('an address that the server might call', () => {
  const hosts = [
    '127.0.0.1',
    '127.0.0.1:443',
    '127.1',
    '127.000.000.001',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '0',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::ffff:10.0.0.1]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[fc00::1]',
    '[fd12:3456::1]',
    '[fe80::1]',
    '[ff02::1]',
    '10.0.0.1',
    '10.255.255.255',
    '172.16.0.1',
    '172.31.255.254',
    '192.168.0.1',
    '192.0.0.192',
    '169.254.169.254',
    '100.64.0.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    'localhost',
    'LOCALHOST',
    'localhost.',
    'app.localhost',
    'printer.local',
    'metadata.google.internal',
    'intranet',
    'db.intranet',
    'router.lan',
    'nas.home',
    'host.corp',
    '①②⑦.⓪.⓪.①',
    'localhost%2e',
    'app.example.com:5432',
    'app.example.com:22',
    'app.example.com:8443',
    'user@app.example.com',
    'app.example.com@127.0.0.1',
    ':password@app.example.com',
  ].map((host) => `https://${host}/jwks.json`)
  const payloads = [
    ...hosts,
    'http://app.example.com/jwks.json',
    'file:///etc/passwd',
    'gopher://app.example.com/',
    'ftp://app.example.com/x',
    'data:application/json,{}',
    'javascript:alert(1)',
    '//app.example.com/x',
    'https:///',
    'not a url',
    'https://',
  ]

  it('is tried in sixty disguises', () => {
    expect(new Set(payloads).size).toBeGreaterThanOrEqual(60)
  })

  const fields = ['jwks_uri', 'sector_identifier_uri', 'logo_uri', 'client_uri', 'policy_uri', 'tos_uri']
  it.each(payloads)('is refused inside our network: %s', async (uri) => {
    await refused({ token_endpoint_auth_method: 'private_key_jwt', jwks_uri: uri })
    for (const field of fields.slice(1)) await refused({ [field]: uri })
  })

  it.each([5, {}, [], null, true])('is refused when it is no text: %j', async (uri) => {
    const answer = await register({ logo_uri: uri })
    expect(answer.status).toBe(400)
  })

  it('is accepted outside', async () => {
    const answer = await register({
      token_endpoint_auth_method: 'private_key_jwt',
      jwks_uri: 'https://app.example.com/jwks.json',
    })
    expect(answer.status).toBe(201)
  })

  it('is refused in a change as well', async () => {
    const { body } = await register()
    const changed = await json('PUT', String(body.registration_client_uri), body.registration_access_token, {
      client_id: body.client_id,
      redirect_uris: [redirectUri],
      policy_uri: 'https://169.254.169.254/latest/meta-data',
    })
    expect(changed.status).toBe(400)
  })
})

describe('managing a registration', () => {
  const fresh = async (metadata: Record<string, unknown> = {}) => {
    const { body } = await register(metadata)
    return {
      uri: String(body.registration_client_uri),
      token: body.registration_access_token,
      clientId: String(body.client_id),
      secret: String(body.client_secret),
    }
  }
  const works = async (clientId: string, secret: string) => {
    const authorization = `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`
    const { status } = await post(gatehouse.issuer, '/introspect', { token: 'x' }, { authorization })
    return status === 200
  }

  it('shows the registration, but never the secret again, which goes on working', async () => {
    const { uri, token, clientId, secret } = await fresh()
    const { status, body, headers } = await json('GET', uri, token)
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toContain('no-store')
    expect(body).toMatchObject({ client_id: clientId, redirect_uris: [redirectUri] })
    expect(JSON.stringify(body)).not.toContain(secret)
    expect(JSON.stringify(body)).not.toContain('stored as a digest')
    expect(await works(clientId, secret)).toBe(true)
  })

  it('changes it, and the secret stays', async () => {
    const { uri, token, clientId, secret } = await fresh()
    const changed = await json('PUT', uri, token, {
      client_id: clientId,
      redirect_uris: ['https://app.example.com/new'],
      client_name: 'Renamed',
    })
    expect(changed).toMatchObject({ status: 200, body: { client_name: 'Renamed' } })
    expect(JSON.stringify(changed.body)).not.toContain('stored as a digest')
    expect(await works(clientId, secret)).toBe(true)
    const { body } = await json('GET', uri, changed.body.registration_access_token ?? token)
    expect(body.redirect_uris).toEqual(['https://app.example.com/new'])
  })

  it.each([
    ['a machine’s grant', { grant_types: ['client_credentials'] }],
    ['scopes', { scope: 'clients:write' }],
    ['another id', { client_id: 'client_other' }],
    ['http', { redirect_uris: ['http://app.example.com/cb'] }],
    ['its issue date', { client_id_issued_at: 1 }],
  ])('refuses to change it to have %s', async (_, wish) => {
    const { uri, token, clientId } = await fresh()
    const changed = await json('PUT', uri, token, { client_id: clientId, redirect_uris: [redirectUri], ...wish })
    expect(changed.status).toBe(400)
    expect((await json('GET', uri, token)).body).toMatchObject({ redirect_uris: [redirectUri] })
  })

  it('deletes it with everything that it has', async () => {
    const { uri, token, clientId, secret } = await fresh()
    expect((await json('DELETE', uri, token)).status).toBe(204)
    expect(await works(clientId, secret)).toBe(false)
    expect((await json('GET', uri, token)).status).toBe(401)
    expect(await gatehouse.server.stores.clients.find(clientId)).toBeUndefined()
  })

  it('lets two changes at once follow one another: one of them stands whole', async () => {
    const { uri, token, clientId } = await fresh()
    const change = (name: string) =>
      json('PUT', uri, token, {
        client_id: clientId,
        client_name: name,
        redirect_uris: [`https://app.example.com/${name}`],
      })
    const answers = await Promise.all([change('one'), change('two')])
    expect(answers.filter(({ status }) => status >= 500)).toEqual([])
    const stored = await gatehouse.server.stores.clients.find(clientId)
    expect([stored?.name, stored?.metadata.redirect_uris]).toEqual([
      stored?.name,
      [`https://app.example.com/${stored?.name}`],
    ])
  })

  it('with the token of another client is refused, and that token is gone', async () => {
    const [mine, other] = [await fresh(), await fresh()]
    for (const method of ['GET', 'DELETE']) expect((await json(method, other.uri, mine.token)).status).toBe(401)
    expect(await gatehouse.server.stores.clients.find(other.clientId)).toBeDefined()
    expect((await json('GET', mine.uri, mine.token)).status).toBe(401)
    expect((await json('GET', other.uri, other.token)).status).toBe(200)
  })

  it.each([undefined, 'unknown', ''])('with the token %p is refused', async (token) => {
    const { uri, clientId } = await fresh()
    for (const method of ['GET', 'DELETE']) expect([400, 401]).toContain((await json(method, uri, token)).status)
    expect(await gatehouse.server.stores.clients.find(clientId)).toBeDefined()
  })

  it('does not reach clients that an operator registered', async () => {
    const { clientId } = await gatehouse.makeClient({ redirectUris: [redirectUri] })
    const { token } = await fresh()
    expect((await json('GET', `${gatehouse.issuer}/register/${clientId}`, token)).status).toBe(401)
  })
})
