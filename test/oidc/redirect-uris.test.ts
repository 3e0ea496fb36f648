// Where the authorization endpoint sends a browser, and where it never does.
import { type Application, signIn } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { pkceUrl } from './requests.ts'

const redirectUri = 'https://app.example.com/cb'

/** Each looks to one parser or another like the registered one. */
const variants = [
  'https://app.example.com/cb/',
  'https://app.example.com/cb//',
  'https://app.example.com//cb',
  'https://app.example.com/cb/../x',
  'https://app.example.com/./cb',
  'https://app.example.com/x/../cb',
  'https://app.example.com/cb/..',
  'https://app.example.com/cb/%2e%2e/x',
  'https://app.example.com/%63b',
  'https://app.example.com/cb%2f',
  'https://app.example.com/cb%00',
  'https://app.example.com/cb%0a',
  'https://app.example.com/cb%20',
  'https://app.example.com/cb;a=b',
  'https://app.example.com/cb?',
  'https://app.example.com/cb?a=b',
  'https://app.example.com/cb?redirect_uri=https://evil.example',
  'https://app.example.com/cb#',
  'https://app.example.com/cb#fragment',
  'https://app.example.com/CB',
  'https://app.example.com/cbx',
  'https://app.example.com/c',
  'https://app.example.com/',
  'https://app.example.com',
  'https://app.example.com/cb ',
  ' https://app.example.com/cb',
  'https://app.example.com/cb\t',
  'https://app.example.com/cb\n',
  'https://app.example.com/cb\r\nLocation: https://evil.example',
  'https://app.example.com/c\tb',
  'https://app.example.com/*',
  'https://*.example.com/cb',
  'https://app.example.com./cb',
  'https://app.example.com:443/cb',
  'https://app.example.com:8443/cb',
  'https://app.example.com:/cb',
  'https://App.example.com/cb',
  'HTTPS://app.example.com/cb',
  'http://app.example.com/cb',
  'https:app.example.com/cb',
  'https:/app.example.com/cb',
  'https:///app.example.com/cb',
  'https:\\\\app.example.com\\cb',
  'https://app.example.com\\cb',
  '//app.example.com/cb',
  '/cb',
  'cb',
  'https://evil.example',
  'https://app.example.com@evil.example/cb',
  'https://app.example.com:password@evil.example/cb',
  'https://user@app.example.com/cb',
  'https://evil.example\\@app.example.com/cb',
  'https://evil.example#@app.example.com/cb',
  'https://evil.example?app.example.com/cb',
  'https://app.example.com.evil.example/cb',
  'https://evil-app.example.com/cb',
  'https://app-example.com/cb',
  'https://app。example.com/cb',
  'https://аpp.example.com/cb',
  'https://xn--pp-6kc.example.com/cb',
  'https://example.com/cb',
  'https://sub.app.example.com/cb',
  'javascript:alert(1)',
  'data:text/html,x',
  'com.example.app:/cb',
  `${redirectUri} ${redirectUri}`,
  `${redirectUri},https://evil.example`,
]

let gatehouse: TestServer
let app: Application

beforeAll(async () => {
  gatehouse = await startTestServer()
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
})
afterAll(() => gatehouse.stop())

const ask = (params: Record<string, string>, client = app) =>
  createUserAgent().request(pkceUrl(gatehouse.issuer, client, params))

describe('a redirect URI that is not registered', () => {
  it('has more than sixty disguises here', () => {
    expect(new Set(variants).size).toBeGreaterThan(60)
  })

  it.each(variants.map((uri) => [JSON.stringify(uri), uri]))('gets a page, never a redirect: %s', async (_, uri) => {
    const page = await ask({ redirect_uri: uri })
    expect({ status: page.status, location: page.location }).toEqual({ status: 400, location: undefined })
    expect(page.headers.get('content-type')).toContain('text/html')
  })

  it('is not made up for when the parameter is missing, though only one is registered', async () => {
    const page = await ask({ redirect_uri: '' })
    expect({ status: page.status, location: page.location }).toEqual({ status: 400, location: undefined })
  })

  it('gets no redirect for another mistake in the same request either', async () => {
    const page = await ask({ redirect_uri: 'https://evil.example', response_type: 'token', prompt: 'none' })
    expect({ status: page.status, location: page.location }).toEqual({ status: 400, location: undefined })
  })

  it('gets no redirect when the client is unknown', async () => {
    const page = await ask({}, { ...app, clientId: 'client_unknown' })
    expect({ status: page.status, location: page.location }).toEqual({ status: 400, location: undefined })
    expect(page.text).toContain('There is no client with the client_id client_unknown.')
  })
})

describe('the page that refuses a redirect URI in development', () => {
  it('names what was sent, what is registered, and the first character that differs', async () => {
    const { text } = await ask({ redirect_uri: 'https://app.example.com/callback' })
    expect(text).toContain('https://app.example.com/callback')
    expect(text).toContain(redirectUri)
    expect(text).toContain('at character 26: “a” was sent, “b” is registered')
    const options = [redirectUri, 'https://app.example.com/callback'].map((uri) => `--redirect-uri &#39;${uri}&#39;`)
    expect(text).toContain(`clients update ${app.clientId} ${options.join(' ')}`)
  })

  it('says so when only the final slash differs', async () => {
    const { text } = await ask({ redirect_uri: `${redirectUri}/` })
    expect(text).toContain('has a final slash that the registered one has not')
  })

  it.each([
    `https://app.example.com/cb';rm -rf ~;'`,
    `https://app.example.com/cb';curl$IFS'evil.example`,
    'http://app.example.com/cb',
    'https://app.example.com/$(reboot)<',
  ])('gives no command to copy that would run what a stranger sent, or that would fail: %s', async (uri) => {
    const { text } = await ask({ redirect_uri: uri })
    expect(text).toContain('To fix it')
    expect(text).not.toContain('--redirect-uri &#39;')
  })

  it('escapes what was sent', async () => {
    const { text } = await ask({ redirect_uri: 'https://app.example.com/<script>alert(1)</script>' })
    expect(text).not.toContain('<script>')
    expect(text).toContain('&lt;script&gt;')
  })
})

describe('the page that refuses a redirect URI in production', () => {
  let production: TestServer
  let client: Application

  beforeAll(async () => {
    production = await startTestServer({
      env: {
        NODE_ENV: 'production',
        GATEHOUSE_INSECURE_HTTP: 'true',
        GATEHOUSE_COOKIE_KEYS: 'a key of at least thirty-two characters',
        GATEHOUSE_SMTP_URL: 'smtp://127.0.0.1:9',
      },
    })
    client = { redirectUri, ...(await production.makeClient({ redirectUris: [redirectUri] })) }
  })
  afterAll(() => production.stop())

  it('tells a code and the request id, and nothing about what is registered', async () => {
    const page = await createUserAgent().request(
      pkceUrl(production.issuer, client, { redirect_uri: 'https://evil.example/cb' }),
    )
    expect(page.status).toBe(400)
    expect(page.text).toContain('invalid_redirect_uri')
    expect(page.text).toContain(page.headers.get('x-request-id'))
    expect(page.text).not.toContain('app.example.com')
    expect(page.text).not.toContain('evil.example')
    expect(page.text).not.toContain('development')
  })

  it('does not tell whether a client exists', async () => {
    const page = await createUserAgent().request(
      pkceUrl(production.issuer, { ...client, clientId: 'client_unknown' }, {}),
    )
    expect(page.status).toBe(400)
    expect(page.text).not.toContain('client_unknown')
  })
})

describe('a native application', () => {
  let native: Application

  beforeAll(async () => {
    const redirectUris = ['http://127.0.0.1/cb', 'http://[::1]:7000/cb', 'com.example.app:/cb']
    native = {
      redirectUri: redirectUris[0] as string,
      ...(await gatehouse.makeClient({ kind: 'native', redirectUris, isFirstParty: true })),
    }
  })

  const accepted = ['http://127.0.0.1/cb', 'http://127.0.0.1:49152/cb', 'http://[::1]:1/cb', 'com.example.app:/cb']
  it.each(accepted)('may come back on any port of the loopback interface: %s', async (uri) => {
    const page = await ask({ redirect_uri: uri }, native)
    expect(page.location?.pathname).toMatch(/^\/interaction\//)
  })

  const refused = [
    'http://localhost/cb',
    'http://127.0.0.2/cb',
    'http://127.0.0.1:49152/other',
    'http://127.0.0.1:49152/cb?x',
    'http://127.0.0.1:port/cb',
    'http://user@127.0.0.1:49152/cb',
    'https://127.0.0.1:49152/cb',
    'http://127.0.0.1.evil.example/cb',
    'com.example.app:/cb2',
    'com.example.app://cb',
  ]
  it.each(refused)('may not change anything else: %s', async (uri) => {
    const page = await ask({ redirect_uri: uri }, native)
    expect({ status: page.status, location: page.location }).toEqual({ status: 400, location: undefined })
  })

  it('alone has that freedom: a web application keeps its port', async () => {
    const web = {
      redirectUri: 'http://localhost:3100/cb',
      ...(await gatehouse.makeClient({ redirectUris: ['http://localhost:3100/cb'] })),
    }
    expect((await ask({}, web)).location?.pathname).toMatch(/^\/interaction\//)
    expect((await ask({ redirect_uri: 'http://localhost:3101/cb' }, web)).status).toBe(400)
  })
})

describe('the way back to the application', () => {
  it('is a 303 at every step, so that no password is posted on (RFC 9700 section 4.12)', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const start = await agent.request(pkceUrl(gatehouse.issuer, app))
    expect(start.status).toBe(303)
    const form = new URLSearchParams({ email: person.email, password: person.password })
    const posted = await agent.request(new URL(`${start.location?.pathname}/sign-in`, gatehouse.issuer), {
      method: 'POST',
      body: form,
    })
    expect(posted.status).toBe(303)
    const finished = await agent.request(posted.location as URL)
    expect([finished.status, finished.location?.origin]).toEqual([303, gatehouse.issuer])
    const back = await agent.request(finished.location as URL)
    expect(back.status).toBe(303)
    expect(back.location?.origin).toBe('https://app.example.com')
  })

  it('keeps the query of the registered URI', async () => {
    const uri = 'https://app.example.com/cb?tenant=7'
    const client = { redirectUri: uri, ...(await gatehouse.makeClient({ redirectUris: [uri], isFirstParty: true })) }
    const page = await ask({ prompt: 'none' }, client)
    expect(page.location?.searchParams.get('tenant')).toBe('7')
    expect(page.location?.searchParams.get('error')).toBe('login_required')
  })
})

describe('a form_post answer', () => {
  const state = `"><script>alert('x')</script>`

  it('escapes the state, and its script is the one that the content security policy allows', async () => {
    const page = await ask({ response_mode: 'form_post', prompt: 'none', state })
    expect(page.location).toBeUndefined()
    expect(page.text).not.toContain(`<script>alert`)
    expect(page.text).toContain('&quot;&gt;&lt;script&gt;')
    const script = /<script>([\s\S]*?)<\/script>/.exec(page.text)?.[1] ?? ''
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(script))
    expect(page.headers.get('content-security-policy')).toContain(`'sha256-${Buffer.from(digest).toString('base64')}'`)
    expect(page.headers.get('content-security-policy')).not.toContain('unsafe-inline')
    expect(page.headers.get('cache-control')).toContain('no-store')
  })

  it('brings a code in the form', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const page = await signIn(
      agent,
      await agent.visit(pkceUrl(gatehouse.issuer, app, { response_mode: 'form_post', state })),
      person,
    )
    expect(page.text).toMatch(/action="https:\/\/app\.example\.com\/cb"/)
    expect(page.text).toMatch(/name="code" value="[\w-]{40,}"/)
    expect(page.text).not.toContain(`<script>alert`)
  })
})
