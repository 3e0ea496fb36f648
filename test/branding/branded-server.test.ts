// The branding folder on the real server: what is served, whose page wears what, and which views and texts win.
import http from 'node:http'
import { ConfigError } from '../../src/config.ts'
import { brandingFolder, drawing, exampleFolder, type TemporaryFolder } from '../support/branding-folder.ts'
import { type Application, authorizeUrl, pkce, signIn } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type Page } from '../support/user-agent.ts'

const redirectUri = 'https://app.example.com/cb'

let folder: TemporaryFolder
let gatehouse: TestServer
let field: Application
let other: Application

const makeApp = async (name: string): Promise<Application> => ({
  redirectUri,
  ...(await gatehouse.makeClient({ redirectUris: [redirectUri], name, postLogoutRedirectUris: [] })),
})

beforeAll(async () => {
  folder = brandingFolder({}, exampleFolder)
  gatehouse = await startTestServer({ env: { GATEHOUSE_BRANDING_DIR: folder.path } })
  field = await makeApp('Field app')
  other = await makeApp('Another app')
  folder.put({
    [`clients/${field.clientId}/branding.json`]: JSON.stringify({ name: 'Field Notes', brandColor: '#7a3b12' }),
    [`clients/${field.clientId}/favicon.svg`]: drawing(),
    [`clients/${field.clientId}/custom.css`]: ':root { --radius: 0 }',
    [`clients/${field.clientId}/views/partials/new-password.eta`]: '<p>Field password</p>',
  })
})
afterAll(async () => {
  await gatehouse.stop()
  folder.remove()
})

const arrive = (app: Application, params: Record<string, string> = {}, agent = createUserAgent()): Promise<Page> =>
  agent.visit(
    authorizeUrl(gatehouse.issuer, app, { code_challenge: pkce().challenge, code_challenge_method: 'S256', ...params }),
  )
const stylesheetsOf = ({ text }: Page) =>
  [...text.matchAll(/<link rel="stylesheet" href="([^"?]+)/g)].map(([, path]) => path)
const get = (path: string, init?: RequestInit) => fetch(`${gatehouse.issuer}${path}`, init)
/** By hand, since friendlier clients tidy the path before they send it. */
const rawGet = (path: string) =>
  new Promise<{ status: number | undefined; type: string | undefined }>((resolve, reject) => {
    http
      .get(
        {
          host: '127.0.0.1',
          port: new URL(gatehouse.issuer).port,
          path,
          headers: { host: new URL(gatehouse.issuer).host },
        },
        (answer) => {
          answer.resume()
          answer.on('end', () => resolve({ status: answer.statusCode, type: answer.headers['content-type'] }))
        },
      )
      .on('error', reject)
  })

describe('a page of the deployment', () => {
  it('wears its name, logo, colours and links', async () => {
    const page = await createUserAgent().visit(gatehouse.issuer)
    expect(page.text).toMatch(/<title>[^<]* · Northwind<\/title>/)
    expect(page.text).toMatch(
      /<source media="\(prefers-color-scheme: dark\)" srcset="\/assets\/brand\/logo-dark\.svg\?v=/,
    )
    expect(page.text).toMatch(/<img class="logo" src="\/assets\/brand\/logo\.svg\?v=[\w-]{16}" alt="Northwind">/)
    expect(page.text).toMatch(/<link rel="icon" href="\/assets\/brand\/favicon\.svg\?v=/)
    expect(stylesheetsOf(page)).toEqual(
      ['gatehouse.css', 'brand/brand.css', 'brand/custom.css'].map((name) => `/assets/${name}`),
    )
    for (const [url, words] of [
      ['https://northwind.example/terms', 'Terms of service'],
      ['https://northwind.example/privacy', 'Privacy policy'],
      ['mailto:desk@northwind.example', 'Service desk'],
    ])
      expect(page.text).toContain(`<a class="reach" href="${url}" rel="noopener">${words}</a>`)
    expect(page.text).not.toContain('Gatehouse')
  })

  it('loads everything that it names, with a policy that lets it', async () => {
    const page = await createUserAgent().visit(gatehouse.issuer)
    const addresses = [...page.text.matchAll(/(?:href|src|srcset)="(\/assets\/[^"]+)"/g)].map(
      ([, address]) => address as string,
    )
    expect(addresses).toHaveLength(6)
    for (const address of addresses) {
      const answer = await get(address)
      expect(answer.status).toBe(200)
      expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    }
  })

  it('is the error page too, as a page and of any other path', async () => {
    const page = await createUserAgent().visit(`${gatehouse.issuer}/nowhere`)
    expect(page.status).toBe(404)
    expect(page.text).toContain('alt="Northwind"')
  })

  it('is ours without a folder, with nothing more to load', async () => {
    const plain = await startTestServer()
    const page = await createUserAgent().visit(plain.issuer)
    expect(stylesheetsOf(page)).toEqual(['/assets/gatehouse.css'])
    expect(page.text).toContain('<svg class="mark"')
    expect(page.text).toMatch(/<title>[^<]* · Gatehouse<\/title>/)
    expect(page.text).not.toContain('<img')
    await plain.stop()
  })
})

describe('what is served', () => {
  it.each([
    ['brand/logo.svg', 'image/svg+xml'],
    ['brand/logo-dark.svg', 'image/svg+xml'],
    ['brand/favicon.svg', 'image/svg+xml'],
    ['brand/brand.css', 'text/css; charset=utf-8'],
    ['brand/custom.css', 'text/css; charset=utf-8'],
    ['clients/CLIENT/brand.css', 'text/css; charset=utf-8'],
    ['clients/CLIENT/favicon.svg', 'image/svg+xml'],
  ])('%s is %s', async (name, type) => {
    const answer = await get(`/assets/${name.replace('CLIENT', field.clientId)}`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe(type)
    expect(answer.headers.get('cache-control')).toBe('no-cache')
  })

  it('is, where it is an SVG, a document that may do nothing when it is opened by itself', async () => {
    for (const name of ['brand/logo.svg', 'favicon.svg'])
      expect((await get(`/assets/${name}`)).headers.get('content-security-policy')).toBe(
        "default-src 'none'; style-src 'unsafe-inline'; sandbox",
      )
    expect((await get('/assets/brand/custom.css')).headers.get('content-security-policy')).toContain("style-src 'self'")
  })

  it.each([
    ...[
      'brand/branding.json',
      'brand/views/signed-out.eta',
      'brand/locales/en/northwind.json',
      'brand/README.md',
      'brand/',
    ],
    ...[
      'brand/../brand/logo.svg',
      'brand/%2e%2e/favicon.svg',
      'brand/..%2f..%2fpackage.json',
      'brand%2flogo.svg',
      'brand/./logo.svg',
    ],
    ...[
      'brand//logo.svg',
      '/brand/logo.svg',
      'brand\\logo.svg',
      'BRAND/logo.svg',
      'brand/logo.svg/',
      'brand/logo.svg%00.png',
    ],
    ...[
      'clients/CLIENT/branding.json',
      'clients/CLIENT/logo.svg',
      'clients/OTHER/favicon.svg',
      'clients/OTHER/../CLIENT/favicon.svg',
    ],
    ...[
      'clients/CLIENT/../../brand/logo.svg',
      'clients/CLIENT%2ffavicon.svg',
      'clients/',
      'clients/__proto__/favicon.svg',
      'logo.svg',
    ],
  ])('is not /assets/%s', async (path) => {
    const named = path.replace('CLIENT', field.clientId).replace('OTHER', other.clientId)
    const answer = await rawGet(`/assets/${named}`)
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.status).toBeLessThan(500)
    expect(answer.type).not.toMatch(/svg|css/)
  })
})

describe("a page of a client's flow", () => {
  const isField = (page: Page) => {
    expect(page.text).toMatch(/<title>[^<]* · Field Notes<\/title>/)
    expect(stylesheetsOf(page).slice(3)).toEqual(
      ['brand.css', 'custom.css'].map((name) => `/assets/clients/${field.clientId}/${name}`),
    )
    expect(page.text).toContain(`href="/assets/clients/${field.clientId}/favicon.svg?v=`)
    // The deployment's logo says another name, so the client's is written beside it.
    expect(page.text).toMatch(
      /<img class="logo" src="\/assets\/brand\/logo\.svg[^>]* alt="">\s*<\/picture>\s*<bdi>Field Notes<\/bdi>/,
    )
  }
  const isNorthwind = (page: Page) => {
    expect(page.text).toMatch(/<title>[^<]* · Northwind<\/title>/)
    expect(page.text).not.toContain('/assets/clients/')
  }

  it('wears the brand of that client: signing in, refused, signing up, consent', async () => {
    const agent = createUserAgent()
    const person = await gatehouse.makeAccount()
    const first = await arrive(field, {}, agent)
    isField(first)
    const refused = await agent.submit(first, '/sign-in', { email: person.email, password: 'not this one, certainly' })
    expect(refused.status).toBe(400)
    isField(refused)
    const signUp = await agent.visit(new URL(/href="([^"]+sign-up)"/.exec(first.text)?.[1] ?? '', gatehouse.issuer))
    isField(signUp)
    const consent = await agent.submit(refused, '/sign-in', { email: person.email, password: person.password })
    expect(consent.text).toContain('value="allow"')
    isField(consent)
    const wrongStep = await agent.request(`${consent.url.href}/sign-up`)
    expect(wrongStep.text).toContain('wrong_step')
    isField(wrongStep)
    isNorthwind(await agent.visit(gatehouse.issuer))
  })

  it('wears the brand of the deployment where the client has none', async () => {
    isNorthwind(await arrive(other))
  })

  it('wears it on a refusal by the engine, only for a client that is registered', async () => {
    isField(await arrive({ ...field, redirectUri: 'https://evil.example/cb' }))
    isNorthwind(await arrive({ ...other, redirectUri: 'https://evil.example/cb' }))
    isNorthwind(await arrive({ ...field, clientId: 'client_unknown' }))
  })

  it('wears it when that client asks to sign out, and the deployment’s when nobody says who asks', async () => {
    const agent = createUserAgent()
    const person = await gatehouse.makeAccount()
    await signIn(agent, await arrive(field, {}, agent), person)
    isField(await agent.visit(`${gatehouse.issuer}/sign-out?client_id=${field.clientId}`))
    isNorthwind(await agent.visit(`${gatehouse.issuer}/sign-out`))
  })

  it('is made of that client’s views first', async () => {
    const signUp = async (app: Application) => {
      const agent = createUserAgent()
      const page = await arrive(app, {}, agent)
      return agent.visit(new URL(/href="([^"]+sign-up)"/.exec(page.text)?.[1] ?? '', gatehouse.issuer))
    }
    expect((await signUp(field)).text).toContain('<p>Field password</p>')
    const usual = await signUp(other)
    expect(usual.text).not.toContain('Field password')
    expect(usual.text).toContain('name="password"')
  })
})

describe('views and texts', () => {
  it('are the folder’s where it has them, and ours where it has not', async () => {
    const { views, branding, translations } = gatehouse.server.node
    const { english } = translations
    const { t } = english
    const signedOut = views.render('signed-out', { clientName: '<b>Shop' }, english)
    expect(signedOut).toContain('<h1>See you soon</h1>')
    expect(signedOut).toContain('Northwind · <strong><bdi>&lt;b&gt;Shop</bdi></strong>')
    expect(views.render('device-code-done', {}, english)).toContain('Your device is connected')
    expect(views.render('signed-out', { brand: { ...branding.of(), viewFolders: [] } }, english)).toContain(
      'You are signed out',
    )
    expect([t('branding.support'), t('branding.terms')]).toEqual(['Service desk', 'Terms of service'])
  })

  it('never come from outside of the folders', () => {
    const { views, translations } = gatehouse.server.node
    for (const name of ['../branding', '../../package', '/../branding.json'])
      expect(() => views.render(name, {}, translations.english)).toThrow(/not in the views directory/)
  })

  it('give the product its name', () => expect(gatehouse.server.node.productName).toBe('Northwind'))
})

describe('an edit of the folder in development', () => {
  it('shows at the next page; what is wrong is logged once, and the last good state stays', async () => {
    const title = async () => /· ([^<]+)<\/title>/.exec((await createUserAgent().visit(gatehouse.issuer)).text)?.[1]
    folder.put({
      'custom.css': '/* new */',
      'views/home.eta': "<% layout('/partials/layout', { title: 'Home' }) %><h1>Our own</h1>",
    })
    const page = await createUserAgent().visit(gatehouse.issuer)
    expect(page.text).toContain('<h1>Our own</h1>')
    const custom = /\/assets\/brand\/custom\.css\?v=[\w-]+/.exec(page.text)?.[0] ?? ''
    expect(await (await get(custom)).text()).toBe('/* new */')
    folder.put({ 'branding.json': '{"name":"Southwind","brandColor":"#ff0"}' })
    expect([await title(), await title()]).toEqual(['Northwind', 'Northwind'])
    const warnings = gatehouse.logged.filter((line) => line.includes('the branding folder has problems'))
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('brandColor #ffff00 stands out too little')
    folder.put({ 'branding.json': '{"name":"Southwind"}' })
    expect(await title()).toBe('Southwind')
  })
})

describe('a start with a folder that is not right', () => {
  it.each(['test', 'production'])('is refused in %s, with every problem', async (environment) => {
    const wrong = brandingFolder({ 'branding.json': '{"brandColor":"#ff0"}', 'logo.svg': drawing('<script/>') })
    const env = {
      NODE_ENV: environment,
      GATEHOUSE_BRANDING_DIR: wrong.path,
      GATEHOUSE_INSECURE_HTTP: 'true',
      GATEHOUSE_COOKIE_KEYS: 'a-cookie-key-of-more-than-32-characters',
      GATEHOUSE_SMTP_URL: 'smtp://127.0.0.1:9',
    }
    const refusal = await startTestServer({ env, beside: gatehouse }).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(ConfigError)
    expect((refusal as ConfigError).problems).toEqual([
      expect.stringMatching(/^GATEHOUSE_BRANDING_DIR: logo\.svg: holds a script/),
      expect.stringMatching(/^GATEHOUSE_BRANDING_DIR: branding\.json: brandColor #ffff00 /),
    ])
    wrong.remove()
  })

  it('keeps what was read for as long as a production server runs', async () => {
    const mine = brandingFolder({ 'branding.json': '{"name":"Before"}' })
    const production = await startTestServer({
      beside: gatehouse,
      env: {
        NODE_ENV: 'production',
        GATEHOUSE_BRANDING_DIR: mine.path,
        GATEHOUSE_INSECURE_HTTP: 'true',
        GATEHOUSE_COOKIE_KEYS: 'a-cookie-key-of-more-than-32-characters',
        GATEHOUSE_SMTP_URL: 'smtp://127.0.0.1:9',
      },
    })
    mine.put({ 'branding.json': '{"name":"After"}' })
    expect(production.server.node.branding.of().name).toBe('Before')
    await production.stop()
    mine.remove()
  })
})
