// What a security review has found once, so that it stays found.
import { type Application, authorizeUrl, obtainCode, pkce, redeem, refresh } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent } from '../support/user-agent.ts'

let gatehouse: TestServer
let app: Application
let person: { sub: string; email: string; password: string }
const redirectUri = 'https://app.example.com/callback'

beforeAll(async () => {
  gatehouse = await startTestServer({ env: { GATEHOUSE_AUTHORIZE_LIMIT: '400' } })
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
  person = await gatehouse.makeAccount()
})
afterAll(() => gatehouse.stop())

const challenge = () => ({ code_challenge: pkce().challenge, code_challenge_method: 'S256' })
const silently = (agent: ReturnType<typeof createUserAgent>, more = {}) =>
  agent.visit(authorizeUrl(gatehouse.issuer, app, { prompt: 'none', ...challenge(), ...more }))
const sessionCookie = (agent: ReturnType<typeof createUserAgent>) => agent.cookies.get('gatehouse-session /')?.value

describe('a path', () => {
  it.each([
    '/Authorize',
    '/authorize/',
    '/Token',
    '/token/',
    '/Interaction/x/sign-in',
    '/Setup/x',
    '/%61uthorize',
    '/TOKEN/',
  ])('has one spelling: %s is not found, so no limit and no guard is passed by', async (path) => {
    const answer = await fetch(new URL(path, gatehouse.issuer), { method: 'POST', redirect: 'manual' })
    expect(answer.status).toBe(404)
  })
})

describe('a refresh token for offline use', () => {
  it('survives a sign-out although a later request of the session did not ask for offline access', async () => {
    const code = await obtainCode(gatehouse, app, person, { scope: 'openid offline_access', prompt: 'consent' })
    const tokens = await redeem(gatehouse.issuer, app, code)
    expect((await silently(code.agent)).location?.searchParams.get('code')).toBeTruthy()
    const page = await code.agent.visit(new URL('/sign-out', gatehouse.issuer))
    await code.agent.submit(page, '/sign-out/confirm', { logout: 'yes' })
    expect((await silently(code.agent)).location?.searchParams.get('error')).toBe('login_required')
    expect(await refresh(gatehouse.issuer, app, tokens.refresh_token as string)).toMatchObject({ status: 200 })
  })
})

describe('a tab that still carries the cookie from before it was renewed', () => {
  it('does not put the old value back', async () => {
    const { agent } = await obtainCode(gatehouse, app, person)
    const slow = agent.clone()
    const renewed = await agent.visit(authorizeUrl(gatehouse.issuer, app, { prompt: 'login', ...challenge() }))
    await agent.submit(renewed, '/sign-in', person)
    expect(sessionCookie(agent)).not.toBe(sessionCookie(slow))
    const old = sessionCookie(slow)
    expect((await silently(slow)).location?.searchParams.get('code')).toBeTruthy()
    expect(sessionCookie(slow)).not.toBe(old)
    await gatehouse.server.stores.database.query(
      "UPDATE session_keys SET superseded_at = superseded_at - interval '31 s'",
    )
    for (const tab of [agent, slow]) expect((await silently(tab)).location?.searchParams.get('code')).toBeTruthy()
  })
})

describe('an account that goes while its owner is signing in', () => {
  it.each([
    ['disableAccount', 'once everything was shown', 400, 'Go back to the application and try again.'],
    ['deleteAccount', 'once everything was shown', 400, 'Go back to the application and try again.'],
    ['disableAccount', 'between two steps', 200, 'name="password"'],
    ['deleteAccount', 'between two steps', 200, 'name="password"'],
  ] as const)('begins again after %s %s, and has no session', async (end, when, status, text) => {
    const going = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const page = await agent.visit(authorizeUrl(gatehouse.issuer, app, challenge()))
    const form = /action="(\/interaction\/[^"]+\/sign-in)"/.exec(page.text)?.[1] ?? ''
    const posted = await agent.request(new URL(form, gatehouse.issuer), {
      method: 'POST',
      body: new URLSearchParams({ email: going.email, password: going.password }),
    })
    const next = when === 'between two steps' ? posted : await agent.request(posted.location as URL)
    await gatehouse.server.node.revocation[end](going.sub)
    const resumed = await agent.visit(next.location as URL)
    expect(resumed.status).toBe(status)
    expect(resumed.text).toContain(text)
    const sessions = await gatehouse.server.stores.database.query('SELECT 1 FROM sessions WHERE sub = $1', [going.sub])
    expect(sessions).toEqual([])
  })
})

describe('the device page', () => {
  it('refuses a form without a session, and a path that is nothing, without a fault', async () => {
    const body = new URLSearchParams({ user_code: 'ABCD-EFGH', xsrf: 'x' })
    const posted = await fetch(new URL('/device', gatehouse.issuer), {
      method: 'POST',
      body,
      headers: { accept: 'text/html' },
    })
    expect(posted.status).toBeLessThan(500)
    const nothing = await fetch(new URL('/device/anything', gatehouse.issuer), { headers: { accept: 'text/html' } })
    expect(nothing.status).toBeLessThan(500)
  })

  it('lets nobody try user codes out', async () => {
    const statuses: number[] = []
    for (let guess = 0; guess < 70; guess += 1) {
      const body = new URLSearchParams({ user_code: `ABCD-EF${guess}` })
      statuses.push((await fetch(new URL('/device', gatehouse.issuer), { method: 'POST', body })).status)
    }
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(8)
  })
})

describe('a stranger', () => {
  it('fills no table by signing out or by asking for the device page', async () => {
    const statuses: number[] = []
    for (let visit = 0; visit < 450; visit += 1)
      statuses.push((await fetch(new URL('/sign-out', gatehouse.issuer))).status)
    expect(statuses).toContain(429)
    const [row] = await gatehouse.server.stores.database.query<{ left: number }>(
      'SELECT max(extract(epoch FROM expires_at - now()))::int AS left FROM sessions WHERE sub IS NULL',
    )
    expect(row?.left).toBeLessThanOrEqual(3600)
  })
})
