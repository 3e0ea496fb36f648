// The session as its owner sees it: where it is used from, on the server's own pages, and until when.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Koa from 'koa'
import type { SignedInPerson } from '../../src/oidc/person-session.ts'
import type { Application } from '../support/code-flow.ts'
import { finishSignIn } from '../support/engine-sign-in.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { pkceUrl, rawRequest } from './requests.ts'

const redirectUri = 'https://app.example.com/cb'
const newerKey = 'a newer key of thirty-two characters'
const olderKey = 'an older key of thirty-two characters'

let gatehouse: TestServer
let app: Application
let ownPages: Awaited<ReturnType<typeof startOwnPages>>

beforeAll(async () => {
  gatehouse = await startTestServer({
    env: {
      GATEHOUSE_TRUSTED_PROXIES: '127.0.0.1,::1',
      GATEHOUSE_SESSION_IDLE: '100',
      GATEHOUSE_SESSION_ABSOLUTE: '1000',
      GATEHOUSE_COOKIE_KEYS: olderKey,
    },
  })
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
  ownPages = await startOwnPages(gatehouse)
})
afterAll(async () => {
  await ownPages.stop()
  await gatehouse.stop()
})

/** A page of ours, outside of the engine: it answers who is signed in. */
async function startOwnPages({ server }: TestServer) {
  const koa = new Koa()
  koa.use(async (ctx) => {
    ctx.body = { person: (await server.node.personSession.find(ctx)) ?? null }
  })
  const http = createServer(koa.callback()).listen(0, '127.0.0.1')
  await once(http, 'listening')
  const { port } = http.address() as AddressInfo
  return {
    find: async (agent: UserAgent): Promise<{ person: SignedInPerson | null; cookies: string[] }> => {
      const { text, headers } = await agent.request(`http://127.0.0.1:${port}/account`)
      return { ...JSON.parse(text), cookies: headers.getSetCookie() }
    },
    stop: async () => {
      http.closeAllConnections()
      http.close()
      await once(http, 'close')
    },
  }
}

const acr = 'urn:gatehouse:acr:2fa'
const now = () => Math.floor(Date.now() / 1000)

async function signIn(more: { ts?: number; agent?: UserAgent } = {}, sub?: string) {
  const accountId = sub ?? (await gatehouse.makeAccount()).sub
  const { agent = createUserAgent(), ...login } = more
  const page = await agent.visit(pkceUrl(gatehouse.issuer, app))
  await finishSignIn(gatehouse, agent, page, { accountId, acr, amr: ['mfa', 'otp', 'pwd'], ...login })
  return { agent, sub: accountId }
}
const listed = (sub: string) => gatehouse.server.stores.sessions.listOfAccount(sub)
/** As if so many seconds had passed. */
const age = (sub: string, seconds: number) =>
  gatehouse.server.stores.database.query(
    `UPDATE sessions SET expires_at = expires_at - make_interval(secs => $2), created_at = created_at - make_interval(secs => $2),
       last_seen_at = last_seen_at - make_interval(secs => $2),
       payload = payload || jsonb_build_object('exp', (payload->>'exp')::bigint - $2::int) WHERE sub = $1`,
    [sub, seconds],
  )

describe('a list of sessions', () => {
  it('tells from where each was last used, and when', async () => {
    const { port } = gatehouse.server.http.address() as AddressInfo
    const { agent, sub } = await signIn()
    const { agent: other } = await signIn({}, sub)
    expect(await listed(sub)).toHaveLength(2)
    const cookie = (from: UserAgent) =>
      [...from.cookies].map(([key, { value }]) => `${key.split(' ')[0]}=${value}`).join('; ')
    const useFrom = (from: UserAgent, address: string, userAgent: string) => {
      const { pathname, search } = pkceUrl(gatehouse.issuer, app, { prompt: 'none' })
      const headers = { host: new URL(gatehouse.issuer).host, cookie: cookie(from), 'user-agent': userAgent }
      return rawRequest(port, `${pathname}${search}`, { headers: { ...headers, 'x-forwarded-for': address } })
    }
    const long = `Mozilla ${'x'.repeat(391)}`
    await useFrom(agent, '203.0.113.7', Buffer.from(`${long}🦊🦊`).toString('latin1'))
    await useFrom(other, '2001:db8::1', 'Second browser')
    const [latest, earlier] = await listed(sub)
    expect(latest).toMatchObject({ address: '2001:db8::1', userAgent: 'Second browser' })
    expect(earlier).toMatchObject({ address: '203.0.113.7', userAgent: `${long}🦊` })
    for (const session of [latest, earlier]) {
      expect(session?.uid).toMatch(/^[\w-]{20,}$/)
      expect(session?.createdAt.getTime()).toBeLessThanOrEqual(session?.lastSeenAt.getTime() ?? 0)
      expect(
        Math.abs((session?.expiresAt.getTime() ?? 0) - (session?.lastSeenAt.getTime() ?? 0) - 100_000),
      ).toBeLessThan(2000)
    }
  })

  it('knows nobody else’s, and none that is over', async () => {
    const { sub } = await signIn()
    expect(await listed((await gatehouse.makeAccount()).sub)).toEqual([])
    await age(sub, 101)
    expect(await listed(sub)).toEqual([])
  })

  it('keeps what is known when a session is saved outside of any request', async () => {
    const { sub } = await signIn()
    const [before] = await listed(sub)
    const session = await gatehouse.server.node.engine.provider().Session.findByUid(String(before?.uid))
    await session?.save(50)
    const [after] = await listed(sub)
    expect(after).toMatchObject({ address: before?.address, userAgent: before?.userAgent })
    expect(before?.address).toMatch(/127\.0\.0\.1|::1/)
  })
})

describe('our own pages', () => {
  it('find who is signed in, and set no cookie', async () => {
    const ts = now() - 30
    const { agent, sub } = await signIn({ ts })
    const [session] = await listed(sub)
    const found = await ownPages.find(agent)
    expect(found).toEqual({
      person: { uid: session?.uid, accountId: sub, authTime: ts, acr, amr: ['mfa', 'otp', 'pwd'] },
      cookies: [],
    })
  })

  it('find nobody without a session, with a forged cookie, or with one that nobody is signed in to', async () => {
    const anonymous = createUserAgent()
    expect(await ownPages.find(anonymous)).toEqual({ person: null, cookies: [] })
    await anonymous.visit(new URL('/sign-out', gatehouse.issuer))
    expect(anonymous.cookies.size).toBeGreaterThan(0)
    expect(await ownPages.find(anonymous)).toEqual({ person: null, cookies: [] })
    const { agent } = await signIn()
    for (const key of ['gatehouse-session /', 'gatehouse-session.sig /']) {
      const forger = agent.clone()
      const cookie = forger.cookies.get(key)
      forger.cookies.set(key, {
        path: '/',
        value: `${cookie?.value.slice(0, -1)}${cookie?.value.endsWith('A') ? 'B' : 'A'}`,
      })
      expect(await ownPages.find(forger)).toEqual({ person: null, cookies: [] })
    }
  })

  it('read a cookie that was signed with an earlier key, and leave signing it anew to the engine', async () => {
    const { agent, sub } = await signIn()
    const keys = { GATEHOUSE_COOKIE_KEYS: `${newerKey},${olderKey}` }
    const node = await startTestServer({ beside: gatehouse, env: keys })
    const pages = await startOwnPages(node)
    const found = await pages.find(agent)
    await pages.stop()
    await node.stop()
    expect(found).toMatchObject({ person: { accountId: sub }, cookies: [] })
  })

  it('prolong the session by its idle time, also for the engine', async () => {
    const { agent, sub } = await signIn()
    for (let round = 0; round < 3; round += 1) {
      await age(sub, 90)
      const remaining = Number((await listed(sub))[0]?.expiresAt) - Date.now()
      expect(remaining).toBeLessThan(11_000)
      expect((await ownPages.find(agent)).person?.accountId).toBe(sub)
    }
    await age(sub, 90)
    const page = await agent.request(pkceUrl(gatehouse.issuer, app, { prompt: 'none' }))
    expect(page.location?.searchParams.has('code')).toBe(true)
    await age(sub, 101)
    expect((await ownPages.find(agent)).person).toBeNull()
    expect(await listed(sub)).toEqual([])
  })

  it('do not prolong it beyond its absolute end', async () => {
    const { agent, sub } = await signIn({ ts: now() - 950 })
    expect((await ownPages.find(agent)).person?.accountId).toBe(sub)
    expect(Number((await listed(sub))[0]?.expiresAt) - Date.now()).toBeLessThan(51_000)
    const over = await signIn({ ts: now() - 1002 })
    await gatehouse.server.stores.sessions.touch(String((await listed(over.sub))[0]?.uid), 500)
    expect((await ownPages.find(over.agent)).person).toBeNull()
  })

  it('find nobody whose session was ended, or whose account was disabled', async () => {
    const { revocation } = gatehouse.server.node
    const ended = await signIn()
    const uid = String((await ownPages.find(ended.agent)).person?.uid)
    expect(await revocation.endSession(ended.sub, uid)).toBe(true)
    expect((await ownPages.find(ended.agent)).person).toBeNull()
    const disabled = await signIn()
    await gatehouse.server.stores.accounts.setDisabled(disabled.sub, true)
    expect((await ownPages.find(disabled.agent)).person).toBeNull()
  })

  it('leave a session ended that was ended while they looked', async () => {
    const { sub } = await signIn()
    const { sessions } = gatehouse.server.stores
    const uid = String((await listed(sub))[0]?.uid)
    expect(await sessions.touch(uid, 50)).toBe(true)
    const over = await signIn()
    const [expired] = await listed(over.sub)
    await age(over.sub, 101)
    expect(await sessions.touch(String(expired?.uid), 50)).toBe(false)
    expect(await sessions.removeOne(sub, uid)).toBe(true)
    expect(await sessions.touch(uid, 50)).toBe(false)
    expect(await listed(sub)).toEqual([])
  })

  it('never shorten a session', async () => {
    const { sub } = await signIn()
    const [before] = await listed(sub)
    await gatehouse.server.stores.sessions.touch(String(before?.uid), 1)
    expect((await listed(sub))[0]?.expiresAt).toEqual(before?.expiresAt)
  })
})
