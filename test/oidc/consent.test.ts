// What an application of somebody else may get, and only after the person has agreed (threats N1 to N4).
import { decodeJwt } from 'jose'
import { type Application, obtainCode, redeem, refresh, signIn } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, formOf, type Page, type UserAgent } from '../support/user-agent.ts'
import { pkceUrl, userinfo } from './requests.ts'

const redirectUri = 'https://app.example.com/cb'
const orders = 'https://orders.example.com'

let gatehouse: TestServer

beforeAll(async () => {
  gatehouse = await startTestServer()
  await gatehouse.makeApi({
    audience: orders,
    name: 'Orders <b>API</b>',
    scopes: [
      { scope: 'read', description: 'Read your orders' },
      { scope: 'write', description: '' },
    ],
  })
})
afterAll(() => gatehouse.stop())

type NewClient = Parameters<TestServer['makeClient']>[0]
const makeApp = async (more: NewClient = {}): Promise<Application> => ({
  redirectUri: more.redirectUris?.[0] ?? redirectUri,
  ...(await gatehouse.makeClient({ redirectUris: [redirectUri], apis: { [orders]: ['read', 'write'] }, ...more })),
})

type Person = Awaited<ReturnType<TestServer['makeAccount']>>

/** Signs in up to the consent page. */
async function upToConsent(app: Application, params: Record<string, string> = {}, person?: Person) {
  const who = person ?? (await gatehouse.makeAccount())
  const agent = createUserAgent()
  const start = await agent.visit(pkceUrl(gatehouse.issuer, app, params))
  const page = await agent.submit(start, '/sign-in', { email: who.email, password: who.password })
  return { agent, page, person: who }
}
const isConsent = (page: Page) => page.text.includes('/consent"')
const allow = (agent: UserAgent, page: Page, more: Record<string, string> = {}) =>
  agent.submit(page, '/consent', { decision: 'allow', ...more })

describe('the consent page', () => {
  it('names the application, where it will send the browser, the person, and each scope in words', async () => {
    const app = await makeApp({ name: 'Northwind Notes' })
    const { page, person } = await upToConsent(app, { scope: 'openid profile email read write' })
    expect(page.status).toBe(200)
    for (const text of [
      'Northwind Notes',
      'app.example.com',
      person.email,
      'See your name',
      'See your e-mail address',
      'Read your orders',
      'write',
      'https://orders.example.com',
    ])
      expect(page.text).toContain(text)
    expect(page.headers.get('cache-control')).toContain('no-store')
  })

  it('names address and phone number', async () => {
    const { page } = await upToConsent(await makeApp(), { scope: 'openid address phone' })
    expect(page.text).toContain('See your postal address')
    expect(page.text).toContain('See your phone number')
  })

  it('tells of claims that are asked for one by one in the words of their scope, and asks again for more', async () => {
    const app = await makeApp()
    const claims = (name: string) => JSON.stringify({ userinfo: { [name]: null } })
    const { agent, page } = await upToConsent(app, { scope: 'openid', claims: claims('phone_number') })
    expect(page.text).toContain('See your phone number')
    expect(page.text).not.toContain('See your e-mail address')
    expect((await allow(agent, page)).location?.searchParams.get('code')).toBeTruthy()
    const same = await agent.visit(pkceUrl(gatehouse.issuer, app, { claims: claims('phone_number') }))
    expect(same.location?.searchParams.get('code')).toBeTruthy()
    const more = await agent.visit(pkceUrl(gatehouse.issuer, app, { claims: claims('email') }))
    expect(isConsent(more)).toBe(true)
    expect(more.text).toContain('See your e-mail address')
  })

  it('says so when access goes on while the person is away', async () => {
    const { page } = await upToConsent(await makeApp(), { scope: 'openid offline_access', prompt: 'consent' })
    expect(page.text).toContain('Keep this access when you are not using it')
  })

  it('escapes and cuts what comes from the application and the API', async () => {
    const name = `<script>alert(1)</script>${'x'.repeat(150)}`
    const { page } = await upToConsent(await makeApp({ name }), { scope: 'openid read' })
    expect(page.text).not.toContain('<script>')
    expect(page.text).not.toContain('<b>API</b>')
    expect(page.text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(page.text).not.toContain('x'.repeat(100))
  })

  it('shows no logo and loads nothing from elsewhere, whatever is in the stored metadata', async () => {
    const app = await makeApp()
    const metadata = {
      ...(await gatehouse.server.stores.clients.find(app.clientId))?.metadata,
      logo_uri: 'https://evil.example/pixel.svg',
      client_uri: 'https://app.example.com/"onclick="x',
    }
    await gatehouse.server.stores.database.query('UPDATE clients SET metadata = $2 WHERE client_id = $1', [
      app.clientId,
      metadata,
    ])
    gatehouse.server.stores.clientCache.forget(app.clientId)
    const { page } = await upToConsent(app)
    expect(page.text).not.toContain('pixel.svg')
    expect(page.text).not.toContain('"onclick=')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(page.headers.get('content-security-policy')).not.toMatch(/img-src[^;]*evil/)
  })

  it('refuses names that turn text around when they are registered', async () => {
    await expect(makeApp({ name: 'Nice\u202eppA' })).rejects.toThrow(/control characters/)
  })
})

describe('agreeing', () => {
  it('gives what was shown, and nothing more', async () => {
    const app = await makeApp()
    const code = await obtainCode(gatehouse, app, await gatehouse.makeAccount(), { scope: 'openid read' })
    const tokens = await redeem(gatehouse.issuer, app, code)
    expect(decodeJwt(String(tokens.access_token)).scope).toBe('read')
  })

  it('takes no scope, claim, resource or client from the form', async () => {
    const app = await makeApp()
    const { agent, page, person } = await upToConsent(app, { scope: 'openid read' })
    const extra = {
      scope: 'openid read write profile email offline_access',
      scopes: 'write',
      resource: orders,
      'resources[https://orders.example.com]': 'write',
      client_id: 'client_other',
      accountId: 'somebody',
      grantId: 'x',
    }
    expect((await allow(agent, page, extra)).location?.searchParams.get('code')).toBeTruthy()
    const consent = await gatehouse.server.stores.consents.find(person.sub, app.clientId)
    expect(consent).toEqual({ scopes: ['openid'], claims: [], resources: { [orders]: ['read'] } })
  })

  it('cannot be done before signing in', async () => {
    const agent = createUserAgent()
    const page = await agent.visit(pkceUrl(gatehouse.issuer, await makeApp()))
    const forged = await agent.request(new URL(`${page.url.pathname}/consent`, gatehouse.issuer), {
      method: 'POST',
      body: new URLSearchParams({ decision: 'allow' }),
    })
    expect({ status: forged.status, location: forged.location }).toEqual({ status: 400, location: undefined })
  })

  it('cannot be done for another browser’s page', async () => {
    const { page } = await upToConsent(await makeApp())
    const attacker = createUserAgent()
    const forged = await attacker.request(new URL(formOf(page.text, '/consent').action, gatehouse.issuer), {
      method: 'POST',
      body: new URLSearchParams({ decision: 'allow' }),
    })
    expect({ status: forged.status, location: forged.location }).toEqual({ status: 400, location: undefined })
  })

  it('cannot be done with the cookies of another sign-in of the same browser', async () => {
    const app = await makeApp()
    const { agent, page } = await upToConsent(app)
    const second = await agent.visit(pkceUrl(gatehouse.issuer, app))
    const cookies = [...agent.cookies].filter(([key]) => key.includes(second.url.pathname))
    const header = cookies.map(([key, { value }]) => `${key.split(' ')[0]}=${value}`).join('; ')
    const forged = await createUserAgent().request(new URL(formOf(page.text, '/consent').action, gatehouse.issuer), {
      method: 'POST',
      headers: { cookie: header },
      body: new URLSearchParams({ decision: 'allow' }),
    })
    expect(cookies.length).toBeGreaterThan(0)
    expect({ status: forged.status, location: forged.location }).toEqual({ status: 400, location: undefined })
  })

  const crossSite: [string, Record<string, string>][] = [
    ['a cross-site form', { 'sec-fetch-site': 'cross-site' }],
    ['a form of a sibling site', { 'sec-fetch-site': 'same-site' }],
    ['a form of another origin', { 'sec-fetch-site': '', origin: 'https://evil.example' }],
    ['a sandboxed form', { 'sec-fetch-site': '', origin: 'null' }],
    ['a caller that says nothing about itself', { 'sec-fetch-site': '' }],
  ]
  it.each(crossSite)('cannot be done by %s', async (_, headers) => {
    const app = await makeApp()
    const { agent, page, person } = await upToConsent(app)
    const forged = await agent.request(new URL(formOf(page.text, '/consent').action, gatehouse.issuer), {
      method: 'POST',
      headers,
      body: new URLSearchParams({ decision: 'allow' }),
    })
    expect(forged.status).toBe(403)
    expect(await gatehouse.server.stores.consents.find(person.sub, app.clientId)).toBeUndefined()
  })

  it('is done once: going back to the page shows that it is over', async () => {
    const { agent, page } = await upToConsent(await makeApp())
    const { action } = formOf(page.text, '/consent')
    await allow(agent, page)
    const again = await agent.request(new URL(action, gatehouse.issuer), {
      method: 'POST',
      body: new URLSearchParams({ decision: 'allow' }),
    })
    expect(again.status).toBe(400)
    expect(again.location).toBeUndefined()
  })
})

describe('declining', () => {
  it('tells the application access_denied, and remembers nothing', async () => {
    const app = await makeApp()
    const { agent, page, person } = await upToConsent(app)
    const { location } = await agent.submit(page, '/abort')
    expect(location?.searchParams.get('error')).toBe('access_denied')
    expect(location?.searchParams.get('state')).toBe('state')
    expect(await gatehouse.server.stores.consents.find(person.sub, app.clientId)).toBeUndefined()
    const again = await agent.visit(pkceUrl(gatehouse.issuer, app))
    expect(isConsent(again)).toBe(true)
  })

  it('to be this person leads to the sign-in of another, who is asked in turn', async () => {
    const app = await makeApp()
    const { agent, page } = await upToConsent(app)
    const other = await gatehouse.makeAccount()
    const start = await agent.submit(page, '/switch-account')
    // The session of the first person ends on the way, by a form that sends itself.
    const leaving = await agent.submit(start, '/sign-in', { email: other.email, password: other.password })
    const consent = await agent.submit(leaving, '/sign-out/confirm')
    expect(isConsent(consent)).toBe(true)
    expect(consent.text).toContain(other.email)
    expect((await allow(agent, consent)).location?.searchParams.get('code')).toBeTruthy()
  })
})

describe('what was agreed', () => {
  const visit = async (agent: UserAgent, app: Application, params: Record<string, string> = {}) =>
    agent.visit(pkceUrl(gatehouse.issuer, app, params))
  const code = (page: Page) => page.location?.searchParams.get('code') ?? undefined

  it('is not asked again, nor when less is asked for', async () => {
    const app = await makeApp()
    const { agent, page } = await upToConsent(app, { scope: 'openid email read' })
    await allow(agent, page)
    expect(code(await visit(agent, app, { scope: 'openid email read' }))).toBeDefined()
    expect(code(await visit(agent, app, { scope: 'openid' }))).toBeDefined()
  })

  it.each(['openid email profile', 'openid email read write', 'openid email offline_access'])(
    'is asked again when something is added: %s',
    async (scope) => {
      const app = await makeApp()
      const { agent, page } = await upToConsent(app, { scope: 'openid email' })
      await allow(agent, page)
      const again = await visit(agent, app, { scope, ...(scope.includes('offline') ? { prompt: 'consent' } : {}) })
      expect(isConsent(again)).toBe(true)
    },
  )

  it('is of one person and one application', async () => {
    const [app, other] = [await makeApp(), await makeApp()]
    const { agent, page } = await upToConsent(app)
    await allow(agent, page)
    expect(isConsent(await visit(agent, other))).toBe(true)
    expect(isConsent((await upToConsent(app)).page)).toBe(true)
  })

  it('is asked again with prompt=consent', async () => {
    const app = await makeApp()
    const { agent, page } = await upToConsent(app)
    await allow(agent, page)
    expect(isConsent(await visit(agent, app, { prompt: 'consent' }))).toBe(true)
  })

  it('ends with its tokens when it is withdrawn, and is asked anew', async () => {
    const app = await makeApp()
    const { agent, page, person } = await upToConsent(app, { scope: 'openid email offline_access', prompt: 'consent' })
    await allow(agent, page)
    const got = await obtainCode(gatehouse, app, person, { scope: 'openid email', agent } as never)
    const tokens = await redeem(gatehouse.issuer, app, got)
    const offline = await redeem(
      gatehouse.issuer,
      app,
      await obtainCode(gatehouse, app, person, { scope: 'openid offline_access', prompt: 'consent' }),
    )
    expect((await userinfo(gatehouse.issuer, tokens.access_token)).status).toBe(200)
    await gatehouse.server.node.revocation.withdrawConsent(person.sub, app.clientId)
    expect((await userinfo(gatehouse.issuer, tokens.access_token)).status).toBe(401)
    expect(await refresh(gatehouse.issuer, app, offline.refresh_token as string)).toMatchObject({
      status: 400,
      error: 'invalid_grant',
    })
    expect(isConsent(await visit(agent, app, { scope: 'openid email' }))).toBe(true)
  })

  it('leaves other applications alone when it is withdrawn', async () => {
    const [app, other] = [await makeApp(), await makeApp()]
    const person = await gatehouse.makeAccount()
    const params = { scope: 'openid email' }
    await redeem(gatehouse.issuer, app, await obtainCode(gatehouse, app, person, params))
    const tokens = await redeem(gatehouse.issuer, other, await obtainCode(gatehouse, other, person, params))
    await gatehouse.server.node.revocation.withdrawConsent(person.sub, app.clientId)
    expect((await userinfo(gatehouse.issuer, tokens.access_token)).status).toBe(200)
  })

  it('does not outlive the scope: what a client may no longer have is not granted by an old consent', async () => {
    const app = await makeApp()
    const { agent, page } = await upToConsent(app, { scope: 'openid read write' })
    await allow(agent, page)
    await gatehouse.server.node.registrations.clients.update(app.clientId, { apis: { [orders]: ['read'] } })
    gatehouse.server.stores.clientCache.forget(app.clientId)
    const refused = await visit(agent, app, { scope: 'openid read write' })
    expect(refused.location?.searchParams.get('error')).toBe('invalid_scope')
  })
})

describe('an application that others can pose as', () => {
  it.each([
    ['native with a scheme of its own', { kind: 'native', redirectUris: ['com.example.app:/cb'] }],
    ['native on the loopback interface', { kind: 'native', redirectUris: ['http://127.0.0.1/cb'] }],
  ] as [string, NewClient][])('asks each time (RFC 8252 section 8.6): %s', async (_, client) => {
    const app = await makeApp(client)
    const { agent, page } = await upToConsent(app)
    expect((await allow(agent, page)).location?.searchParams.get('code')).toBeTruthy()
    const again = await agent.visit(pkceUrl(gatehouse.issuer, app))
    expect(isConsent(again)).toBe(true)
    expect((await allow(agent, again)).location?.searchParams.get('code')).toBeTruthy()
    const silent = await agent.visit(pkceUrl(gatehouse.issuer, app, { prompt: 'none' }))
    expect(silent.location?.searchParams.get('error')).toMatch(/^(interaction|consent)_required$/)
  })
})

describe('an application of the operator', () => {
  it.each([
    ['web', {}],
    ['spa', { kind: 'spa' }],
    ['native', { kind: 'native', redirectUris: ['com.example.app:/cb'] }],
  ] as [string, NewClient][])('never asks: %s', async (_, client) => {
    const app = await makeApp({ isFirstParty: true, ...client })
    const { agent, page } = await upToConsent(app, { scope: 'openid email read' })
    expect(page.location?.searchParams.get('code')).toBeTruthy()
    const again = await signIn(
      agent,
      await agent.visit(pkceUrl(gatehouse.issuer, app, { scope: 'openid email read write' })),
      { email: '', password: '' },
    )
    expect(again.location?.searchParams.get('code')).toBeTruthy()
  })
})
