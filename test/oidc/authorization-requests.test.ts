// What an authorization request may ask for, and how each refusal is told (threats A1 to A9).
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeJwt } from 'jose'
import { type Application, obtainCode, pkce, redeem, signIn } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { basic, pkceUrl, post, postAs } from './requests.ts'

const redirectUri = 'https://app.example.com/cb'

let gatehouse: TestServer
let person: { email: string; password: string; sub: string }
let app: Application
let spa: Application
let exempt: Application
let thirdParty: Application

beforeAll(async () => {
  gatehouse = await startTestServer()
  person = await gatehouse.makeAccount()
  const redirectUris = [redirectUri]
  const make = async (more: Parameters<TestServer['makeClient']>[0]) => ({
    redirectUri,
    ...(await gatehouse.makeClient({ redirectUris, ...more })),
  })
  app = await make({ isFirstParty: true })
  spa = await make({ isFirstParty: true, kind: 'spa' })
  exempt = await make({ isFirstParty: true, requiresPkce: false })
  thirdParty = await make({})
})
afterAll(() => gatehouse.stop())

const visit = (params: Record<string, string>, client = app, agent = createUserAgent()) =>
  agent.request(pkceUrl(gatehouse.issuer, client, params))

/** What the application is told, read from the redirect. */
async function told(params: Record<string, string>, client = app, agent?: UserAgent) {
  const { location } = await visit(params, client, agent)
  expect(`${location?.origin}${location?.pathname}`).toBe(redirectUri)
  expect(location?.hash).toBe('')
  return Object.fromEntries(location?.searchParams ?? [])
}

const withoutProof = { code_challenge: '', code_challenge_method: '' }

async function signedIn(client = app, who = person): Promise<UserAgent> {
  const agent = createUserAgent()
  await signIn(agent, await agent.visit(pkceUrl(gatehouse.issuer, client)), who)
  return agent
}

describe('a request without a proof key', () => {
  it.each(['app', 'spa', 'thirdParty'])('is refused, whatever the client: %s', async (name) => {
    const client = { app, spa, thirdParty }[name] as Application
    expect(await told(withoutProof, client)).toMatchObject({
      error: 'invalid_request',
      error_description: expect.stringContaining('PKCE'),
      state: 'state',
      iss: gatehouse.issuer,
    })
  })

  it('passes for a confidential client that was exempted and sends a nonce (RFC 9700 section 2.1.1)', async () => {
    const { location } = await visit({ ...withoutProof, nonce: 'n-1' }, exempt)
    expect(location?.pathname).toMatch(/^\/interaction\//)
  })

  it('is refused for an exempted client that sends no nonce', async () => {
    expect(await told(withoutProof, exempt)).toMatchObject({ error: 'invalid_request' })
  })

  it('is refused for an exempted client that sends an empty nonce', async () => {
    const url = pkceUrl(gatehouse.issuer, exempt, withoutProof)
    url.searchParams.set('nonce', '')
    const { location } = await createUserAgent().request(url)
    expect(location?.searchParams.get('error')).toBe('invalid_request')
  })

  it('gives a code that no verifier fits', async () => {
    const agent = createUserAgent()
    const page = await signIn(
      agent,
      await agent.visit(pkceUrl(gatehouse.issuer, exempt, { ...withoutProof, nonce: 'n-1' })),
      person,
    )
    const fields = {
      grant_type: 'authorization_code',
      code: page.location?.searchParams.get('code') ?? '',
      redirect_uri: redirectUri,
    }
    const downgraded = await postAs(gatehouse.issuer, '/token', exempt, {
      ...fields,
      code_verifier: pkce().verifier,
    })
    expect(downgraded).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect(await postAs(gatehouse.issuer, '/token', exempt, fields)).toMatchObject({ status: 200 })
  })

  it('cannot be pushed either', async () => {
    const pushed = await postAs(gatehouse.issuer, '/par', app, {
      client_id: app.clientId,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: 'openid',
    })
    expect(pushed).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  })
})

describe('a proof key', () => {
  const malformed: Record<string, string>[] = [
    { code_challenge_method: 'plain' },
    { code_challenge_method: '' },
    { code_challenge_method: 's256' },
    { code_challenge: 'x'.repeat(42) },
    { code_challenge: 'x'.repeat(129) },
    { code_challenge: `${'x'.repeat(42)}+` },
    { code_challenge: `${'x'.repeat(42)}=` },
    { code_challenge: `${'x'.repeat(42)}é` },
    { code_challenge: '' },
  ]
  it.each(malformed.map((params) => [JSON.stringify(params), params]))('is refused as %s', async (_, params) => {
    expect(await told(params as Record<string, string>)).toMatchObject({ error: 'invalid_request', state: 'state' })
  })

  it('must be answered with its verifier, and the code is not lost by a try without', async () => {
    const { code, verifier } = await obtainCode(gatehouse, app, person)
    const fields = { grant_type: 'authorization_code', code, redirect_uri: redirectUri }
    expect(await postAs(gatehouse.issuer, '/token', app, fields)).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    })
    expect(await redeem(gatehouse.issuer, app, { code, verifier })).toMatchObject({ status: 200 })
  })
})

describe('a response type', () => {
  it.each(['token', 'id_token', 'id_token token', 'code id_token', 'code token', 'code id_token token', 'none'])(
    'other than code is not supported: %s',
    async (response_type) => {
      const { location } = await visit({ response_type, nonce: 'n' })
      const answer = new URLSearchParams(location?.search || location?.hash.slice(1))
      expect(answer.get('error')).toBe('unsupported_response_type')
      expect(answer.get('iss')).toBe(gatehouse.issuer)
      expect(location?.href).not.toMatch(/access_token|id_token=/)
    },
  )

  it('must be there', async () => {
    expect(await told({ response_type: '' })).toMatchObject({ error: 'invalid_request', state: 'state' })
  })
})

describe('a parameter that stands twice', () => {
  it.each(['redirect_uri', 'client_id'])('that decides where to go gets a page: %s', async (name) => {
    const url = pkceUrl(gatehouse.issuer, app)
    url.searchParams.append(name, url.searchParams.get(name) as string)
    const page = await createUserAgent().request(url)
    expect({ status: page.status, location: page.location }).toEqual({ status: 400, location: undefined })
  })

  it.each(['scope', 'state', 'response_type', 'nonce', 'prompt', 'code_challenge'])(
    'is refused, the first and the last alike: %s',
    async (name) => {
      const url = pkceUrl(gatehouse.issuer, app, { nonce: 'n', prompt: 'login' })
      url.searchParams.append(name, url.searchParams.get(name) as string)
      const page = await createUserAgent().request(url)
      expect(page.location?.origin).toBe('https://app.example.com')
      expect(page.location?.searchParams.get('error')).toBe('invalid_request')
    },
  )

  it('is refused at the token endpoint too', async () => {
    const answer = await post(
      gatehouse.issuer,
      '/token',
      [
        ['grant_type', 'authorization_code'],
        ['grant_type', 'refresh_token'],
        ['code', 'x'],
      ],
      { authorization: basic(app) },
    )
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  })
})

describe('a parameter that the server does not know', () => {
  it('changes nothing', async () => {
    const { redirect } = await obtainCode(gatehouse, app, person, { extra: 'foobar', 'utm source': 'x' })
    expect(redirect.searchParams.get('code')).toBeTruthy()
    expect(redirect.searchParams.has('extra')).toBe(false)
  })
})

describe('prompt=none', () => {
  it('says login_required when nobody is signed in', async () => {
    expect(await told({ prompt: 'none' })).toMatchObject({
      error: 'login_required',
      state: 'state',
      iss: gatehouse.issuer,
    })
  })

  it('says consent_required when somebody is, and has not agreed', async () => {
    expect(await told({ prompt: 'none', scope: 'openid profile' }, thirdParty, await signedIn())).toMatchObject({
      error: 'consent_required',
      state: 'state',
    })
  })

  it('gives a code when there is nothing to ask', async () => {
    expect(await told({ prompt: 'none' }, app, await signedIn())).toMatchObject({
      code: expect.any(String),
      state: 'state',
      iss: gatehouse.issuer,
    })
  })

  it('says login_required when somebody else is signed in than the hint names', async () => {
    const other = await gatehouse.makeAccount()
    const { id_token } = await redeem(gatehouse.issuer, app, await obtainCode(gatehouse, app, other))
    const agent = await signedIn()
    expect(await told({ prompt: 'none', id_token_hint: id_token as string }, app, agent)).toMatchObject({
      error: 'login_required',
    })
  })

  it('goes on when the hint names the person who is signed in', async () => {
    const code = await obtainCode(gatehouse, app, person)
    const { id_token } = await redeem(gatehouse.issuer, app, code)
    expect(await told({ prompt: 'none', id_token_hint: id_token as string }, app, code.agent)).toMatchObject({
      code: expect.any(String),
    })
  })

  it('cannot be combined with another prompt', async () => {
    expect(await told({ prompt: 'none login' })).toMatchObject({ error: 'invalid_request' })
  })
})

describe('a hint', () => {
  it('that is no ID token of this server is refused', async () => {
    const { id_token } = await redeem(gatehouse.issuer, app, await obtainCode(gatehouse, app, person))
    const [header, payload] = (id_token as string).split('.')
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`
    const altered = `${header}.${Buffer.from(JSON.stringify({ ...decodeJwt(id_token as string), sub: 'x' })).toString('base64url')}.AAAA`
    for (const id_token_hint of [unsigned, altered, 'junk', `${header}.${payload}`])
      expect(await told({ id_token_hint })).toMatchObject({ error: 'invalid_request' })
  })

  it('of an e-mail address is filled in already', async () => {
    const page = await createUserAgent().visit(
      pkceUrl(gatehouse.issuer, app, { login_hint: 'mara@example.com"><script>' }),
    )
    expect(page.text).toContain('value="mara@example.com&quot;&gt;&lt;script&gt;"')
  })
})

describe('asking for a sign-in that is fresh', () => {
  const authTime = async (params: Record<string, string>, agent: UserAgent) => {
    const tokens = await redeem(
      gatehouse.issuer,
      app,
      await obtainCode(gatehouse, app, person, { ...params, agent } as never),
    )
    return decodeJwt(tokens.id_token as string).auth_time as number
  }
  const aSecond = () => new Promise((resolve) => setTimeout(resolve, 1100))

  it('with prompt=login asks for the password although a session is there, and tells a newer time', async () => {
    const agent = await signedIn()
    const first = await authTime({ max_age: '3600' }, agent)
    await aSecond()
    const page = await agent.visit(pkceUrl(gatehouse.issuer, app, { prompt: 'login' }))
    expect(page.text).toContain('/sign-in"')
    expect(await authTime({ prompt: 'login', max_age: '3600' }, agent)).toBeGreaterThan(first)
  })

  it('with max_age=1 asks again when the sign-in is older, and with a large one does not', async () => {
    const agent = await signedIn()
    const first = await authTime({ max_age: '3600' }, agent)
    await aSecond()
    await aSecond()
    expect((await agent.visit(pkceUrl(gatehouse.issuer, app, { max_age: '1' }))).text).toContain('/sign-in"')
    expect(await authTime({ max_age: '10000' }, agent)).toBe(first)
    expect(await authTime({ max_age: '1' }, agent)).toBeGreaterThan(first)
  })

  it('cannot be passed by going on with the address that waits for it', async () => {
    const agent = await signedIn()
    const started = await agent.request(pkceUrl(gatehouse.issuer, app, { prompt: 'login' }))
    const uid = started.location?.pathname.split('/').at(-1)
    const resumed = await agent.visit(new URL(`/authorize/${uid}`, gatehouse.issuer))
    expect(resumed.text).toContain('/sign-in"')
    expect(resumed.location).toBeUndefined()
  })

  it('says login_required together with prompt=none', async () => {
    const agent = await signedIn()
    await aSecond()
    expect(await told({ prompt: 'none', max_age: '0' }, app, agent)).toMatchObject({ error: 'login_required' })
  })

  it.each(['-1', 'x', '1.5'])('is refused with a max_age of %s', async (max_age) => {
    expect(await told({ max_age })).toMatchObject({ error: 'invalid_request' })
  })
})

describe('the answer', () => {
  it('names the issuer, equal to the one in discovery, after success and error alike (RFC 9207)', async () => {
    const discovery = (await (
      await fetch(new URL('/.well-known/openid-configuration', gatehouse.issuer))
    ).json()) as Record<string, unknown>
    const { redirect } = await obtainCode(gatehouse, app, person)
    expect(redirect.searchParams.get('iss')).toBe(discovery.issuer)
    expect((await told({ prompt: 'none' })).iss).toBe(discovery.issuer)
    expect(discovery.authorization_response_iss_parameter_supported).toBe(true)
  })

  it('carries a long state and a long nonce unchanged', async () => {
    const state = 'é&=+% '.repeat(60)
    const nonce = 'n'.repeat(1000)
    const code = await obtainCode(gatehouse, app, person, { state, nonce })
    expect(code.redirect.searchParams.get('state')).toBe(state)
    const { id_token } = await redeem(gatehouse.issuer, app, code)
    expect(decodeJwt(id_token as string).nonce).toBe(nonce)
  })
})

describe('a request object', () => {
  it('by value is refused', async () => {
    const request = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{}').toString('base64url')}.`
    expect(await told({ request })).toMatchObject({ error: 'request_not_supported' })
  })

  it('by reference is refused, and nobody is called', async () => {
    let calls = 0
    const canary = createServer((_, response) => {
      calls += 1
      response.end()
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => canary.once('listening', resolve))
    const { port } = canary.address() as AddressInfo
    const { location } = await visit({ request_uri: `http://127.0.0.1:${port}/` })
    await new Promise((resolve) => canary.close(resolve))
    expect(location?.searchParams.get('error')).toBe('request_uri_not_supported')
    expect(calls).toBe(0)
  })
})

describe('a pushed request', () => {
  const push = async (client = app, fields: Record<string, string> = {}) => {
    const url = pkceUrl(gatehouse.issuer, client, fields)
    return postAs(gatehouse.issuer, '/par', client, Object.fromEntries(url.searchParams))
  }
  const open = (client: Application, requestUri: unknown, agent = createUserAgent()) => {
    const url = new URL('/authorize', gatehouse.issuer)
    url.searchParams.set('client_id', client.clientId)
    url.searchParams.set('request_uri', String(requestUri))
    return agent.visit(url)
  }

  it('leads to a code', async () => {
    const pushed = await push()
    expect(pushed).toMatchObject({
      status: 201,
      body: {
        request_uri: expect.stringMatching(/^urn:ietf:params:oauth:request_uri:/),
        expires_in: expect.any(Number),
      },
    })
    expect(Number(pushed.body.expires_in)).toBeLessThanOrEqual(600)
    const agent = createUserAgent()
    const page = await signIn(agent, await open(app, pushed.body.request_uri, agent), person)
    expect(page.location?.searchParams.get('code')).toBeTruthy()
  })

  it('can be used once', async () => {
    const agent = await signedIn()
    const { body } = await push()
    const first = await open(app, body.request_uri, agent)
    expect(first.location?.searchParams.get('code')).toBeTruthy()
    const second = await open(app, body.request_uri, agent)
    expect(second.location?.searchParams.get('code') ?? null).toBeNull()
    expect(second.location?.searchParams.get('error') ?? (second.text.includes('invalid_request_uri') && 'page')).toBe(
      'page',
    )
  })

  it('cannot be used by another client', async () => {
    const { body } = await push()
    const page = await open(thirdParty, body.request_uri)
    expect(page.status).toBe(400)
    expect(page.location).toBeUndefined()
  })

  it('must not name another pushed request', async () => {
    const { body } = await push()
    const nested = await push(app, { request_uri: String(body.request_uri) })
    expect(nested).toMatchObject({ status: 400, body: { error: 'request_uri_not_supported' } })
  })

  it('needs the client to authenticate', async () => {
    const url = pkceUrl(gatehouse.issuer, app)
    expect(await post(gatehouse.issuer, '/par', Object.fromEntries(url.searchParams))).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    })
  })

  it('is made by POST only', async () => {
    const url = pkceUrl(gatehouse.issuer, app)
    url.pathname = '/par'
    const answer = await createUserAgent().request(url)
    expect([404, 405]).toContain(answer.status)
  })

  it('is refused for a redirect URI that is not registered', async () => {
    expect(await push(app, { redirect_uri: 'https://evil.example/cb' })).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(/^invalid_re/) },
    })
  })
})
