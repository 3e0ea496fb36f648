// Making an account on the way to an application.
import { type Application, authorizeUrl, pkce } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

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
afterAll(() => gatehouse.stop())

const start = (agent: UserAgent, server = gatehouse, client = app) =>
  agent.visit(authorizeUrl(server.issuer, client, { code_challenge: pkce().challenge, code_challenge_method: 'S256' }))

async function signUp(fields: Record<string, string>, agent = createUserAgent()) {
  const signIn = await start(agent)
  const page = await agent.visit(new URL(`${signIn.url.pathname}/sign-up`, gatehouse.issuer))
  return agent.submit(page, '/sign-up', fields)
}

describe('signing up', () => {
  it('makes an account and goes on to the application', async () => {
    const agent = createUserAgent()
    const page = await signUp({ email: ' New.Person@example.com ', name: 'New Person', password }, agent)
    expect(page.location?.searchParams.get('code')).toBeTruthy()
    const account = await gatehouse.server.stores.accounts.findByEmail('new.person@example.com')
    expect(account).toMatchObject({
      email: 'New.Person@example.com',
      name: 'New Person',
      isEmailVerified: false,
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

  it('says so when the address is taken, and does not touch that account', async () => {
    const person = await gatehouse.makeAccount()
    const page = await signUp({ email: person.email.toUpperCase(), name: 'Thief', password })
    expect(page.status).toBe(400)
    expect(page.text).toContain('There is an account with this email address already')
    const agent = createUserAgent()
    const signedIn = await agent.submit(await start(agent), '/sign-in', {
      email: person.email,
      password: person.password,
    })
    expect(signedIn.location?.searchParams.get('code')).toBeTruthy()
  })

  it('of the same address by several at once makes one account', async () => {
    const pages = await Promise.all(
      Array.from({ length: 4 }, () => signUp({ email: 'twice@example.com', name: '', password })),
    )
    expect(pages.filter(({ location }) => location?.searchParams.has('code'))).toHaveLength(1)
    expect(pages.filter(({ status }) => status === 500)).toEqual([])
    const rows = await gatehouse.server.stores.database.query(
      "SELECT 1 FROM accounts WHERE email = 'twice@example.com'",
    )
    expect(rows).toHaveLength(1)
  })

  it('takes no role and no other field from the form', async () => {
    await signUp({
      email: 'climber@example.com',
      name: '',
      password,
      role: 'owner',
      roles: 'owner',
      isEmailVerified: 'true',
      email_verified: 'true',
      sub: 'chosen',
    })
    const account = await gatehouse.server.stores.accounts.findByEmail('climber@example.com')
    expect(account).toMatchObject({ roles: [], isEmailVerified: false })
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
