// The hosted sign-in: the right password, wrong ones, and the ways in that must stay shut (threats L1, L4, S5, S6).
import { type Application, authorizeUrl, pkce, signIn } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type Page, type UserAgent } from '../support/user-agent.ts'

const redirectUri = 'https://app.example.com/cb'

let gatehouse: TestServer
let app: Application

beforeAll(async () => {
  gatehouse = await startTestServer()
  app = {
    redirectUri,
    ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true, name: 'Northwind Notes' })),
  }
})
// All tests come from one address, and there is a limit for that too.
beforeEach(() => gatehouse.server.stores.database.query('DELETE FROM sign_in_throttle'))
afterAll(() => gatehouse.stop())

const start = (
  agent: UserAgent,
  params: Record<string, string> = {},
  server = gatehouse,
  client = app,
): Promise<Page> =>
  agent.visit(
    authorizeUrl(server.issuer, client, {
      code_challenge: pkce().challenge,
      code_challenge_method: 'S256',
      ...params,
    }),
  )
const attempt = async (email: string, password: string, agent = createUserAgent()) =>
  agent.submit(await start(agent), '/sign-in', { email, password })
/** What a page says, without what differs each time. */
const said = (page: Page) =>
  page.text
    .replace(/\/interaction\/[\w-]+/g, '/interaction/UID')
    .replace(/value="[^"]*@[^"]*"/g, 'value="EMAIL"')
    .replace(/name="ticket" value="[^"]*"/, '')
    .replace(/&quot;challenge&quot;:&quot;[\w-]+&quot;/, '')
    .replace(/\s+/g, ' ')

describe('the sign-in page', () => {
  it('names the application, and works without scripts', async () => {
    const page = await start(createUserAgent())
    expect(page.status).toBe(200)
    expect(page.text).toContain('Northwind Notes')
    expect(page.text).not.toMatch(/<script(?! src="\/assets\/)/)
    expect(page.headers.get('cache-control')).toContain('no-store')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(page.headers.get('x-frame-options')).toBe('DENY')
  })

  it('lets the right password in, however the address is written', async () => {
    const person = await gatehouse.makeAccount({ email: 'Mara.Lindqvist@example.com' })
    for (const email of [person.email, 'MARA.LINDQVIST@EXAMPLE.COM', ' mara.lindqvist@example.com '])
      expect((await attempt(email, person.password)).location?.searchParams.get('code')).toBeTruthy()
  })

  it('takes a password as it is: spaces, case and all', async () => {
    const person = await gatehouse.makeAccount({ password: ' Ünïcode  pass phrase 🗝 ' })
    expect((await attempt(person.email, ' Ünïcode  pass phrase 🗝 ')).location).toBeDefined()
    for (const wrong of ['Ünïcode  pass phrase 🗝', ' ünïcode  pass phrase 🗝 ', ' Ünïcode pass phrase 🗝 '])
      expect((await attempt(person.email, wrong)).location).toBeUndefined()
  })

  it('shows what was typed again, escaped, but never the password', async () => {
    const page = await attempt('"><script>alert(1)</script>@example.com', 'a secret that must not come back')
    expect(page.status).toBe(400)
    expect(page.text).not.toContain('<script>')
    expect(page.text).not.toContain('a secret that must not come back')
  })
})

describe('a wrong sign-in', () => {
  it('says the same for a wrong password, an unknown account, a disabled one and one without a password', async () => {
    const person = await gatehouse.makeAccount()
    const disabled = await gatehouse.makeAccount()
    await gatehouse.server.node.revocation.disableAccount(disabled.sub)
    const { accounts } = gatehouse.server.node.registrations
    await accounts.create({ email: 'no-password@example.com' })
    const pages = [
      await attempt(person.email, 'wrong'),
      await attempt('nobody@example.com', 'wrong'),
      await attempt(disabled.email, disabled.password),
      await attempt('no-password@example.com', 'wrong'),
      await attempt('no-password@example.com', ''),
      await attempt('not an address', 'wrong'),
      await attempt('', ''),
    ]
    expect(pages.map(({ status }) => status)).toEqual(pages.map(() => 400))
    expect(pages[0]?.text).toContain('The email address or the password is not right.')
    const texts = pages.slice(0, 5).map(said)
    expect(new Set(texts).size).toBe(1)
    const headers = pages.map((page) => [...page.headers.keys()].sort().join())
    expect(new Set(headers).size).toBe(1)
  })

  it('takes as long for an unknown account as for a known one', async () => {
    const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
    const time = async (email: string) => {
      const agent = createUserAgent()
      const page = await start(agent)
      const begun = performance.now()
      await agent.submit(page, '/sign-in', { email, password: 'wrong' })
      return performance.now() - begun
    }
    const known: number[] = []
    const unknown: number[] = []
    for (let round = 0; round < 9; round += 1) {
      known.push(await time((await gatehouse.makeAccount()).email))
      unknown.push(await time(`nobody-${round}@example.com`))
    }
    // Without the hash for nobody it would be a few milliseconds against some dozens.
    expect(median(unknown)).toBeGreaterThan(median(known) / 3)
    expect(median(known)).toBeGreaterThan(median(unknown) / 3)
  })

  it('leaves no session behind', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    await attempt(person.email, 'wrong', agent)
    const silent = await start(agent, { prompt: 'none' })
    expect(silent.location?.searchParams.get('error')).toBe('login_required')
  })
})

describe('guessing', () => {
  /** How many tries were looked at before one was put off. The first wait is a second: a slow machine may sit one out. */
  const triesUntilStopped = async (guess: (round: number) => Promise<Page>): Promise<number> => {
    for (let round = 0; round < 10; round += 1) {
      const { status } = await guess(round)
      if (status === 429) return round
      expect(status).toBe(400)
    }
    throw new Error('never stopped')
  }
  const expectFive = (tries: number) => {
    expect(tries).toBeGreaterThanOrEqual(5)
    expect(tries).toBeLessThanOrEqual(7)
  }

  it('is stopped after five failures, with the time to wait in the page and in the header', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const page = await start(agent)
    const guess = (password: string) => agent.submit(page, '/sign-in', { email: person.email, password })
    expectFive(await triesUntilStopped(() => guess('wrong')))
    const stopped = await guess(person.password)
    expect(stopped.status).toBe(429)
    const seconds = Number(stopped.headers.get('retry-after'))
    expect(seconds).toBeGreaterThan(0)
    expect(stopped.text).toContain('There were too many attempts.')
    expect(stopped.text).toMatch(new RegExp(`Wait ${seconds} seconds?`))
    expect(stopped.text).toContain('/sign-in"')
  })

  it('in another spelling of the address counts as the same', async () => {
    const person = await gatehouse.makeAccount({ email: 'spelled@example.com' })
    const spellings = [person.email, 'SPELLED@example.com', ' spelled@example.com', 'Spelled@Example.com']
    expectFive(await triesUntilStopped((round) => attempt(spellings[round % 4] as string, 'wrong')))
  })

  it('of an account that does not exist is stopped in the same way', async () => {
    expectFive(await triesUntilStopped(() => attempt('ghost@example.com', 'wrong')))
  })

  it('in parallel passes no limit together', async () => {
    const person = await gatehouse.makeAccount()
    const agents = await Promise.all(
      Array.from({ length: 30 }, async () => {
        const agent = createUserAgent()
        return { agent, page: await start(agent) }
      }),
    )
    const answers = await Promise.all(
      agents.map(({ agent, page }) => agent.submit(page, '/sign-in', { email: person.email, password: 'wrong' })),
    )
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status === 400).length).toBeLessThanOrEqual(7)
    expect(statuses.filter((status) => ![400, 429, 503].includes(status))).toEqual([])
    for (const answer of answers.filter(({ status }) => status !== 400))
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  it('of many accounts from one address is stopped too (spraying)', async () => {
    const statuses: number[] = []
    for (let round = 0; round < 52; round += 1)
      statuses.push((await attempt(`sprayed-${round}@example.com`, 'Winter-2026-Winter')).status)
    expect(statuses.slice(0, 50)).toEqual(Array(50).fill(400))
    expect(statuses.slice(50)).toContain(429)
  })

  it('of one account leaves the others alone, and is forgotten after the right password', async () => {
    const [victim, other] = [await gatehouse.makeAccount(), await gatehouse.makeAccount()]
    for (let round = 0; round < 4; round += 1) await attempt(victim.email, 'wrong')
    expect((await attempt(other.email, other.password)).location).toBeDefined()
    expect((await attempt(victim.email, victim.password)).location).toBeDefined()
    for (let round = 0; round < 4; round += 1) expect((await attempt(victim.email, 'wrong')).status).toBe(400)
  })
})

describe('a form that another site sends', () => {
  const crossSite: [string, Record<string, string>][] = [
    ['cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['of a sibling site', { 'sec-fetch-site': 'same-site' }],
    ['of another origin', { 'sec-fetch-site': '', origin: 'https://evil.example' }],
    ['from a sandbox', { 'sec-fetch-site': '', origin: 'null' }],
    ['that says nothing about itself', { 'sec-fetch-site': '' }],
  ]
  it.each(crossSite)('signs nobody in: %s', async (_, headers) => {
    const attacker = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const page = await start(agent)
    const before = [...agent.cookies.keys()]
    const posted = await agent.request(new URL(`${page.url.pathname}/sign-in`, gatehouse.issuer), {
      method: 'POST',
      headers,
      body: new URLSearchParams({ email: attacker.email, password: attacker.password }),
    })
    expect({ status: posted.status, location: posted.location }).toEqual({ status: 403, location: undefined })
    expect([...agent.cookies.keys()]).toEqual(before)
  })

  it.each(['/sign-up', '/abort', '/switch-account'])('does nothing else either: %s', async (path) => {
    const agent = createUserAgent()
    const page = await start(agent)
    const posted = await agent.request(new URL(`${page.url.pathname}${path}`, gatehouse.issuer), {
      method: 'POST',
      headers: { 'sec-fetch-site': 'cross-site' },
      body: new URLSearchParams({ email: 'csrf@example.com', password: 'a long enough passphrase' }),
    })
    expect(posted.status).toBe(403)
    expect(await gatehouse.server.stores.accounts.findByEmail('csrf@example.com')).toBeUndefined()
  })

  it.each(['text/plain', 'application/json', 'multipart/form-data; boundary=x'])(
    'is not read as %s',
    async (contentType) => {
      const person = await gatehouse.makeAccount()
      const agent = createUserAgent()
      const page = await start(agent)
      const posted = await agent.request(new URL(`${page.url.pathname}/sign-in`, gatehouse.issuer), {
        method: 'POST',
        headers: { 'content-type': contentType },
        body: new URLSearchParams({ email: person.email, password: person.password }).toString(),
      })
      expect(posted.location).toBeUndefined()
      expect([400, 415]).toContain(posted.status)
    },
  )
})

describe('a sign-in page', () => {
  it('that is over says so, and how to go on', async () => {
    const agent = createUserAgent()
    const page = await start(agent)
    await gatehouse.server.stores.database.query("DELETE FROM artifacts WHERE model = 'Interaction'")
    for (const late of [
      await agent.request(page.url),
      await agent.request(new URL(`${page.url.pathname}/sign-in`, gatehouse.issuer), {
        method: 'POST',
        body: new URLSearchParams({ email: 'a@example.com', password: 'x' }),
      }),
    ]) {
      expect(late.status).toBe(400)
      expect(late.text).toContain('Go back to the application and try again')
      expect(late.location).toBeUndefined()
    }
  })

  it('is over once it has been used: the back button signs nobody in again', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const page = await start(agent)
    await signIn(agent, page, person)
    const again = await agent.request(page.url)
    expect(again.status).toBe(400)
  })

  it('can be left: the application is told access_denied', async () => {
    const agent = createUserAgent()
    const left = await agent.submit(await start(agent), '/abort')
    expect(left.location?.origin).toBe('https://app.example.com')
    expect(left.location?.searchParams.get('error')).toBe('access_denied')
    expect(left.location?.searchParams.get('state')).toBe('state')
  })

  it('does not lead on to any address that a form or a query names', async () => {
    const person = await gatehouse.makeAccount()
    const evil = { return_to: '//evil.example', next: 'https://evil.example', redirect_uri: 'https://evil.example' }
    const agent = createUserAgent()
    const page = await start(agent)
    const query = new URLSearchParams(evil)
    const posted = await agent.request(new URL(`${page.url.pathname}/sign-in?${query}`, gatehouse.issuer), {
      method: 'POST',
      body: new URLSearchParams({ ...evil, email: person.email, password: person.password }),
    })
    expect(posted.location?.origin).toBe(gatehouse.issuer)
    expect((await agent.visit(posted.location as URL)).location?.origin).toBe('https://app.example.com')
  })

  it('for an application that is disabled meanwhile says so', async () => {
    const client = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri] })) }
    const agent = createUserAgent()
    const page = await start(agent, {}, gatehouse, client)
    await gatehouse.server.node.revocation.disableClient(client.clientId)
    const late = await agent.request(page.url)
    expect(late.status).toBe(400)
    expect(late.text).toContain('no longer registered')
  })

  it('refuses a field that stands twice, a NUL and an endless password without a fault', async () => {
    const agent = createUserAgent()
    const page = await start(agent)
    const bodies = [
      'email=a%40example.com&email=b%40example.com&password=x',
      'email=a%00%40example.com&password=x',
      'email=a%40example.com&password=%ff',
      `email=a%40example.com&password=${'x'.repeat(60_000)}`,
    ]
    for (const body of bodies) {
      const posted = await agent.request(new URL(`${page.url.pathname}/sign-in`, gatehouse.issuer), {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body,
      })
      expect([400, 413]).toContain(posted.status)
    }
  })
})
