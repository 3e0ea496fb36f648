// Step-up: how well somebody must have signed in, what happens when it is not enough, and what the tokens tell of it (RFC 9470, RFC 9068).
import { decodeJwt } from 'jose'
import { createVerifier, type VerifierError } from '../../src/verifier/verifier.ts'
import { type Application, pkce, redeem, refresh, tokenRequest } from '../support/code-flow.ts'
import { finishInteraction, finishSignIn, type Login } from '../support/engine-sign-in.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type Page, type UserAgent } from '../support/user-agent.ts'
import { introspect, machineToken, pkceUrl, post, postAs, userinfo } from './requests.ts'

const redirectUri = 'https://app.example.com/cb'
const [one, two, phr] = ['urn:gatehouse:acr:1fa', 'urn:gatehouse:acr:2fa', 'phr']
const orders = 'https://orders.example.com'
const stock = 'https://stock.example.com'

let gatehouse: TestServer
let person: { email: string; password: string; sub: string }
let app: Application
let stranger: Application

beforeAll(async () => {
  // Nothing but the requests here asks for a second factor; a passkey is there, so that each has a page to ask on.
  gatehouse = await startTestServer({ env: { GATEHOUSE_SECOND_FACTOR: 'off' } })
  person = await gatehouse.makeAccount()
  await gatehouse.server.stores.database.query(
    "INSERT INTO passkeys (credential_id, sub, public_key, sign_count, name, multi_device) VALUES ('key', $1, '', 0, 'Key', true)",
    [person.sub],
  )
  await gatehouse.makeApi({ audience: orders, scopes: [{ scope: 'read', description: 'Read' }] })
  await gatehouse.makeApi({
    audience: stock,
    tokenFormat: 'opaque',
    scopes: [{ scope: 'count', description: 'Count' }],
  })
  const apis = { [orders]: ['read'], [stock]: ['count'] }
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true, apis })) }
  stranger = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri] })) }
})
afterAll(() => gatehouse.stop())

const now = () => Math.floor(Date.now() / 1000)
const levels: Record<string, Omit<Login, 'accountId'>> = {
  [one]: { acr: one, amr: ['pwd'] },
  [two]: { acr: two, amr: ['mfa', 'otp', 'pwd'] },
  [phr]: { acr: phr, amr: ['hwk', 'mfa', 'user'] },
}
const loginAt = (acr: string, more: Partial<Login> = {}): Login => ({ accountId: person.sub, ...levels[acr], ...more })

const ask = (agent: UserAgent, params: Record<string, string> = {}, client = app) =>
  agent.visit(pkceUrl(gatehouse.issuer, client, params))
/** What the application is told: `code`, or the error. */
const outcome = ({ location, url }: Page) => {
  const params = location?.searchParams
  return params?.get('error') ?? (params?.has('code') ? 'code' : url.pathname.split('/')[1])
}

async function signedIn(acr: string, more: Partial<Login> = {}): Promise<UserAgent> {
  const agent = createUserAgent()
  const end = await finishSignIn(gatehouse, agent, await ask(agent), loginAt(acr, more))
  expect(outcome(end)).toBe('code')
  return agent
}

const essential = (acr: object) => JSON.stringify({ id_token: { acr: { essential: true, ...acr } } })

describe('a session that is high enough', () => {
  const rows: [string, Record<string, string>][] = [
    [one, { acr_values: one }],
    [two, { acr_values: two }],
    [two, { acr_values: one }],
    [phr, { acr_values: two }],
    [phr, { acr_values: `gold ${two}` }],
    [two, { acr_values: `${phr} ${two}` }],
    [phr, { claims: essential({ value: two }) }],
    [two, { claims: essential({ values: [phr, one] }) }],
    [one, { acr_values: 'gold' }],
    [one, {}],
  ]
  it.each(rows)('%s is not asked again for %j', async (acr, params) => {
    const agent = await signedIn(acr)
    expect(outcome(await ask(agent, params))).toBe('code')
    expect(outcome(await ask(agent, { ...params, prompt: 'none' }))).toBe('code')
  })
})

describe('a session that is too low', () => {
  const low: [string, Record<string, string>][] = [
    [one, { acr_values: two }],
    [two, { acr_values: phr }],
    [one, { acr_values: `${phr} gold ${two}` }],
    [one, { claims: essential({ value: two }) }],
    [two, { claims: essential({ values: [phr] }) }],
  ]
  it.each(low)('%s is asked to sign in again for %j, and is told so with prompt=none', async (acr, params) => {
    const agent = await signedIn(acr)
    const page = await ask(agent, params)
    expect(outcome(page)).toBe('interaction')
    const uid = String(page.url.pathname.split('/').at(-1))
    const interaction = await gatehouse.server.node.engine.provider().Interaction.find(uid)
    expect(interaction?.prompt).toMatchObject({ name: 'login', reasons: ['acr_unmet'], details: { acr: {} } })
    expect(outcome(await ask(agent, { ...params, prompt: 'none' }))).toBe('login_required')
  })

  it('is one that an earlier release has made, without a level: a password, as all were', async () => {
    const agent = createUserAgent()
    await finishSignIn(gatehouse, agent, await ask(agent), { accountId: person.sub })
    expect(outcome(await ask(agent))).toBe('code')
    for (const acr_values of [one, two])
      expect(outcome(await ask(agent, { acr_values, prompt: 'none' }))).toBe('login_required')
    expect(outcome(await ask(agent, { acr_values: two }))).toBe('interaction')
    const { verifier, challenge } = pkce()
    const page = await ask(agent, { acr_values: one, code_challenge: challenge })
    const { id_token } = await redeem(gatehouse.issuer, app, {
      code: String(page.location?.searchParams.get('code')),
      verifier,
    })
    expect(decodeJwt(String(id_token))).toMatchObject({ acr: one, amr: ['pwd'] })
  })

  it('rises by the sign-in that was asked for, for the applications after it too', async () => {
    const agent = await signedIn(one)
    const end = await finishSignIn(gatehouse, agent, await ask(agent, { acr_values: two }), loginAt(two))
    expect(outcome(end)).toBe('code')
    expect(outcome(await ask(agent, { acr_values: two, prompt: 'none' }))).toBe('code')
  })

  it('is let through after one more sign-in where the level was not essential', async () => {
    const agent = await signedIn(one)
    const end = await finishSignIn(gatehouse, agent, await ask(agent, { acr_values: two }), loginAt(one))
    expect(outcome(end)).toBe('code')
  })

  it('is refused after one more sign-in where it was: no endless loop', async () => {
    const agent = await signedIn(one)
    const page = await ask(agent, { claims: essential({ value: two }) })
    const end = await finishSignIn(gatehouse, agent, page, loginAt(one))
    expect(outcome(end)).toBe('unmet_authentication_requirements')
    expect(end.location?.searchParams.get('state')).toBe('state')
    expect(end.location?.searchParams.get('iss')).toBe(gatehouse.issuer)
    // Somebody has signed in all the same.
    expect(outcome(await ask(agent, { prompt: 'none' }))).toBe('code')
  })

  it('stays refused for essential values that do not exist, without a page', async () => {
    for (const agent of [createUserAgent(), await signedIn(phr)])
      for (const params of [{}, { prompt: 'none' }])
        expect(outcome(await ask(agent, { claims: essential({ values: ['gold'] }), ...params }))).toBe(
          'unmet_authentication_requirements',
        )
  })

  it('is asked once even where consent comes after it', async () => {
    const agent = await signedIn(one)
    const consent = await finishSignIn(gatehouse, agent, await ask(agent, { acr_values: two }, stranger), loginAt(one))
    expect(consent.text).toContain('/consent"')
    expect(outcome(await agent.submit(consent, '/consent', { decision: 'allow' }))).toBe('code')
  })
})

describe('a client with default_acr_values', () => {
  it('has them asked for when it names none', async () => {
    const made = await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })
    const { stores } = gatehouse.server
    const client = { redirectUri, ...made }
    const metadata = { ...(await stores.clients.find(made.clientId))?.metadata, default_acr_values: [two] }
    await stores.clients.update(made.clientId, { metadata })
    stores.clientCache.forget(made.clientId)
    const agent = await signedIn(one)
    expect(outcome(await ask(agent, {}, client))).toBe('interaction')
    expect(outcome(await ask(agent, { acr_values: one }, client))).toBe('code')
  })
})

describe('a pushed request', () => {
  it('demands as well', async () => {
    const agent = await signedIn(one)
    const fields = Object.fromEntries(pkceUrl(gatehouse.issuer, app, { acr_values: two }).searchParams)
    const { body } = await postAs(gatehouse.issuer, '/par', app, fields)
    const url = new URL('/authorize', gatehouse.issuer)
    url.search = String(new URLSearchParams({ client_id: app.clientId, request_uri: String(body.request_uri) }))
    expect(outcome(await agent.visit(url))).toBe('interaction')
  })
})

describe('a device', () => {
  it('learns that the level it demanded could not be had, and gets tokens that tell the one that was', async () => {
    const client = await gatehouse.makeClient({ kind: 'native', redirectUris: [redirectUri], isFirstParty: true })
    const begin = async (params: Record<string, string>) => {
      const fields = { client_id: client.clientId, scope: 'openid', ...params }
      return (await post(gatehouse.issuer, '/device_authorization', fields)).body
    }
    const approve = async (code: Record<string, unknown>, acr: string) => {
      const agent = createUserAgent()
      const form = await agent.visit(`${gatehouse.issuer}/device`)
      const confirm = await agent.submit(form, '/device', { user_code: String(code.user_code) })
      await finishSignIn(gatehouse, agent, await agent.submit(confirm, '/device', { confirm: 'yes' }), loginAt(acr))
    }
    const poll = (code: Record<string, unknown>) =>
      tokenRequest(gatehouse.issuer, client, {
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        device_code: String(code.device_code),
      })
    const demanding = await begin({ claims: essential({ value: two }) })
    await approve(demanding, one)
    expect(await poll(demanding)).toMatchObject({ status: 400, error: 'unmet_authentication_requirements' })
    const content = await begin({ acr_values: two })
    await approve(content, phr)
    const { id_token } = await poll(content)
    expect(decodeJwt(String(id_token))).toMatchObject({
      acr: two,
      amr: levels[phr]?.amr,
      auth_time: expect.any(Number),
    })
  })
})

describe('max_age', () => {
  it('asks again once the sign-in is older, and the tokens tell the newer time', async () => {
    const ts = now() - 100
    const agent = await signedIn(two, { ts })
    expect(outcome(await ask(agent, { max_age: '1000' }))).toBe('code')
    expect(outcome(await ask(agent, { max_age: '60', prompt: 'none' }))).toBe('login_required')
    const page = await ask(agent, { max_age: '60' })
    expect(outcome(page)).toBe('interaction')
    // Nothing but a sign-in leads on from here.
    const again = await finishInteraction(gatehouse, agent, page, {})
    expect(outcome(again)).toBe('interaction')
    const end = await finishSignIn(gatehouse, agent, again, loginAt(two, { ts: now() }))
    expect(outcome(end)).toBe('code')
    expect(outcome(await ask(agent, { max_age: '60', prompt: 'none' }))).toBe('code')
  })

  it('of 0 always asks', async () => {
    const agent = await signedIn(two)
    const page = await ask(agent, { max_age: '0' })
    expect(outcome(page)).toBe('interaction')
    expect(outcome(await finishInteraction(gatehouse, agent, page, {}))).toBe('interaction')
    const end = await finishSignIn(gatehouse, agent, await ask(agent, { max_age: '0' }), loginAt(two))
    expect(outcome(end)).toBe('code')
  })

  it.each(['-1', '1.5', 'soon'])('of %s is refused', async (max_age) => {
    expect(outcome(await ask(await signedIn(two), { max_age }))).toBe('invalid_request')
  })
})

describe('what tokens tell', () => {
  const ts = now() - 50
  const told = (acr: string) => ({ acr, amr: levels[phr]?.amr, auth_time: ts })
  const tokensOf = async (params: Record<string, string>) => {
    const agent = await signedIn(phr, { ts })
    const { verifier, challenge } = pkce()
    let page = await ask(agent, { ...params, code_challenge: challenge })
    if (params.prompt === 'consent') page = await agent.submit(page, '/consent', { decision: 'allow' })
    const code = String(page.location?.searchParams.get('code'))
    return redeem(gatehouse.issuer, app, { code, verifier })
  }
  const offline = { scope: 'openid offline_access', prompt: 'consent' }
  const toUserinfo = { scope: 'openid' }
  const toJwtApi = { scope: 'openid read', resource: orders }
  const toOpaqueApi = { scope: 'openid count', resource: stock }
  const claimsOf = async (token: unknown) =>
    String(token).includes('.') ? decodeJwt(String(token)) : (await introspect(gatehouse.issuer, app, token)).body

  const kinds: [string, Record<string, string>][] = [
    ['for userinfo', toUserinfo],
    ['for an API with JWTs', toJwtApi],
    ['for an API with opaque tokens', toOpaqueApi],
  ]
  it.each(kinds)(
    'about a sign-in, %s: in the ID token and in the access token, also after two refreshes',
    async (_, params) => {
      const tokens = await tokensOf({ ...params, acr_values: two })
      expect(decodeJwt(String(tokens.id_token))).toMatchObject(told(two))
      expect(await claimsOf(tokens.access_token)).toMatchObject(told(two))
      const first = await refresh(gatehouse.issuer, app, String(tokens.refresh_token))
      const second = await refresh(gatehouse.issuer, app, String(first.refresh_token))
      for (const later of [first, second]) {
        expect(decodeJwt(String(later.id_token))).toMatchObject(told(two))
        expect(await claimsOf(later.access_token)).toMatchObject(told(two))
      }
    },
  )

  it('without a demand is the level that was reached', async () => {
    const tokens = await tokensOf(toJwtApi)
    expect(decodeJwt(String(tokens.id_token))).toMatchObject(told(phr))
    expect(decodeJwt(String(tokens.access_token))).toMatchObject(told(phr))
  })

  it('at introspection is the same for JWTs', async () => {
    const { access_token } = await tokensOf(toJwtApi)
    expect((await introspect(gatehouse.issuer, app, access_token)).body).toMatchObject({ active: true, ...told(phr) })
  })

  it('is kept by refresh tokens for offline use, whatever the session has become', async () => {
    const tokens = await tokensOf(offline)
    await gatehouse.server.stores.database.query('DELETE FROM sessions WHERE sub = $1', [person.sub])
    const later = await refresh(gatehouse.issuer, app, String(tokens.refresh_token))
    expect(await claimsOf(later.access_token)).toMatchObject(told(phr))
  })

  it('is nothing about machines', async () => {
    for (const [audience, scope] of [
      [orders, 'read'],
      [stock, 'count'],
    ] as const) {
      const machine = await gatehouse.makeClient({ kind: 'machine', apis: { [audience]: [scope] } })
      const { body } = await machineToken(gatehouse.issuer, machine)
      const claims = (await introspect(gatehouse.issuer, machine, body.access_token)).body
      expect(claims.active).toBe(true)
      for (const name of ['acr', 'amr', 'auth_time']) expect(claims).not.toHaveProperty(name)
    }
  })

  it('is not told by userinfo: it belongs to one sign-in', async () => {
    const { access_token } = await tokensOf(toUserinfo)
    expect((await userinfo(gatehouse.issuer, access_token)).body).toEqual({ sub: person.sub })
  })
})

describe('the whole step-up (RFC 9470 section 2)', () => {
  it('leads from the service’s challenge by way of a stronger sign-in to a token that it takes', async () => {
    const service = createVerifier({ issuer: gatehouse.issuer, audience: orders, acrValues: [two, phr], maxAge: 60 })
    const agent = await signedIn(one, { ts: now() - 600 })
    const tokenFor = async (params: Record<string, string>, login?: Login) => {
      const { verifier, challenge } = pkce()
      const all = { scope: 'openid read', resource: orders, code_challenge: challenge, ...params }
      let page = await ask(agent, all)
      if (login) page = await finishSignIn(gatehouse, agent, page, login)
      const code = String(page.location?.searchParams.get('code'))
      return String((await redeem(gatehouse.issuer, app, { code, verifier })).access_token)
    }
    const refusal = await service.verify(await tokenFor({})).catch((error: VerifierError) => error)
    expect(refusal).toMatchObject({ code: 'insufficient_user_authentication', status: 401 })
    const told = (name: string) =>
      new RegExp(`${name}="([^"]*)"`).exec(String((refusal as VerifierError).challenge))?.[1] ?? ''
    const demands = { acr_values: told('acr_values'), max_age: told('max_age') }
    expect(demands).toEqual({ acr_values: `${two} ${phr}`, max_age: '60' })
    const token = await service.verify(await tokenFor(demands, loginAt(phr)))
    expect(token).toMatchObject({ acr: phr, amr: levels[phr]?.amr, subject: person.sub })
    expect(token.authenticatedAt).toBeGreaterThan(now() - 60)
    // The next one needs no sign-in.
    await service.verify(await tokenFor(demands))
  })
})
