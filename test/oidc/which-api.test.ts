// Tokens for APIs, through HTTP: which API, which scopes, which form (contract, "Token rules"; RFC 8707, RFC 9068).
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { type Application, obtainCode, redeem } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { introspect, machineToken, pkceUrl, userinfo } from './requests.ts'

const redirectUri = 'https://app.example.com/cb'
const scopes = [
  { scope: 'read', description: 'Read' },
  { scope: 'write', description: 'Write' },
]
const orders = 'https://orders.example.com'
const stock = 'urn:example:stock'

let gatehouse: TestServer
let person: { email: string; password: string; sub: string }

beforeAll(async () => {
  gatehouse = await startTestServer()
  person = await gatehouse.makeAccount()
  await gatehouse.makeApi({ audience: orders, scopes })
  await gatehouse.makeApi({
    audience: stock,
    scopes: [{ scope: 'count', description: 'Count' }],
    tokenFormat: 'opaque',
  })
})
afterAll(() => gatehouse.stop())

const machine = (apis: Record<string, string[]>) => gatehouse.makeClient({ kind: 'machine', apis })
const web = async (
  apis: Record<string, string[]>,
  more: Parameters<TestServer['makeClient']>[0] = {},
): Promise<Application> => ({
  redirectUri,
  ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true, apis, ...more })),
})

const verified = async (token: unknown, audience: string) =>
  jwtVerify(String(token), createRemoteJWKSet(new URL('/jwks', gatehouse.issuer)), {
    issuer: gatehouse.issuer,
    audience,
    typ: 'at+jwt',
  })

describe('a machine', () => {
  it('that was granted one API gets a token for it with all that it was granted', async () => {
    const client = await machine({ [orders]: ['read', 'write'] })
    const { status, body, headers } = await machineToken(gatehouse.issuer, client)
    expect(status).toBe(200)
    expect(body).toEqual({
      access_token: expect.any(String),
      expires_in: 600,
      token_type: 'Bearer',
      scope: 'read write',
    })
    expect(headers.get('cache-control')).toContain('no-store')
    expect(decodeJwt(String(body.access_token))).toMatchObject({ aud: orders, scope: 'read write' })
  })

  it('gets no more than it asks for', async () => {
    const client = await machine({ [orders]: ['read', 'write'] })
    const { body } = await machineToken(gatehouse.issuer, client, { scope: 'read' })
    expect(decodeJwt(String(body.access_token)).scope).toBe('read')
  })

  it('gets a token without scope for an API that it was granted without scopes', async () => {
    const client = await machine({ [orders]: [] })
    const { status, body } = await machineToken(gatehouse.issuer, client)
    expect(status).toBe(200)
    expect(decodeJwt(String(body.access_token))).toEqual(expect.not.objectContaining({ scope: expect.anything() }))
  })

  it('that was granted several must name one', async () => {
    const client = await machine({ [orders]: ['read'], [stock]: ['count'] })
    expect(await machineToken(gatehouse.issuer, client)).toMatchObject({
      status: 400,
      body: { error: 'invalid_target' },
    })
    const { body } = await machineToken(gatehouse.issuer, client, { resource: orders })
    expect(decodeJwt(String(body.access_token)).aud).toBe(orders)
  })

  const refusals: [string, Record<string, string>, string][] = [
    ['a scope that it was not granted', { scope: 'write' }, 'invalid_scope'],
    ['a scope that nobody has', { scope: 'unknown' }, 'invalid_scope'],
    ['one granted scope and one that is not', { scope: 'read write' }, 'invalid_scope'],
    ['somebody’s identity', { scope: 'openid' }, 'invalid_scope'],
    ['an API that it was not granted', { resource: stock }, 'invalid_target'],
    ['an API that does not exist', { resource: 'https://unknown.example.com' }, 'invalid_target'],
    ['the API with another spelling', { resource: `${orders}/` }, 'invalid_target'],
    ['something that is no URI', { resource: 'orders' }, 'invalid_target'],
    ['the admin API', { resource: 'ISSUER/admin/api', scope: 'clients:read' }, 'invalid_target'],
  ]
  it.each(refusals)('is refused %s', async (_, { resource = '', ...fields }, error) => {
    const client = await machine({ [orders]: ['read'] })
    const named = resource ? { resource: resource.replace('ISSUER', gatehouse.issuer) } : {}
    const answer = await machineToken(gatehouse.issuer, client, { ...fields, ...named })
    expect(answer).toMatchObject({ status: 400, body: { error } })
    expect(answer.body).not.toHaveProperty('access_token')
  })

  it('is refused two APIs at once', async () => {
    const client = await machine({ [orders]: ['read'], [stock]: ['count'] })
    const { clientId, clientSecret } = client
    const response = await fetch(new URL('/token', gatehouse.issuer), {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` },
      body: new URLSearchParams([
        ['grant_type', 'client_credentials'],
        ['resource', orders],
        ['resource', stock],
      ]),
    })
    expect(response.status).toBe(400)
    expect(await response.json()).not.toHaveProperty('access_token')
  })

  it('is refused a scope as soon as it is taken away', async () => {
    const client = await machine({ [orders]: ['read', 'write'] })
    expect(await machineToken(gatehouse.issuer, client, { scope: 'write' })).toMatchObject({ status: 200 })
    await gatehouse.server.node.registrations.clients.update(client.clientId, { apis: { [orders]: ['read'] } })
    gatehouse.server.stores.clientCache.forget(client.clientId)
    expect(await machineToken(gatehouse.issuer, client, { scope: 'write' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_scope' },
    })
  })
})

describe('a person', () => {
  const tokensFor = async (client: Application, params: Record<string, string>) =>
    redeem(gatehouse.issuer, client, await obtainCode(gatehouse, client, person, params))

  it('gets a token for the only API that the application was granted', async () => {
    const tokens = await tokensFor(await web({ [orders]: ['read', 'write'] }), { scope: 'openid read' })
    expect(decodeJwt(String(tokens.access_token))).toMatchObject({ aud: orders, scope: 'read' })
    expect(decodeJwt(String(tokens.id_token)).sub).toBe(person.sub)
  })

  it('gets one for userinfo where only identity is asked for', async () => {
    const tokens = await tokensFor(await web({ [orders]: ['read'] }), { scope: 'openid email' })
    expect(await userinfo(gatehouse.issuer, tokens.access_token)).toMatchObject({
      status: 200,
      body: { sub: person.sub, email: person.email },
    })
  })

  it('gets one for userinfo where the application has several APIs and names none', async () => {
    const tokens = await tokensFor(await web({ [orders]: ['read'], [stock]: ['count'] }), { scope: 'openid' })
    expect(await userinfo(gatehouse.issuer, tokens.access_token)).toMatchObject({ status: 200 })
  })

  it('gets one for the API that was named', async () => {
    const tokens = await tokensFor(await web({ [orders]: ['read'], [stock]: ['count'] }), {
      scope: 'openid read',
      resource: orders,
    })
    expect(decodeJwt(String(tokens.access_token))).toMatchObject({ aud: orders, scope: 'read' })
  })

  it('cannot use an API’s token at userinfo', async () => {
    const tokens = await tokensFor(await web({ [orders]: ['read'] }), { scope: 'openid read' })
    expect((await userinfo(gatehouse.issuer, tokens.access_token)).status).toBe(401)
  })

  const refusals: [string, Record<string, string>, string][] = [
    ['a scope of an API that must be named', { scope: 'openid read' }, 'invalid_scope'],
    ['a scope of another API than the named one', { scope: 'openid count', resource: orders }, 'invalid_scope'],
    ['a scope that the application was not granted', { scope: 'openid write', resource: orders }, 'invalid_scope'],
    ['a scope that nobody has', { scope: 'openid unknown' }, 'invalid_scope'],
    ['an API that the application was not granted', { resource: 'https://unknown.example.com' }, 'invalid_target'],
  ]
  it.each(refusals)('is refused %s', async (_, params, error) => {
    const client = await web({ [orders]: ['read'], [stock]: ['count'] })
    const { location } = await createUserAgent().request(pkceUrl(gatehouse.issuer, client, params))
    expect(location?.searchParams.get('error')).toBe(error)
    expect(location?.searchParams.get('state')).toBe('state')
  })

  it('gets no token for another API than the code was asked for', async () => {
    const client = await web({ [orders]: ['read'], [stock]: ['count'] })
    const code = await obtainCode(gatehouse, client, person, { scope: 'openid read', resource: orders })
    const response = await fetch(new URL('/token', gatehouse.issuer), {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code: code.code,
        code_verifier: code.verifier,
        redirect_uri: redirectUri,
        resource: stock,
      }),
      headers: {
        authorization: `Basic ${Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64')}`,
      },
    })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: 'invalid_target' })
  })
})

describe('a JWT access token', () => {
  it('of a machine has the claims of RFC 9068 and no others', async () => {
    const client = await machine({ [orders]: ['read'] })
    const { body } = await machineToken(gatehouse.issuer, client)
    const { payload, protectedHeader } = await verified(body.access_token, orders)
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) })
    expect(payload).toEqual({
      iss: gatehouse.issuer,
      sub: client.clientId,
      aud: orders,
      client_id: client.clientId,
      scope: 'read',
      jti: expect.any(String),
      iat: expect.any(Number),
      exp: (payload.iat ?? 0) + 600,
    })
  })

  it('of a person has the same, with the person as its subject', async () => {
    const client = await web({ [orders]: ['read'] })
    const tokens = await redeem(
      gatehouse.issuer,
      client,
      await obtainCode(gatehouse, client, person, { scope: 'openid read' }),
    )
    const { payload } = await verified(tokens.access_token, orders)
    // How the person signed in: authentication-levels.test.ts.
    const { acr: _, amr: __, auth_time: ___, ...rest } = payload
    expect(rest).toEqual({
      iss: gatehouse.issuer,
      sub: person.sub,
      aud: orders,
      client_id: client.clientId,
      scope: 'read',
      jti: expect.any(String),
      iat: expect.any(Number),
      exp: (payload.iat ?? 0) + 600,
    })
  })

  it('lives as long as its API says', async () => {
    const audience = await gatehouse.makeApi({ tokenTtl: 77 })
    const { body } = await machineToken(gatehouse.issuer, await machine({ [audience]: ['things:read'] }))
    expect(body.expires_in).toBe(77)
    const { exp = 0, iat = 0 } = decodeJwt(String(body.access_token))
    expect(exp - iat).toBe(77)
  })

  it.each(['ES256', 'RS256', 'PS256', 'EdDSA'] as const)('is signed as its API wishes: %s', async (signingAlg) => {
    await gatehouse.server.node.ensureAlgorithm(signingAlg)
    const audience = await gatehouse.makeApi({ signingAlg })
    const { status, body } = await machineToken(gatehouse.issuer, await machine({ [audience]: ['things:read'] }))
    expect(status).toBe(200)
    expect(decodeProtectedHeader(String(body.access_token)).alg).toBe(signingAlg)
    await verified(body.access_token, audience)
  })

  it('follows when the API changes its algorithm', async () => {
    const audience = await gatehouse.makeApi()
    const client = await machine({ [audience]: ['things:read'] })
    await machineToken(gatehouse.issuer, client)
    await gatehouse.server.node.ensureAlgorithm('EdDSA')
    await gatehouse.server.node.registrations.apis.update(audience, { signingAlg: 'EdDSA' })
    gatehouse.server.stores.apiCache.clear()
    const { body } = await machineToken(gatehouse.issuer, client)
    expect(decodeProtectedHeader(String(body.access_token)).alg).toBe('EdDSA')
  })
})

describe('an opaque access token', () => {
  it('tells nothing by itself, and all at introspection', async () => {
    const client = await machine({ [stock]: ['count'] })
    const { body } = await machineToken(gatehouse.issuer, client)
    expect(String(body.access_token)).toMatch(/^[\w-]{43}$/)
    const { body: answer } = await introspect(gatehouse.issuer, client, body.access_token)
    expect(answer).toEqual({
      active: true,
      aud: stock,
      client_id: client.clientId,
      exp: expect.any(Number),
      iat: expect.any(Number),
      iss: gatehouse.issuer,
      scope: 'count',
      token_type: 'Bearer',
    })
  })
})

describe('an ID token', () => {
  it.each(['RS256', 'ES256', 'PS256', 'EdDSA'] as const)(
    'is signed as its application wishes: %s',
    async (idTokenSignedResponseAlg) => {
      await gatehouse.server.node.ensureAlgorithm(idTokenSignedResponseAlg)
      const client = await web({}, { idTokenSignedResponseAlg })
      const tokens = await redeem(gatehouse.issuer, client, await obtainCode(gatehouse, client, person))
      const { protectedHeader } = await jwtVerify(
        tokens.id_token as string,
        createRemoteJWKSet(new URL('/jwks', gatehouse.issuer)),
        { issuer: gatehouse.issuer, audience: client.clientId },
      )
      expect(protectedHeader.alg).toBe(idTokenSignedResponseAlg)
    },
  )
})

describe('an algorithm that nobody has asked for before', () => {
  let fresh: TestServer
  beforeAll(async () => {
    fresh = await startTestServer()
  })
  afterAll(() => fresh.stop())

  it('gets its key at the first token, which may have to be asked for twice', async () => {
    const audience = await fresh.makeApi({ signingAlg: 'EdDSA' })
    const client = await fresh.makeClient({ kind: 'machine', apis: { [audience]: [] } })
    const first = await machineToken(fresh.issuer, client)
    expect(first).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } })
    expect(first.headers.get('retry-after')).toBe('1')
    const second = await machineToken(fresh.issuer, client)
    expect(decodeProtectedHeader(String(second.body.access_token)).alg).toBe('EdDSA')
  })

  it('gets one key however many ask at once', async () => {
    const client = {
      redirectUri,
      ...(await fresh.makeClient({ redirectUris: [redirectUri], idTokenSignedResponseAlg: 'PS256' })),
    }
    const ask = () => createUserAgent().request(pkceUrl(fresh.issuer, client))
    const first = await Promise.all(Array.from({ length: 8 }, ask))
    expect(first.map(({ status }) => status)).toContain(503)
    for (const { status, headers } of first)
      expect([status, headers.get('retry-after')]).toEqual(status === 503 ? [503, '1'] : [303, null])
    expect((await ask()).status).toBe(303)
    const keys = await fresh.server.node.keyRing.list()
    expect(keys.filter(({ alg }) => alg === 'PS256')).toHaveLength(1)
  })
})
