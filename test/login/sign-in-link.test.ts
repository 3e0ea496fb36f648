// Signing in by mail: the link, the code, and what must not happen with either (scanners, other browsers, strangers).
import { enrolApp } from '../support/authenticator-app.ts'
import { type Application, authorizeUrl, pkce, redeem } from '../support/code-flow.ts'
import { codeIn, lastMailTo, linkIn, mailsTo } from '../support/mailbox.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type Page, type UserAgent } from '../support/user-agent.ts'

const redirectUri = 'https://app.example.com/cb'

let gatehouse: TestServer
let app: Application

beforeAll(async () => {
  gatehouse = await startTestServer()
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
})
beforeEach(() => gatehouse.server.stores.database.query('DELETE FROM sign_in_throttle'))
afterAll(() => gatehouse.stop())

async function begin(agent: UserAgent) {
  const { verifier, challenge } = pkce()
  const url = authorizeUrl(gatehouse.issuer, app, { code_challenge: challenge, code_challenge_method: 'S256' })
  return { page: await agent.visit(url), verifier }
}

async function askForLink(agent: UserAgent, email: string) {
  const { page, verifier } = await begin(agent)
  const uid = page.url.pathname.split('/').at(2)
  const base = `${gatehouse.issuer}/interaction/${uid}`
  const sent = await agent.request(`${base}/link`, {
    method: 'POST',
    body: new URLSearchParams({ email, password: '' }),
  })
  return { form: await agent.visit(sent.location ?? sent.url), sent, verifier, base }
}

const codeFrom = (page: Page) => page.location?.searchParams.get('code') ?? undefined

describe('a sign-in link', () => {
  it('signs in the browser that asked for it, once, and proves the address', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const { verifier } = await askForLink(agent, person.email)
    const link = linkIn(await lastMailTo(gatehouse, person.email), '/link/')
    const page = await agent.visit(link)
    const done = await agent.submit(page, new URL(link).pathname)
    const tokens = await redeem(gatehouse.issuer, app, { code: codeFrom(done) ?? '', verifier })
    const claims = JSON.parse(Buffer.from(tokens.id_token?.split('.')[1] ?? '', 'base64url').toString())
    expect(claims).toMatchObject({ sub: person.sub, acr: 'urn:gatehouse:acr:1fa', amr: ['email'] })
    expect((await gatehouse.server.stores.accounts.find(person.sub))?.isEmailVerified).toBe(true)
    expect((await agent.visit(link)).status).toBe(410)
  })

  it('is not said to be on its way to nobody', async () => {
    for (const email of ['', '  ']) {
      const { sent } = await askForLink(createUserAgent(), email)
      expect(sent.status).toBe(400)
      expect(sent.text).toContain('Type your email address')
      expect(sent.text.match(/aria-invalid="true"/g)).toHaveLength(1)
    }
  })

  it('is not used up by whoever only opens it', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    await askForLink(agent, person.email)
    const link = linkIn(await lastMailTo(gatehouse, person.email), '/link/')
    const scanner = createUserAgent()
    for (const method of ['GET', 'HEAD', 'GET']) expect((await scanner.request(link, { method })).status).toBe(200)
    const done = await agent.submit(await agent.visit(link), new URL(link).pathname)
    expect(codeFrom(done)).toBeTruthy()
  })

  it('signs nobody in when it is opened elsewhere, but names the code as the way', async () => {
    const person = await gatehouse.makeAccount()
    const waiting = createUserAgent()
    const { form } = await askForLink(waiting, person.email)
    const mail = await lastMailTo(gatehouse, person.email)
    const link = linkIn(mail, '/link/')
    const elsewhere = createUserAgent()
    const page = await elsewhere.visit(link)
    expect(page.text).toContain('another browser')
    expect(page.text).not.toContain('<form class="actions"')
    const forced = await elsewhere.request(link, { method: 'POST' })
    expect([forced.status, codeFrom(forced)]).toEqual([400, undefined])
    expect(codeFrom(await waiting.submit(form, '/link/code', { code: codeIn(mail) }))).toBeTruthy()
  })

  it('says and takes the same for an address that has no account', async () => {
    const person = await gatehouse.makeAccount()
    const disabled = await gatehouse.makeAccount()
    await gatehouse.server.node.revocation.disableAccount(disabled.sub)
    const pages: string[] = []
    for (const email of [person.email, 'nobody-at-all@example.com', disabled.email]) {
      const { form, sent } = await askForLink(createUserAgent(), email)
      pages.push(
        `${sent.status} ${form.status} ${form.text.replaceAll(email, 'EMAIL').replace(/interaction\/[\w-]+/g, 'interaction/UID')}`,
      )
    }
    expect(new Set(pages).size).toBe(1)
    expect(await mailsTo(gatehouse, 'nobody-at-all@example.com')).toEqual([])
    expect(await mailsTo(gatehouse, disabled.email)).toEqual([])
  })

  it('does not go round a second factor', async () => {
    const person = await gatehouse.makeAccount()
    await enrolApp(gatehouse, person)
    const agent = createUserAgent()
    const { form } = await askForLink(agent, person.email)
    const page = await agent.submit(form, '/link/code', { code: codeIn(await lastMailTo(gatehouse, person.email)) })
    expect(codeFrom(page)).toBeUndefined()
    expect(page.text).toContain('name="method" value="totp"')
  })

  it('is dead when the password has changed since', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const { form } = await askForLink(agent, person.email)
    const mail = await lastMailTo(gatehouse, person.email)
    await gatehouse.server.stores.passwordStore.set(person.sub, { hash: 'x', isShort: false, historySize: 0 })
    expect((await agent.visit(linkIn(mail, '/link/'))).status).toBe(410)
    expect((await agent.submit(form, '/link/code', { code: codeIn(mail) })).status).toBe(400)
  })

  it('can be asked for only so often', async () => {
    const person = await gatehouse.makeAccount()
    const statuses: number[] = []
    for (let attempt = 0; attempt < 5; attempt += 1)
      statuses.push((await askForLink(createUserAgent(), person.email)).sent.status)
    expect(statuses).toContain(429)
    expect((await mailsTo(gatehouse, person.email)).length).toBeLessThanOrEqual(3)
  })

  it('lets nobody guess its code', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const { form } = await askForLink(agent, person.email)
    const right = codeIn(await lastMailTo(gatehouse, person.email))
    const answers: number[] = []
    for (let attempt = 0; attempt < 12; attempt += 1) {
      const code = String((Number(right) + 1 + attempt) % 1_000_000).padStart(6, '0')
      answers.push((await agent.submit(form, '/link/code', { code })).status)
    }
    expect(answers.filter((status) => status === 400).length).toBeLessThanOrEqual(6)
    expect((await agent.submit(form, '/link/code', { code: right })).status).not.toBe(303)
  })
})
