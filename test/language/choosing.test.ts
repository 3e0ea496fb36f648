// In which language a person is spoken to: ui_locales, then their own choice in this browser, then the browser's wishes.
import type { AddressInfo } from 'node:net'

import { pkceUrl, rawRequest } from '../oidc/requests.ts'
import { authorizeUrl, signIn } from '../support/code-flow.ts'
import { samplePages } from '../support/sample-pages.ts'
import { sampleHtml, translations } from '../support/spoken.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type Page, type UserAgent } from '../support/user-agent.ts'

const redirectUri = 'https://app.example.com/cb'
const cookie = 'gatehouse-language'

let gatehouse: TestServer
let app: { clientId: string; clientSecret: string; redirectUri: string }

beforeAll(async () => {
  gatehouse = await startTestServer()
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], name: 'Northwind Notes' })) }
})
afterAll(() => gatehouse.stop())

const languageOf = ({ text }: Page) => /<html lang="([^"]+)" dir="([^"]+)">/.exec(text)?.slice(1).join(' ')
const home = (headers: Record<string, string> = {}, path = '/') =>
  createUserAgent().request(`${gatehouse.issuer}${path}`, { headers })
const choose = (agent: UserAgent, page: Page, language: string) => agent.submit(page, '/language', { language })

describe('the language of a page', () => {
  it.each([
    ['nothing at all', {}, 'en ltr'],
    ['what the browser asks for', { 'accept-language': 'de-AT,de;q=0.9,en;q=0.5' }, 'de ltr'],
    ['the first that is spoken', { 'accept-language': 'nl,sv;q=0.9,ja;q=0.8,fr;q=0.7' }, 'ja ltr'],
    ['the heavier wish', { 'accept-language': 'fr;q=0.2,es;q=0.9' }, 'es ltr'],
    ['a language from right to left', { 'accept-language': 'ar-EG' }, 'ar rtl'],
    ['nothing that is spoken', { 'accept-language': 'nl, *;q=0.5' }, 'en ltr'],
    ['the cookie before the browser', { cookie: `${cookie}=pt`, 'accept-language': 'de' }, 'pt ltr'],
  ])('follows %s', async (_, headers, expected) => {
    const page = await home(headers)
    expect(languageOf(page)).toBe(expected)
    expect(page.headers.get('content-language')).toBe(expected.split(' ')[0])
  })

  it('follows ui_locales before everything', async () => {
    const headers = { cookie: `${cookie}=pt`, 'accept-language': 'de' }
    expect(languageOf(await home(headers, '/?ui_locales=xx%20zh-Hans-CN%20ja'))).toBe('zh ltr')
  })

  it.each([
    '../../etc/passwd',
    '__proto__',
    'constructor',
    'toString',
    'de%00',
    '%ff',
    '"><script>alert(1)</script>',
    'a-'.repeat(2000),
    'x '.repeat(2000),
    '$t(home.title)',
    '{{product}}',
    '*',
    'en&ui_locales=ar',
  ])('is not moved by a hostile ui_locales, cookie or header (no. %#)', async (value) => {
    const answer = await home({}, `/?ui_locales=${/%|&/.test(value) ? value : encodeURIComponent(value)}`)
    expect([200, 400]).toContain(answer.status)
    expect(languageOf(answer)).toBe('en ltr')
    expect(answer.text).not.toContain('<script>')
    const header = value.replace(/[^\x20-\x7e]/g, '')
    const other = await home({ cookie: `${cookie}=${header.replace(/[;,\s"]/g, '')}`, 'accept-language': header })
    expect(other.status).toBeLessThan(500)
    expect(languageOf(other)).toBe('en ltr')
  })

  it('costs little, however much is asked for', async () => {
    const headers = {
      'accept-language': Array.from({ length: 3000 }, (_, index) => `q${index}`)
        .join(',')
        .slice(0, 14_000),
    }
    const started = performance.now()
    for (let count = 0; count < 20; count += 1) await home(headers)
    expect((performance.now() - started) / 20).toBeLessThan(100)
  })
})

describe('the sign-in of an application that sends ui_locales', () => {
  const start = (agent: UserAgent, uiLocales: string) =>
    agent.visit(pkceUrl(gatehouse.issuer, app, { ui_locales: uiLocales }))

  it('keeps to it on every page, though no later address names it', async () => {
    const agent = createUserAgent()
    const person = await gatehouse.makeAccount()
    const page = await start(agent, 'tlh fr-CA')
    expect([page.url.search, languageOf(page)]).toEqual(['', 'fr ltr'])
    const refused = await agent.submit(page, '/sign-in', { email: person.email, password: 'wrong' })
    expect([refused.status, languageOf(refused)]).toEqual([400, 'fr ltr'])
    const consent = await agent.submit(page, '/sign-in', { email: person.email, password: person.password })
    expect(languageOf(consent)).toBe('fr ltr')
    expect(consent.text).toContain('demande l’accès à votre compte')
    expect(consent.text).toContain('Savoir qui vous êtes')
  })

  it('takes it from a pushed request as well', async () => {
    const url = pkceUrl(gatehouse.issuer, app, { ui_locales: 'ja' })
    const pushed = await fetch(new URL('/par', gatehouse.issuer), {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}` },
      body: url.searchParams,
    })
    const { request_uri } = (await pushed.json()) as { request_uri: string }
    const agent = createUserAgent()
    const page = await agent.visit(
      `${gatehouse.issuer}/authorize?${new URLSearchParams({ client_id: app.clientId, request_uri })}`,
    )
    expect(languageOf(page)).toBe('ja ltr')
  })

  it('says a refusal in it, with what a developer needs in English', async () => {
    const page = await createUserAgent().visit(
      authorizeUrl(gatehouse.issuer, { ...app, redirectUri: 'https://evil.example/' }, { ui_locales: 'de' }),
    )
    expect([page.status, languageOf(page)]).toEqual([400, 'de ltr'])
    expect(page.text).toContain('die nicht für sie registriert ist')
    expect(page.text).toMatch(/<p lang="en" dir="ltr">The redirect_uri differs/)
    expect(page.text).toMatch(/<dd lang="en" dir="ltr">redirect_uri did not match/)
  })

  it('speaks Arabic from right to left, with the name of the application apart', async () => {
    const agent = createUserAgent()
    const person = await gatehouse.makeAccount()
    const page = await signUntilConsent(agent, await start(agent, 'ar'), person)
    expect(languageOf(page)).toBe('ar rtl')
    expect(page.text).toContain('<h1>يطلب <bdi>Northwind Notes</bdi> الوصول إلى حسابك</h1>')
  })
})

const signUntilConsent = (agent: UserAgent, page: Page, person: { email: string; password: string }) =>
  agent.submit(page, '/sign-in', { email: person.email, password: person.password })

describe('choosing another language in the footer', () => {
  it('is remembered for a year, and comes back to the same page', async () => {
    const agent = createUserAgent()
    const page = await agent.visit(`${gatehouse.issuer}/?a=1&b=%C3%A9`)
    const sent = await agent.request(`${gatehouse.issuer}/language`, {
      method: 'POST',
      body: new URLSearchParams({ return_to: '/?a=1&b=%C3%A9', language: 'es' }),
    })
    expect(sent.status).toBe(303)
    expect(sent.location?.href).toBe(`${gatehouse.issuer}/?a=1&b=%C3%A9`)
    expect(sent.headers.get('set-cookie')).toMatch(
      /^gatehouse-language=es; path=\/; expires=[^;]+; samesite=lax; httponly$/i,
    )
    const expires = Date.parse(/expires=([^;]+)/.exec(sent.headers.get('set-cookie') ?? '')?.[1] ?? '')
    expect(Math.round((expires - Date.now()) / 86_400_000)).toBe(365)
    const shown = await choose(agent, page, 'zh')
    expect([shown.url.search, languageOf(shown)]).toEqual(['?a=1&b=%C3%A9', 'zh ltr'])
    expect(languageOf(await agent.visit(gatehouse.issuer))).toBe('zh ltr')
  })

  it('does not lose a sign-in, and holds against the ui_locales that it was chosen over, to the end', async () => {
    const agent = createUserAgent()
    const person = await gatehouse.makeAccount()
    const german = await agent.visit(pkceUrl(gatehouse.issuer, app, { ui_locales: 'de' }))
    const refused = await agent.submit(german, '/sign-in', { email: person.email, password: 'wrong' })
    const french = await choose(agent, refused, 'fr')
    expect([french.status, languageOf(french)]).toEqual([200, 'fr ltr'])
    const consent = await signUntilConsent(agent, french, person)
    expect(languageOf(consent)).toBe('fr ltr')
    expect((await signIn(agent, consent, person)).location?.searchParams.get('code')).toBeTruthy()
    const again = await agent.visit(pkceUrl(gatehouse.issuer, app, { ui_locales: 'de', prompt: 'login' }))
    expect(languageOf(again)).toBe('fr ltr')
    // Another wish of an application is a newer one.
    const other = await agent.visit(pkceUrl(gatehouse.issuer, app, { ui_locales: 'ja', prompt: 'login' }))
    expect(languageOf(other)).toBe('ja ltr')
  })

  it('is a form post of this site, and takes a language that is spoken', async () => {
    const post = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
      createUserAgent().request(`${gatehouse.issuer}/language`, {
        method: 'POST',
        body: new URLSearchParams(fields),
        headers,
      })
    expect((await post({ language: 'de' }, { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    for (const language of ['xx', '', '../de', 'de; Domain=example.com', '__proto__']) {
      const page = await post({ language })
      expect([page.status, page.headers.get('set-cookie')]).toEqual([400, null])
    }
    const odd = await post({ language: 'de', instead_of: 'x; Secure' })
    expect(odd.headers.get('set-cookie')).toMatch(/^gatehouse-language=de;/)
  })

  it('is kept for https alone where the server is', async () => {
    const production = await startTestServer({
      env: {
        NODE_ENV: 'production',
        GATEHOUSE_ISSUER: 'https://login.example.com',
        GATEHOUSE_COOKIE_KEYS: 'k'.repeat(32),
        GATEHOUSE_SMTP_URL: 'smtp://127.0.0.1:9',
      },
    })
    const { port } = production.server.http.address() as AddressInfo
    const { headers } = await rawRequest(port, '/language', {
      method: 'POST',
      headers: {
        host: 'login.example.com',
        'sec-fetch-site': 'same-origin',
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: 'language=de&return_to=%2F',
    })
    await production.stop()
    expect(headers['set-cookie']).toEqual([expect.stringMatching(/^gatehouse-language=de;.*; secure/)])
    expect(headers.location).toBe('https://login.example.com/')
  })

  it.each([
    '//evil.example/',
    'https://evil.example/',
    '\\\\evil.example',
    '/\\evil.example',
    'javascript:alert(1)',
    '/..//evil.example/',
    '\t//evil.example',
    'http://user:password@evil.example/',
    '',
  ])('never leads away from this server (%j)', async (returnTo) => {
    const sent = await createUserAgent().request(`${gatehouse.issuer}/language`, {
      method: 'POST',
      body: new URLSearchParams({ language: 'de', return_to: returnTo }),
    })
    expect(sent.status).toBe(303)
    expect(sent.headers.get('location')).toMatch(new RegExp(`^${gatehouse.issuer}/`))
    expect(sent.location?.origin).toBe(gatehouse.issuer)
  })

  it('is not offered where the page could not be shown again', () => {
    const offered = (view: string) =>
      samplePages.filter((page) => page.view === view).map((page) => sampleHtml(page).includes('action="/language"'))
    expect(offered('device-code-done')).toEqual([false])
    expect(offered('first-administrator-done')).toEqual([false])
    // Codes that are shown once would be gone, and the link in the mail has been used.
    for (const view of ['recovery-codes', 'reset-password-done', 'invitation-accepted', 'not-me-done'])
      expect([view, offered(view)]).toEqual([view, [false]])
    expect(offered('device-code-confirm')).toEqual([true])
    // Nor where the address is what somebody else made up: a refusal repeats none of it.
    expect(offered('error')).not.toContain(true)
  })
})

describe('the pages of the engine', () => {
  it('ask before signing out in the language that was asked for, and say so afterwards', async () => {
    const agent = createUserAgent()
    const person = await gatehouse.makeAccount()
    await signIn(agent, await agent.visit(pkceUrl(gatehouse.issuer, app)), person)
    const page = await agent.visit(`${gatehouse.issuer}/sign-out?ui_locales=es`)
    expect(languageOf(page)).toBe('es ltr')
    expect(page.text).toContain('¿Desea cerrar la sesión?')
    const done = await agent.request(`${gatehouse.issuer}/sign-out/success`, { headers: { referer: page.url.href } })
    expect(languageOf(done)).toBe('es ltr')
    expect(done.text).toContain('Ha cerrado la sesión')
  })

  it('speak to somebody with a device as the device asked', async () => {
    const { clientId } = await gatehouse.makeClient({
      kind: 'native',
      redirectUris: ['http://127.0.0.1/cb'],
      name: 'TV',
    })
    const asked = await fetch(`${gatehouse.issuer}/device_authorization`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: clientId, scope: 'openid', ui_locales: 'pt-BR' }),
    })
    const { user_code } = (await asked.json()) as { user_code: string }
    const agent = createUserAgent()
    const form = await agent.visit(`${gatehouse.issuer}/device`)
    const wrong = await agent.submit(form, '/device', { user_code: 'AAAA-AAAA' })
    expect(wrong.text).toContain('This code is not right')
    const confirm = await agent.submit(wrong, '/device', { user_code })
    expect(languageOf(confirm)).toBe('pt ltr')
    expect(confirm.text).toContain('Conectar este dispositivo?')
    const cancelled = await agent.submit(confirm, '/device', { abort: 'yes' })
    expect(cancelled.text).not.toContain('This code is not right')
  })

  it('announce what they speak', async () => {
    const answer = await fetch(`${gatehouse.issuer}/.well-known/openid-configuration`)
    const { ui_locales_supported } = (await answer.json()) as { ui_locales_supported: string[] }
    expect(ui_locales_supported).toEqual([...translations.locales])
  })
})

describe('a refusal', () => {
  it('is told to a person in their language, and to a program in English', async () => {
    const headers = { 'accept-language': 'de' }
    const page = await home(headers, '/nothing-here')
    expect([page.status, languageOf(page)]).toEqual([404, 'de ltr'])
    expect(page.text).toContain('Unter dieser Adresse gibt es nichts.')
    const json = await home({ ...headers, accept: 'application/json' }, '/nothing-here')
    expect(JSON.parse(json.text).detail).toMatch(/^There is nothing/)
  })

  it('of a sign-in that is over says so, wherever the engine or we notice', async () => {
    for (const path of ['/interaction/gone', '/authorize/gone']) {
      const page = await home({ 'accept-language': 'ja' }, path)
      expect([path, page.status, languageOf(page)]).toEqual([path, 400, 'ja ltr'])
      expect(page.text).toContain('このログインは終了しています')
    }
  })

  it('that has no text in any language shows its English words, marked as such', async () => {
    const page = await home({ 'accept-language': 'ar' }, '/admin/api/v1/clients')
    expect(languageOf(page)).toBe('ar rtl')
    expect(page.text).toMatch(/<span lang="en" dir="ltr">[^<]+<\/span>/)
  })
})
