// Which pages of other origins may call the server from a browser, and which may not.
import { type Application, obtainCode, redeem } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { basic, post, send } from './requests.ts'

const redirectUri = 'https://spa.example.com/cb'
const origin = 'https://spa.example.com'
const stranger = 'https://evil.example'

let gatehouse: TestServer
let spa: Application
let web: Application

beforeAll(async () => {
  gatehouse = await startTestServer()
  spa = {
    redirectUri,
    ...(await gatehouse.makeClient({ kind: 'spa', redirectUris: [redirectUri], isFirstParty: true })),
  }
  web = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
})
afterAll(() => gatehouse.stop())

const allowed = (headers: Headers) => headers.get('access-control-allow-origin')
const preflight = (path: string, from: string, method = 'POST') =>
  send(new URL(path, gatehouse.issuer), {
    method: 'OPTIONS',
    headers: {
      origin: from,
      'access-control-request-method': method,
      'access-control-request-headers': 'authorization, dpop, content-type',
    },
  })

describe('discovery and signing keys', () => {
  it.each(['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server', '/jwks'])(
    'may be read from anywhere: %s',
    async (path) => {
      const { headers, status } = await send(new URL(path, gatehouse.issuer), { headers: { origin: stranger } })
      expect(status).toBe(200)
      expect(['*', stranger]).toContain(allowed(headers))
      expect(headers.get('access-control-allow-credentials')).toBeNull()
    },
  )
})

describe('the pages of a public client', () => {
  it('may ask for tokens, and hear a refusal', async () => {
    const code = await obtainCode(gatehouse, spa, await gatehouse.makeAccount())
    const fields = {
      grant_type: 'authorization_code',
      client_id: spa.clientId,
      code: code.code,
      code_verifier: code.verifier,
      redirect_uri: redirectUri,
    }
    expect((await preflight('/token', origin)).status).toBe(204)
    const good = await post(gatehouse.issuer, '/token', fields, { origin })
    expect([good.status, allowed(good.headers)]).toEqual([200, origin])
    const bad = await post(gatehouse.issuer, '/token', fields, { origin })
    expect([bad.status, allowed(bad.headers)]).toEqual([400, origin])
    expect(good.headers.get('access-control-allow-credentials')).toBeNull()
  })

  it('may ask for userinfo and revoke', async () => {
    const tokens = await redeem(
      gatehouse.issuer,
      spa,
      await obtainCode(gatehouse, spa, await gatehouse.makeAccount(), { scope: 'openid email' }),
    )
    const preflighted = await preflight('/userinfo', origin, 'GET')
    expect(preflighted.status).toBe(204)
    expect(preflighted.headers.get('access-control-allow-headers')).toMatch(/authorization/i)
    const info = await send(new URL('/userinfo', gatehouse.issuer), {
      headers: { origin, authorization: `Bearer ${tokens.access_token}` },
    })
    expect([info.status, allowed(info.headers)]).toEqual([200, origin])
    const revoked = await post(
      gatehouse.issuer,
      '/revoke',
      { client_id: spa.clientId, token: tokens.access_token as string },
      { origin },
    )
    expect([revoked.status, allowed(revoked.headers)]).toEqual([200, origin])
  })
})

describe('the pages of anybody else', () => {
  it.each([
    stranger,
    'null',
    'http://spa.example.com',
    'https://spa.example.com.evil.example',
    'https://spa.example.com:8443',
  ])('get no token for a public client: %s', async (from) => {
    const code = await obtainCode(gatehouse, spa, await gatehouse.makeAccount())
    const answer = await post(
      gatehouse.issuer,
      '/token',
      {
        grant_type: 'authorization_code',
        client_id: spa.clientId,
        code: code.code,
        code_verifier: code.verifier,
        redirect_uri: redirectUri,
      },
      { origin: from },
    )
    expect(allowed(answer.headers)).toBeNull()
    expect(answer.body).not.toHaveProperty('access_token')
  })

  it('get nothing at userinfo', async () => {
    const tokens = await redeem(gatehouse.issuer, spa, await obtainCode(gatehouse, spa, await gatehouse.makeAccount()))
    const info = await send(new URL('/userinfo', gatehouse.issuer), {
      headers: { origin: stranger, authorization: `Bearer ${tokens.access_token}` },
    })
    expect(allowed(info.headers)).toBeNull()
    expect(info.body).not.toHaveProperty('sub')
  })
})

describe('the pages of a confidential client', () => {
  it('may not call from the browser: its secret has no business there', async () => {
    const code = await obtainCode(gatehouse, web, await gatehouse.makeAccount())
    const answer = await post(
      gatehouse.issuer,
      '/token',
      {
        grant_type: 'authorization_code',
        code: code.code,
        code_verifier: code.verifier,
        redirect_uri: redirectUri,
      },
      { origin, authorization: basic(web) },
    )
    expect(allowed(answer.headers)).toBeNull()
  })
})

describe('everything else', () => {
  it.each([
    '/',
    '/authorize',
    '/interaction/x',
    '/sign-out',
    '/device',
    '/setup/x',
    '/admin/api/v1/clients',
    '/admin/api/openapi.json',
    '/assets/gatehouse.css',
    '/healthz',
    '/unknown',
  ])('allows no other origin: %s', async (path) => {
    const { headers } = await send(new URL(path, gatehouse.issuer), { headers: { origin } })
    expect(allowed(headers)).toBeNull()
    expect(allowed((await preflight(path, origin)).headers)).toBeNull()
  })
})
