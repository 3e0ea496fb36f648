// Making an account on the way to an application.
import { type Application, authorizeUrl, pkce } from '../support/code-flow.ts'
import { codeIn, lastMailTo, mailsTo } from '../support/mailbox.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type Page, type UserAgent } from '../support/user-agent.ts'

const redirectUri = 'https://app.example.com/cb'
const password = 'correct horse battery staple'

let gatehouse: TestServer
let app: Application

const makeApp = async (server: TestServer) => ({
  redirectUri,
  ...(await server.makeClient({ redirectUris: [redirectUri], isFirstParty: true })),
})

beforeAll(async () => {
  gatehouse = await startTestServer()
  app = await makeApp(gatehouse)
})
beforeEach(() => gatehouse.server.stores.database.query('DELETE FROM sign_in_throttle'))
afterAll(() => gatehouse.stop())

const start = (agent: UserAgent, server = gatehouse, client = app) =>
  agent.visit(authorizeUrl(server.issuer, client, { code_challenge: pkce().challenge, code_challenge_method: 'S256' }))

async function signUp(fields: Record<string, string>, agent = createUserAgent()) {
  const signIn = await start(agent)
  const page = await agent.visit(new URL(`${signIn.url.pathname}/sign-up`, gatehouse.issuer))
  return agent.submit(page, '/sign-up', fields)
}

const confirm = async (page: Page, email: string, agent: UserAgent) =>
  agent.submit(page, '/sign-up/code', { code: codeIn(await lastMailTo(gatehouse, email)) })

describe('signing up', () => {
  it('makes an account once the address is confirmed, and goes on to the application', async () => {
    const agent = createUserAgent()
    const form = await signUp({ email: ' New.Person@example.com ', name: 'New Person', password }, agent)
    expect(form.url.pathname).toMatch(/\/sign-up\/code$/)
    expect(await gatehouse.server.stores.accounts.findByEmail('new.person@example.com')).toBeUndefined()
    const page = await confirm(form, 'new.person@example.com', agent)
    expect(page.location?.searchParams.get('code')).toBeTruthy()
    const account = await gatehouse.server.stores.accounts.findByEmail('new.person@example.com')
    expect(account).toMatchObject({
      email: 'New.Person@example.com',
      name: 'New Person',
      isEmailVerified: true,
      roles: [],
    })
    expect(account?.passwordHash).toMatch(/^\$argon2id\$/)
    const again = createUserAgent()
    const signedIn = await again.submit(await start(again), '/sign-in', { email: 'new.person@example.com', password })
    expect(signedIn.location?.searchParams.get('code')).toBeTruthy()
  })

  const bad: [string, Record<string, string>][] = [
    ['a password of fourteen characters', { password: 'fourteen chars' }],
    ['a common password', { password: 'passwordpassword' }],
    ['the address as the password', { password: 'someone-new@example.com' }],
    ['no password', { password: '' }],
    ['an address that is none', { email: 'someone', password }],
    ['no address', { email: '', password }],
    ['a password longer than anybody types', { password: 'x'.repeat(1025) }],
  ]
  it.each(bad)('is refused with the reason at the field: %s', async (_, fields) => {
    const page = await signUp({ email: 'someone-new@example.com', ...fields })
    expect(page.status).toBe(400)
    expect(page.text).toContain('aria-invalid="true"')
    expect(/<input[^>]*type="password"[^>]*>/.exec(page.text)?.[0]).not.toContain('value=')
    expect(await gatehouse.server.stores.accounts.findByEmail('someone-new@example.com')).toBeUndefined()
  })

  it('looks the same when the address is taken, tells its owner alone, and does not touch that account', async () => {
    const person = await gatehouse.makeAccount()
    const shown = (page: Page, email: string) =>
      `${page.status} ${page.text.replaceAll(email, 'EMAIL').replace(/interaction\/[\w-]+/g, 'interaction/UID')}`
    const agent = createUserAgent()
    const taken = await signUp({ email: person.email, name: 'Thief', password }, agent)
    const free = await signUp({ email: 'nobody-yet@example.com', name: 'Thief', password })
    expect(shown(taken, person.email)).toBe(shown(free, 'nobody-yet@example.com'))
    const mail = await lastMailTo(gatehouse, person.email)
    expect(() => codeIn(mail)).toThrow()
    for (const code of ['000000', '', '123456'])
      expect((await agent.submit(taken, '/sign-up/code', { code })).status).toBe(400)
    const other = createUserAgent()
    const signedIn = await other.submit(await start(other), '/sign-in', {
      email: person.email,
      password: person.password,
    })
    expect(signedIn.location?.searchParams.get('code')).toBeTruthy()
  })

  it('takes the code in the browser that began alone, and lets nobody guess it', async () => {
    const agent = createUserAgent()
    const form = await signUp({ email: 'guessed@example.com', name: '', password }, agent)
    const right = codeIn(await lastMailTo(gatehouse, 'guessed@example.com'))
    const elsewhere = createUserAgent()
    const other = await signUp({ email: 'other@example.com', name: '', password }, elsewhere)
    expect((await elsewhere.submit(other, '/sign-up/code', { code: right })).status).toBe(400)
    const statuses: number[] = []
    for (let attempt = 0; attempt < 10; attempt += 1) {
      const code = String((Number(right) + 1 + attempt) % 1_000_000).padStart(6, '0')
      statuses.push((await agent.submit(form, '/sign-up/code', { code })).status)
    }
    expect(statuses.filter((status) => status === 400).length).toBeLessThanOrEqual(6)
    expect((await agent.submit(form, '/sign-up/code', { code: right })).status).toBe(429)
    expect(await gatehouse.server.stores.accounts.findByEmail('guessed@example.com')).toBeUndefined()
  })

  it('of the same address by several at once makes one account', async () => {
    const begun = await Promise.all(
      Array.from({ length: 3 }, async (_, index) => {
        const agent = createUserAgent()
        const form = await signUp({ email: 'twice@example.com', name: `Number ${index}`, password }, agent)
        return { agent, form }
      }),
    )
    const codes = (await mailsTo(gatehouse, 'twice@example.com')).map(codeIn)
    const pages = await Promise.all(
      begun.flatMap(({ agent, form }) => codes.map((code) => agent.submit(form, '/sign-up/code', { code }))),
    )
    expect(pages.filter(({ status }) => status >= 500)).toEqual([])
    const rows = await gatehouse.server.stores.database.query(
      "SELECT 1 FROM accounts WHERE email = 'twice@example.com'",
    )
    expect(rows).toHaveLength(1)
  })

  it('takes no role and no other field from the form', async () => {
    const agent = createUserAgent()
    const fields = { role: 'owner', roles: 'owner', isEmailVerified: 'true', email_verified: 'true', sub: 'chosen' }
    const form = await signUp({ email: 'climber@example.com', name: '', password, ...fields }, agent)
    await confirm(form, 'climber@example.com', agent)
    const account = await gatehouse.server.stores.accounts.findByEmail('climber@example.com')
    expect(account).toMatchObject({ roles: [] })
    expect(account?.sub).not.toBe('chosen')
  })

  it('escapes the name', async () => {
    const page = await signUp({ email: 'x', name: '"><script>alert(1)</script>', password })
    expect(page.text).not.toContain('<script>')
  })

  it('is stopped for one address that makes accounts all day', async () => {
    const server = await startTestServer()
    const client = await makeApp(server)
    const agent = createUserAgent()
    const page = await agent.visit(
      new URL(`${(await start(agent, server, client)).url.pathname}/sign-up`, server.issuer),
    )
    const statuses: number[] = []
    for (let round = 0; round < 62; round += 1)
      statuses.push((await agent.submit(page, '/sign-up', { email: 'no', password: '' })).status)
    const stopped = await agent.submit(page, '/sign-up', { email: 'no', password: '' })
    await server.stop()
    expect(statuses.filter((status) => status === 400)).toHaveLength(60)
    expect(stopped.status).toBe(429)
    expect(Number(stopped.headers.get('retry-after'))).toBeGreaterThan(0)
  })
})

describe('signing up where the operator has turned it off', () => {
  it('is not offered, and not there', async () => {
    const server = await startTestServer({ env: { GATEHOUSE_SIGN_UP: 'false' } })
    const agent = createUserAgent()
    const page = await start(agent, server, await makeApp(server))
    const form = await agent.request(new URL(`${page.url.pathname}/sign-up`, server.issuer))
    const posted = await agent.request(new URL(`${page.url.pathname}/sign-up`, server.issuer), {
      method: 'POST',
      body: new URLSearchParams({ email: 'somebody@example.com', password }),
    })
    const account = await server.server.stores.accounts.findByEmail('somebody@example.com')
    await server.stop()
    expect(page.text).not.toContain('/sign-up')
    expect([form.status, posted.status]).toEqual([404, 404])
    expect(account).toBeUndefined()
  })
})
