// Ending a session (threats O1 to O4; OpenID Connect RP-Initiated Logout, with the conformance suite's modules by name).
import type { AddressInfo } from 'node:net'
import { decodeJwt, SignJWT } from 'jose'
import { type Application, obtainCode, redeem, refresh, type Tokens } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, formOf, type Page, type UserAgent } from '../support/user-agent.ts'
import { pkceUrl, rawRequest, userinfo } from './requests.ts'

const redirectUri = 'https://app.example.com/cb'
const goodbye = 'https://app.example.com/goodbye'

let gatehouse: TestServer
let person: { email: string; password: string; sub: string }
let app: Application
let other: Application

beforeAll(async () => {
  gatehouse = await startTestServer()
  person = await gatehouse.makeAccount()
  const make = async () => ({
    redirectUri,
    ...(await gatehouse.makeClient({
      redirectUris: [redirectUri],
      postLogoutRedirectUris: [goodbye],
      isFirstParty: true,
      name: 'Northwind Notes',
    })),
  })
  app = await make()
  other = await make()
})
afterAll(() => gatehouse.stop())

interface SignedIn {
  agent: UserAgent
  tokens: Tokens
  hint: string
}

async function signedIn(params: Record<string, string> = {}, agent = createUserAgent()): Promise<SignedIn> {
  const code = await obtainCode(gatehouse, app, person, { ...params, agent } as never)
  const tokens = await redeem(gatehouse.issuer, app, code)
  return { agent, tokens, hint: tokens.id_token as string }
}

const open = (agent: UserAgent, params: Record<string, string> = {}): Promise<Page> => {
  const url = new URL('/sign-out', gatehouse.issuer)
  for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value)
  return agent.visit(url)
}
const confirm = (agent: UserAgent, page: Page) => agent.submit(page, '/sign-out/confirm', { logout: 'yes' })
const stay = (agent: UserAgent, page: Page) => agent.submit(page, '/sign-out/confirm')

async function isSignedIn(agent: UserAgent, client = app): Promise<boolean> {
  const page = await agent.request(pkceUrl(gatehouse.issuer, client, { prompt: 'none' }))
  const error = page.location?.searchParams.get('error')
  if (error && error !== 'login_required') throw new Error(error)
  return !error
}
const refused = async (page: Page, agent: UserAgent) => {
  expect({ status: page.status, location: page.location }).toEqual({ status: 400, location: undefined })
  expect(page.headers.get('content-type')).toContain('text/html')
  expect(await isSignedIn(agent)).toBe(true)
}

describe('signing out with everything that the standard offers', () => {
  it('goes back to the application with its state (rp-initiated-logout)', async () => {
    const { agent, hint } = await signedIn()
    const page = await open(agent, { id_token_hint: hint, post_logout_redirect_uri: goodbye, state: 'é&=' })
    expect(page.text).toContain('Sign out?')
    expect(page.text).toContain('Northwind Notes')
    expect(page.text).toContain(person.email)
    const { location } = await confirm(agent, page)
    expect(`${location?.origin}${location?.pathname}`).toBe(goodbye)
    expect(location?.searchParams.get('state')).toBe('é&=')
    expect(await isSignedIn(agent)).toBe(false)
  })

  it('accepts a hint that has expired', async () => {
    const { agent, hint } = await signedIn()
    const { keyRing } = gatehouse.server.node
    const key = (await keyRing.load()).signing.find(({ alg }) => alg === 'RS256')
    if (!key) throw new Error('no key')
    const expired = await new SignJWT({ ...decodeJwt(hint), iat: 1_600_000_000, exp: 1_600_000_060 })
      .setProtectedHeader({ alg: 'RS256', kid: key.kid as string })
      .sign(
        await crypto.subtle.importKey('jwk', key as JsonWebKey, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, [
          'sign',
        ]),
      )
    const page = await open(agent, { id_token_hint: expired, post_logout_redirect_uri: goodbye })
    expect((await confirm(agent, page)).location?.href).toBe(goodbye)
  })
})

describe('signing out with less', () => {
  it('goes back without a state (no-state)', async () => {
    const { agent, hint } = await signedIn()
    const page = await open(agent, { id_token_hint: hint, post_logout_redirect_uri: goodbye })
    expect((await confirm(agent, page)).location?.href).toBe(goodbye)
  })

  it('ends on our own page without an address (no-post-logout-redirect-uri)', async () => {
    const { agent, hint } = await signedIn()
    const page = await confirm(agent, await open(agent, { id_token_hint: hint, state: 's' }))
    expect(page).toMatchObject({ status: 200, location: undefined })
    expect(page.text).toContain('You are signed out')
    expect(await isSignedIn(agent)).toBe(false)
  })

  it('ends on our own page without anything (no-params)', async () => {
    const { agent } = await signedIn()
    const page = await confirm(agent, await open(agent))
    expect(page).toMatchObject({ status: 200, location: undefined })
    expect(page.text).toContain('You are signed out')
    expect(await isSignedIn(agent)).toBe(false)
  })

  it('ends on our own page with a state alone (only-state)', async () => {
    const { agent } = await signedIn()
    const page = await confirm(agent, await open(agent, { state: 's' }))
    expect(page).toMatchObject({ status: 200, location: undefined })
    expect(await isSignedIn(agent)).toBe(false)
  })

  it('does not go to an address that nobody vouches for (no-id-token-hint)', async () => {
    const { agent } = await signedIn()
    const page = await confirm(agent, await open(agent, { post_logout_redirect_uri: goodbye, state: 's' }))
    expect(page).toMatchObject({ status: 200, location: undefined })
    expect(await isSignedIn(agent)).toBe(false)
  })

  it('goes back when the client names itself instead of a hint', async () => {
    const { agent } = await signedIn()
    const page = await open(agent, { client_id: app.clientId, post_logout_redirect_uri: goodbye, state: 's' })
    expect((await confirm(agent, page)).location?.href).toBe(`${goodbye}?state=s`)
  })

  it('works when nobody is signed in', async () => {
    const agent = createUserAgent()
    const page = await open(agent, { client_id: app.clientId, post_logout_redirect_uri: goodbye })
    expect(page.status).toBe(200)
    expect((await agent.submit(page, '/sign-out/confirm')).location?.href).toBe(goodbye)
  })
})

describe('an address to go back to', () => {
  it('that is not registered is refused (bad-post-logout-redirect-uri)', async () => {
    const { agent, hint } = await signedIn()
    await refused(await open(agent, { id_token_hint: hint, post_logout_redirect_uri: 'https://evil.example/' }), agent)
  })

  it('with something added to its query is refused (query-added-to-post-logout-redirect-uri)', async () => {
    const { agent, hint } = await signedIn()
    await refused(await open(agent, { id_token_hint: hint, post_logout_redirect_uri: `${goodbye}?foo=bar` }), agent)
  })

  it.each([
    'https://app.example.com/goodbye/',
    'https://app.example.com/goodbye/../x',
    'https://app.example.com@evil.example/goodbye',
    'https://app.example.com/GOODBYE',
    'http://app.example.com/goodbye',
    '//evil.example',
    '/\\evil.example',
    'javascript:alert(1)',
    'https://app.example.com/goodbye#x',
    redirectUri,
  ])('is compared to the letter: %s', async (post_logout_redirect_uri) => {
    const { agent, hint } = await signedIn()
    await refused(await open(agent, { id_token_hint: hint, post_logout_redirect_uri }), agent)
  })

  it('may not be added when the page is confirmed', async () => {
    const { agent, hint } = await signedIn()
    const page = await open(agent, { id_token_hint: hint })
    const left = await agent.submit(page, '/sign-out/confirm', {
      logout: 'yes',
      post_logout_redirect_uri: 'https://evil.example/',
    })
    expect(left).toMatchObject({ status: 200, location: undefined })
  })
})

describe('a hint', () => {
  const alter = (hint: string, change: object, header: object = {}) => {
    const [head = '', , signature] = hint.split('.')
    const original = JSON.parse(Buffer.from(head, 'base64url').toString())
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    return `${encode({ ...original, ...header })}.${encode({ ...decodeJwt(hint), ...change })}.${signature}`
  }

  const bad: [string, (hint: string) => string][] = [
    ['whose content was altered (modified-id-token-hint)', (hint) => alter(hint, { sub: 'somebody' })],
    ['that is no token (bad-id-token-hint)', () => 'not a token'],
    ['of another issuer', (hint) => alter(hint, { iss: 'https://other.example.com' })],
    ['for a client that does not exist', (hint) => alter(hint, { aud: 'client_unknown' })],
    ['that is unsigned', (hint) => `${alter(hint, {}, { alg: 'none' }).split('.').slice(0, 2).join('.')}.`],
    ['signed by HMAC, it says', (hint) => alter(hint, {}, { alg: 'HS256' })],
    ['with a key id that we never had', (hint) => alter(hint, {}, { kid: "' OR 1=1" })],
    ['that looks encrypted', () => 'eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkExMjhHQ00ifQ.a.b.c.d'],
    ['that is cut off', (hint) => hint.slice(0, -10)],
  ]
  it.each(bad)('%s is refused', async (_, forge) => {
    const { agent, hint } = await signedIn()
    await refused(await open(agent, { id_token_hint: forge(hint), post_logout_redirect_uri: goodbye }), agent)
  })

  it('of another client than the one that is named is refused', async () => {
    const { agent, hint } = await signedIn()
    await refused(await open(agent, { id_token_hint: hint, client_id: other.clientId }), agent)
  })

  it('with a NUL character is refused', async () => {
    const { agent, hint } = await signedIn()
    await refused(await open(agent, { id_token_hint: `${hint}\0` }), agent)
    await refused(await open(agent, { client_id: `${app.clientId}\0` }), agent)
  })
})

describe('a sign-out that the person did not ask for', () => {
  it('is a page to confirm, and nothing more (forced logout)', async () => {
    const { agent, hint } = await signedIn()
    const image = await agent.request(new URL(`/sign-out?id_token_hint=${hint}`, gatehouse.issuer), {
      headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'image' },
    })
    expect(image.status).toBe(200)
    expect(await isSignedIn(agent)).toBe(true)
  })

  it.each([undefined, '', 'x'.repeat(48)])('cannot be confirmed with the token %p', async (xsrf) => {
    const { agent } = await signedIn()
    await open(agent)
    const page = await agent.request(new URL('/sign-out/confirm', gatehouse.issuer), {
      method: 'POST',
      body: new URLSearchParams({ logout: 'yes', ...(xsrf === undefined ? undefined : { xsrf }) }),
    })
    await refused(page, agent)
  })

  it('cannot be confirmed with somebody else’s token', async () => {
    const { agent } = await signedIn()
    await open(agent)
    const attacker = createUserAgent()
    const { fields } = formOf((await open(attacker)).text, '/sign-out/confirm')
    const page = await agent.request(new URL('/sign-out/confirm', gatehouse.issuer), {
      method: 'POST',
      body: new URLSearchParams({ ...fields, logout: 'yes' }),
    })
    await refused(page, agent)
  })

  it('can be declined: the session stays, for this application too', async () => {
    const { agent, hint } = await signedIn()
    await stay(agent, await open(agent, { id_token_hint: hint }))
    expect(await isSignedIn(agent, other)).toBe(true)
    expect(await isSignedIn(agent, app)).toBe(true)
  })
})

describe('a session that was signed out', () => {
  it('is dead in every tab, and for every application', async () => {
    const { agent } = await signedIn()
    await signedIn({}, agent)
    expect(await isSignedIn(agent, other)).toBe(true)
    const tab = agent.clone()
    await confirm(agent, await open(agent))
    for (const client of [app, other]) {
      expect(await isSignedIn(agent, client)).toBe(false)
      expect(await isSignedIn(tab, client)).toBe(false)
    }
  })

  it('is dead for a thief who copied the cookie, before or after it was renewed', async () => {
    const { agent } = await signedIn()
    const early = agent.clone()
    await signedIn({ prompt: 'login' }, agent)
    const late = agent.clone()
    expect(await isSignedIn(late)).toBe(true)
    await confirm(agent, await open(agent))
    expect(await isSignedIn(early)).toBe(false)
    expect(await isSignedIn(late)).toBe(false)
  })

  it('is dead on the other node', async () => {
    const { agent } = await signedIn()
    const node = await startTestServer({ beside: gatehouse })
    const { port } = node.server.http.address() as AddressInfo
    const cookie = [...agent.cookies].map(([key, { value }]) => `${key.split(' ')[0]}=${value}`).join('; ')
    const askThere = async () => {
      const { pathname, search } = pkceUrl(gatehouse.issuer, app, { prompt: 'none' })
      const headers = { host: new URL(gatehouse.issuer).host, cookie }
      const { location } = (await rawRequest(port, `${pathname}${search}`, { headers })).headers
      return new URL(location ?? '').searchParams.get('error')
    }
    const before = await askThere()
    await confirm(agent, await open(agent))
    const after = await askThere()
    await node.stop()
    expect([before, after]).toEqual([null, 'login_required'])
  })

  it('takes along the tokens that were not granted for offline use', async () => {
    const { agent, tokens } = await signedIn({ scope: 'openid email' })
    expect((await userinfo(gatehouse.issuer, tokens.access_token)).status).toBe(200)
    await confirm(agent, await open(agent))
    expect((await userinfo(gatehouse.issuer, tokens.access_token)).status).toBe(401)
    expect(await refresh(gatehouse.issuer, app, tokens.refresh_token as string)).toMatchObject({
      status: 400,
      error: 'invalid_grant',
    })
  })

  it('leaves those that were', async () => {
    const { agent, tokens } = await signedIn({ scope: 'openid offline_access', prompt: 'consent' })
    await confirm(agent, await open(agent))
    expect(await isSignedIn(agent)).toBe(false)
    expect(await refresh(gatehouse.issuer, app, tokens.refresh_token as string)).toMatchObject({ status: 200 })
  })

  it('leaves the person’s other browsers signed in', async () => {
    const [one, two] = [await signedIn(), await signedIn()]
    await confirm(one.agent, await open(one.agent))
    expect(await isSignedIn(two.agent)).toBe(true)
    expect(await refresh(gatehouse.issuer, app, two.tokens.refresh_token as string)).toMatchObject({ status: 200 })
  })

  it('takes its cookie from the browser', async () => {
    const { agent } = await signedIn()
    expect([...agent.cookies.keys()]).toContain('gatehouse-session /')
    await confirm(agent, await open(agent))
    expect([...agent.cookies.keys()]).not.toContain('gatehouse-session /')
  })
})
