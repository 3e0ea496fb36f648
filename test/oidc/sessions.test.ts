// The session of a browser: its cookies, who may use them, and when it ends (threats S1 to S4, S7).
import type { AddressInfo } from 'node:net'
import { type Application, obtainCode, signIn } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { pkceUrl, type RawAnswer, rawRequest } from './requests.ts'

const redirectUri = 'https://app.example.com/cb'
const sessionCookie = 'gatehouse-session /'

let gatehouse: TestServer
let person: { email: string; password: string; sub: string }
let app: Application

const makeApp = async (server: TestServer): Promise<Application> => ({
  redirectUri,
  ...(await server.makeClient({ redirectUris: [redirectUri], isFirstParty: true })),
})

beforeAll(async () => {
  gatehouse = await startTestServer()
  person = await gatehouse.makeAccount()
  app = await makeApp(gatehouse)
})
afterAll(() => gatehouse.stop())

async function isSignedIn(agent: UserAgent, server = gatehouse, client = app): Promise<boolean> {
  const { location } = await agent.request(pkceUrl(server.issuer, client, { prompt: 'none' }))
  const error = location?.searchParams.get('error')
  if (error !== 'login_required' && !location?.searchParams.has('code'))
    throw new Error(location?.href ?? 'no redirect')
  return error === null
}

const signedIn = async (who = person): Promise<UserAgent> => (await obtainCode(gatehouse, app, who)).agent
const cookieOf = (agent: UserAgent) => agent.cookies.get(sessionCookie)?.value ?? ''

describe('signing in', () => {
  it('gives the browser another cookie than the one that it came with (session fixation)', async () => {
    const victim = createUserAgent()
    // Signing out without a session leaves an anonymous one behind, which an attacker could have planted.
    await victim.visit(new URL('/sign-out', gatehouse.issuer))
    const planted = victim.clone()
    expect(cookieOf(planted)).not.toBe('')
    await signIn(victim, await victim.visit(pkceUrl(gatehouse.issuer, app)), person)
    expect(cookieOf(victim)).not.toBe(cookieOf(planted))
    expect(await isSignedIn(victim)).toBe(true)
    expect(await isSignedIn(planted)).toBe(false)
  })

  it('as somebody else does not leave the first person’s cookie useful for the second', async () => {
    const agent = await signedIn()
    const before = agent.clone()
    const other = await gatehouse.makeAccount()
    const start = await agent.visit(pkceUrl(gatehouse.issuer, app, { prompt: 'login' }))
    const leaving = await agent.submit(start, '/sign-in', { email: other.email, password: other.password })
    await agent.submit(leaving, '/sign-out/confirm')
    expect(await isSignedIn(agent)).toBe(true)
    expect(await isSignedIn(before)).toBe(false)
  })
})

describe('a session cookie', () => {
  const withCookies = (session: string, signature: string) =>
    createUserAgent(
      new Map([
        [sessionCookie, { value: session, path: '/' }],
        ['gatehouse-session.sig /', { value: signature, path: '/' }],
      ]),
    )
  const flip = (text: string) => `${text.startsWith('A') ? 'B' : 'A'}${text.slice(1)}`

  it('is nothing without its signature, or with a bit changed in either', async () => {
    const agent = await signedIn()
    const session = cookieOf(agent)
    const signature = agent.cookies.get('gatehouse-session.sig /')?.value ?? ''
    expect(await isSignedIn(withCookies(session, signature))).toBe(true)
    expect(await isSignedIn(withCookies(flip(session), signature))).toBe(false)
    expect(await isSignedIn(withCookies(session, flip(signature)))).toBe(false)
    expect(await isSignedIn(withCookies(session, ''))).toBe(false)
    expect(await isSignedIn(withCookies(session, session))).toBe(false)
  })

  it.each([
    ['empty', ''],
    ['long', 'x'.repeat(4000)],
    ['full of quotes', `"'\`;--`],
    ['percent-encoded', '%F0%28%8C%28'],
    ['like JSON', '{"jti":"x"}'],
    ['like a prototype', '__proto__'],
  ])('that is %s counts as none, and is never a fault', async (_, value) => {
    const page = await createUserAgent().request(pkceUrl(gatehouse.issuer, app), {
      headers: { cookie: `gatehouse-session=${value}; gatehouse-session.sig=${value}` },
    })
    expect([303, 400]).toContain(page.status)
    expect(page.location?.searchParams.has('code') ?? false).toBe(false)
  })

  it('with a thousand others beside it is never a fault', async () => {
    const cookie = Array.from({ length: 1000 }, (_, index) => `c${index}=x`).join('; ')
    const page = await createUserAgent().request(pkceUrl(gatehouse.issuer, app), { headers: { cookie } })
    expect([303, 431]).toContain(page.status)
  })

  it('that is larger than any server reads is refused', async () => {
    const { port } = gatehouse.server.http.address() as AddressInfo
    const { pathname, search } = pkceUrl(gatehouse.issuer, app)
    const headers = { host: new URL(gatehouse.issuer).host, cookie: `a=${'x'.repeat(60_000)}` }
    expect((await rawRequest(port, `${pathname}${search}`, { headers })).status).toBe(431)
  })

  it('signed with a key that is no longer listed counts as none, with the one before the newest it stays good', async () => {
    const [old, fresh] = ['an older key of thirty-two characters', 'a newer key of thirty-two characters']
    const first = await startTestServer({ env: { GATEHOUSE_COOKIE_KEYS: old } })
    const client = await makeApp(first)
    const { agent } = await obtainCode(first, client, await first.makeAccount())
    const askWith = async (keys: string) => {
      const node = await startTestServer({ beside: first, env: { GATEHOUSE_COOKIE_KEYS: keys } })
      const { port } = node.server.http.address() as AddressInfo
      const cookie = [...agent.cookies].map(([key, { value }]) => `${key.split(' ')[0]}=${value}`).join('; ')
      const { pathname, search } = pkceUrl(first.issuer, client, { prompt: 'none' })
      const headers = { host: new URL(first.issuer).host, cookie }
      const answer = await rawRequest(port, `${pathname}${search}`, { headers })
      await node.stop()
      return new URL(answer.headers.location ?? '').searchParams.get('error')
    }
    const outcomes = [await askWith(`${fresh},${old}`), await askWith(fresh)]
    await first.stop()
    expect(outcomes).toEqual([null, 'login_required'])
  })
})

describe('every cookie', () => {
  it('in development is kept from scripts and from other sites', async () => {
    const agent = createUserAgent()
    const seen: string[] = []
    const watch = { ...agent, request: agent.request }
    let page = await watch.request(pkceUrl(gatehouse.issuer, app))
    seen.push(...page.headers.getSetCookie())
    const form = new URLSearchParams({ email: person.email, password: person.password })
    page = await watch.request(new URL(`${page.location?.pathname}/sign-in`, gatehouse.issuer), {
      method: 'POST',
      body: form,
    })
    seen.push(...page.headers.getSetCookie())
    while (page.location?.origin === gatehouse.issuer) {
      page = await watch.request(page.location)
      seen.push(...page.headers.getSetCookie())
    }
    expect(seen.some((cookie) => cookie.startsWith('gatehouse-session='))).toBe(true)
    for (const cookie of seen) {
      expect(cookie).toMatch(/; httponly/i)
      expect(cookie).toMatch(/; samesite=(lax|strict)/i)
      expect(cookie).not.toMatch(/; domain=/i)
    }
  })

  describe('with an https issuer', () => {
    const issuer = 'https://login.example.com'
    let production: TestServer
    let port: number
    let client: Application
    const jar = new Map<string, string>()
    const seen: string[] = []

    const request = async (target: string, body?: URLSearchParams): Promise<RawAnswer> => {
      const answer = await rawRequest(port, target, {
        method: body ? 'POST' : 'GET',
        headers: {
          host: 'login.example.com',
          cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
          'sec-fetch-site': 'same-origin',
          accept: 'text/html',
          ...(body ? { 'content-type': 'application/x-www-form-urlencoded' } : undefined),
        },
        ...(body ? { body: body.toString() } : undefined),
      })
      for (const cookie of answer.headers['set-cookie'] ?? []) {
        seen.push(cookie)
        const [pair = ''] = cookie.split(';')
        jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
      }
      return answer
    }
    const pathOf = (answer: RawAnswer) => {
      const { pathname, search } = new URL(answer.headers.location ?? '', issuer)
      return `${pathname}${search}`
    }

    beforeAll(async () => {
      production = await startTestServer({
        env: {
          NODE_ENV: 'production',
          GATEHOUSE_ISSUER: issuer,
          GATEHOUSE_COOKIE_KEYS: 'a key of at least thirty-two characters',
          GATEHOUSE_SMTP_URL: 'smtp://127.0.0.1:9',
        },
      })
      port = (production.server.http.address() as AddressInfo).port
      client = await makeApp(production)
    })
    afterAll(() => production.stop())

    it('is secure and bound to the host: __Host- where it stands for all paths, __Secure- where for one', async () => {
      const account = await production.makeAccount()
      const { pathname, search } = pkceUrl(issuer, client)
      const start = await request(`${pathname}${search}`)
      expect(new URL(start.headers.location ?? '', issuer).origin).toBe(issuer)
      const signIn = `${pathOf(start)}/sign-in`
      const posted = await request(signIn, new URLSearchParams({ email: account.email, password: account.password }))
      const back = await request(pathOf(await request(pathOf(posted))))
      expect(new URL(back.headers.location ?? '').searchParams.get('code')).toBeTruthy()
      expect(new URL(back.headers.location ?? '').searchParams.get('iss')).toBe(issuer)
      expect(seen.some((cookie) => cookie.startsWith('__Host-gatehouse-session='))).toBe(true)
      for (const cookie of seen) {
        expect(cookie).toMatch(/^__(Host|Secure)-/)
        if (cookie.startsWith('__Host-')) expect(cookie).toMatch(/; path=\/(;|$)/i)
        expect(cookie).toMatch(/; secure/i)
        expect(cookie).toMatch(/; httponly/i)
        expect(cookie).toMatch(/; samesite=lax/i)
        expect(cookie).not.toMatch(/; domain=/i)
      }
    })

    it('comes with strict transport security', async () => {
      const answer = await request('/')
      expect(answer.headers['strict-transport-security']).toMatch(/^max-age=31536000/)
    })
  })
})

describe('a sign-in under way', () => {
  it('belongs to the browser that began it', async () => {
    const victim = createUserAgent()
    const page = await victim.visit(pkceUrl(gatehouse.issuer, app))
    const attacker = createUserAgent()
    for (const path of ['', '/sign-up']) {
      const seen = await attacker.request(new URL(`${page.url.pathname}${path}`, gatehouse.issuer))
      expect({ status: seen.status, location: seen.location }).toEqual({ status: 400, location: undefined })
    }
    for (const path of ['/sign-in', '/sign-up', '/consent', '/abort', '/switch-account']) {
      const posted = await attacker.request(new URL(`${page.url.pathname}${path}`, gatehouse.issuer), {
        method: 'POST',
        body: new URLSearchParams({ email: person.email, password: person.password, decision: 'allow' }),
      })
      expect({ path, status: posted.status, location: posted.location }).toEqual({
        path,
        status: 400,
        location: undefined,
      })
    }
  })

  it('cannot be finished by another browser', async () => {
    const victim = createUserAgent()
    const page = await victim.visit(pkceUrl(gatehouse.issuer, app))
    const uid = page.url.pathname.split('/').at(-1)
    await victim.request(new URL(`${page.url.pathname}/sign-in`, gatehouse.issuer), {
      method: 'POST',
      body: new URLSearchParams({ email: person.email, password: person.password }),
    })
    const attacker = createUserAgent()
    const stolen = await attacker.request(new URL(`/authorize/${uid}`, gatehouse.issuer))
    expect({ status: stolen.status, location: stolen.location }).toEqual({ status: 400, location: undefined })
    expect(attacker.cookies.size).toBe(0)
  })

  it('does not accept the cookie of another sign-in of the same browser', async () => {
    const agent = createUserAgent()
    const one = await agent.visit(pkceUrl(gatehouse.issuer, app))
    const two = await agent.visit(pkceUrl(gatehouse.issuer, app))
    const cookie = [...agent.cookies]
      .filter(([key]) => key.includes(one.url.pathname))
      .map(([key, { value }]) => `${key.split(' ')[0]}=${value}`)
      .join('; ')
    expect(cookie).not.toBe('')
    const page = await createUserAgent().request(two.url, { headers: { cookie } })
    expect(page.status).toBe(400)
  })

  it('can go on beside another one in a second tab', async () => {
    const agent = createUserAgent()
    const [one, two] = [
      await agent.visit(pkceUrl(gatehouse.issuer, app)),
      await agent.visit(pkceUrl(gatehouse.issuer, app)),
    ]
    for (const page of [two, one])
      expect((await signIn(agent, page, person)).location?.searchParams.get('code')).toBeTruthy()
  })

  it('keeps one row however many tabs renew the cookie', async () => {
    const who = await gatehouse.makeAccount()
    const agent = await signedIn(who)
    await Promise.all(Array.from({ length: 6 }, () => agent.visit(pkceUrl(gatehouse.issuer, app))))
    const rows = await gatehouse.server.stores.database.query('SELECT 1 FROM sessions WHERE sub = $1', [who.sub])
    expect(rows).toHaveLength(1)
    expect(await isSignedIn(agent)).toBe(true)
  })
})

describe('the end of a session', () => {
  const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

  it('comes when it has not been used for the time that is set', async () => {
    const server = await startTestServer({ env: { GATEHOUSE_SESSION_IDLE: '2', GATEHOUSE_SESSION_ABSOLUTE: '60' } })
    const client = await makeApp(server)
    const { agent } = await obtainCode(server, client, await server.makeAccount())
    const states: boolean[] = []
    for (let round = 0; round < 3; round += 1) {
      await wait(1000)
      states.push(await isSignedIn(agent, server, client))
    }
    await wait(2300)
    states.push(await isSignedIn(agent, server, client))
    await server.stop()
    expect(states).toEqual([true, true, true, false])
  })

  it('comes at the latest after the absolute time, however much it is used', async () => {
    const server = await startTestServer({ env: { GATEHOUSE_SESSION_IDLE: '60', GATEHOUSE_SESSION_ABSOLUTE: '3' } })
    const client = await makeApp(server)
    const { agent } = await obtainCode(server, client, await server.makeAccount())
    const states = [await isSignedIn(agent, server, client)]
    const begun = Date.now()
    while (Date.now() - begun < 4200) {
      await wait(400)
      await isSignedIn(agent, server, client)
    }
    states.push(await isSignedIn(agent, server, client))
    await server.stop()
    expect(states).toEqual([true, false])
  })

  it('is told to the browser as the end of its cookie', async () => {
    const agent = await signedIn()
    const page = await agent.request(pkceUrl(gatehouse.issuer, app, { prompt: 'none' }))
    const cookie = page.headers.getSetCookie().find((header) => header.startsWith('gatehouse-session='))
    const expires = new Date(/expires=([^;]+)/.exec(cookie ?? '')?.[1] ?? '')
    const hours = (expires.getTime() - Date.now()) / 3_600_000
    expect(hours).toBeGreaterThan(11.9)
    expect(hours).toBeLessThan(12.1)
  })

  it('for somebody who has not signed in comes within the hour', async () => {
    await createUserAgent().visit(new URL('/device', gatehouse.issuer))
    const [row] = await gatehouse.server.stores.database.query<{ seconds: number }>(
      'SELECT max(extract(epoch FROM expires_at - now()))::int AS seconds FROM sessions WHERE sub IS NULL',
    )
    expect(row?.seconds).toBeGreaterThan(0)
    expect(row?.seconds).toBeLessThanOrEqual(3600)
  })
})
