// Ways round the sign-in that a review found, each closed for good: devices, enrolment, links, notices, throttles, what is told.
import { codeOf, enrolApp } from '../support/authenticator-app.ts'
import { type Application, authorizeUrl, pkce } from '../support/code-flow.ts'
import { codeIn, lastMailTo, linkIn, mailsTo } from '../support/mailbox.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type Page, type UserAgent } from '../support/user-agent.ts'

const redirectUri = 'https://app.example.com/cb'

let gatehouse: TestServer
let app: Application
/** Needs no second factor, whatever an account has. */
let lax: Application
/** Needs one of everybody. */
let strict: Application

beforeAll(async () => {
  gatehouse = await startTestServer()
  const makeApp = async (more = {}) => ({
    redirectUri,
    ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true, ...more })),
  })
  app = await makeApp()
  lax = await makeApp({ secondFactor: 'off' })
  strict = await makeApp({ secondFactor: 'required' })
})
beforeEach(forgetLimits)
afterAll(() => gatehouse.stop())

const database = () => gatehouse.server.stores.database

async function forgetLimits() {
  await database().query('DELETE FROM sign_in_throttle')
  await database().query('DELETE FROM mail_throttle')
}

async function personWithApp() {
  const account = await gatehouse.makeAccount()
  return { ...account, secret: await enrolApp(gatehouse, account) }
}

function begin(agent: UserAgent, client = app, params: Record<string, string> = {}, server = gatehouse): Promise<Page> {
  const asked = { code_challenge: pkce().challenge, code_challenge_method: 'S256', ...params }
  return agent.visit(authorizeUrl(server.issuer, client, asked))
}

async function withPassword(
  agent: UserAgent,
  { email, password }: { email: string; password: string },
  client = app,
  params: Record<string, string> = {},
): Promise<Page> {
  return agent.submit(await begin(agent, client, params), '/sign-in', { email, password })
}

const isSignedIn = (page: Page) => page.location?.searchParams.has('code') ?? false
const interactionOf = (page: Page) => page.url.pathname.split('/').slice(0, 3).join('/')

const post = (agent: UserAgent, path: string, body: Record<string, string>) =>
  agent.request(`${gatehouse.issuer}${path}`, { method: 'POST', body: new URLSearchParams(body) })

/** How many wrong codes were looked at, not turned away unseen. */
async function evaluatedGuesses(agent: UserAgent, first: Page, tries: number): Promise<number> {
  let page = first
  let evaluated = 0
  for (let guess = 0; guess < tries; guess += 1) {
    page = await agent.submit(page, '/second-factor', { code: '000000' })
    if (page.status === 400) evaluated += 1
  }
  return evaluated
}

function withoutSession(agent: UserAgent): UserAgent {
  for (const name of [...agent.cookies.keys()]) if (name.includes('session')) agent.cookies.delete(name)
  return agent
}

describe('a browser that is known', () => {
  it('by a client without second factors is no fresh counter for guessing codes', async () => {
    const person = await personWithApp()
    let evaluated = 0
    for (let browser = 0; browser < 6; browser += 1) {
      const agent = createUserAgent()
      expect(isSignedIn(await withPassword(agent, person, lax))).toBe(true)
      evaluated += await evaluatedGuesses(agent, await begin(agent, app), 4)
    }
    expect(evaluated).toBeLessThanOrEqual(6)
  })

  it('from the time before the account had a second factor is none either', async () => {
    const person = await gatehouse.makeAccount()
    const agents = [createUserAgent(), createUserAgent(), createUserAgent()]
    for (const agent of agents) {
      await withPassword(agent, person)
      await forgetLimits()
    }
    await enrolApp(gatehouse, person)
    let evaluated = 0
    for (const agent of agents) {
      evaluated += await evaluatedGuesses(agent, await withPassword(agent, person, app, { prompt: 'login' }), 4)
    }
    expect(evaluated).toBeGreaterThan(0)
    expect(evaluated).toBeLessThanOrEqual(6)
  })

  it('is not another one to which its cookie was copied before its owner trusted it', async () => {
    const thief = await gatehouse.makeAccount()
    const victim = await personWithApp()
    const shared = createUserAgent()
    await withPassword(shared, thief)
    const copies = [...shared.cookies].filter(([name]) => name.includes('device'))
    expect(copies).not.toEqual([])
    const copied = createUserAgent(new Map(copies.map(([name, cookie]) => [name, { ...cookie }])))

    const step = await withPassword(withoutSession(shared), victim)
    const done = await shared.submit(step, '/second-factor', { code: await codeOf(victim.secret), remember: 'yes' })
    expect(isSignedIn(done)).toBe(true)
    expect(isSignedIn(await withPassword(copied, victim))).toBe(false)
  })
})

describe('a second factor', () => {
  it('is not set up by whoever only holds an old session', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    await withPassword(agent, person)
    await database().query(
      `UPDATE sessions SET payload = jsonb_set(payload, '{loginTs}', to_jsonb((payload->>'loginTs')::bigint - 864000)) WHERE sub = $1`,
      [person.sub],
    )
    const claims = JSON.stringify({ id_token: { acr: { essential: true, value: 'urn:gatehouse:acr:2fa' } } })
    const page = await begin(agent.clone(), app, { claims })
    expect(page.text).not.toContain('/enrolment')
    expect(page.text).toContain('name="password"')
  })

  it('that is gone no longer spares a client that needs one', async () => {
    const person = await personWithApp()
    const agent = createUserAgent()
    const step = await withPassword(agent, person)
    await agent.submit(step, '/second-factor', { code: await codeOf(person.secret), remember: 'yes' })
    await gatehouse.server.node.factors.store.removeAll(person.sub)
    expect(isSignedIn(await withPassword(withoutSession(agent), person))).toBe(true)
    const page = await begin(agent, strict)
    expect(isSignedIn(page)).toBe(false)
    const { email, password } = person
    expect((await agent.submit(page, '/sign-in', { email, password })).text).toContain('/enrolment')
  })
})

describe('a link by mail', () => {
  it('is not to be had where they are off', async () => {
    const other = await startTestServer({ env: { GATEHOUSE_SIGN_IN_LINKS: 'false' } })
    try {
      const client = { redirectUri, ...(await other.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
      const person = await other.makeAccount()
      const agent = createUserAgent()
      const path = interactionOf(await begin(agent, client, {}, other))
      const asked = await agent.request(`${other.issuer}${path}/link`, {
        method: 'POST',
        body: new URLSearchParams({ email: person.email }),
      })
      expect(asked.status).toBe(404)
      expect(await mailsTo(other, person.email)).toEqual([])
    } finally {
      await other.stop()
    }
  })

  it('for a new password dies when an operator puts the address right', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    await post(agent, `${interactionOf(await begin(agent))}/forgotten-password`, { email: person.email })
    const link = linkIn(await lastMailTo(gatehouse, person.email), '/reset-password/')
    const changed = await gatehouse.server.node.registrations.accounts.update(person.sub, {
      email: 'right@example.com',
    })
    expect(changed.ok).toBe(true)
    const opened = await createUserAgent().visit(link)
    expect(opened.status).toBeGreaterThanOrEqual(400)
    expect(opened.text).not.toContain('name="password"')
  })

  it('to say that it was not oneself ends with the first of them that was used', async () => {
    const person = await personWithApp()
    const account = await gatehouse.server.stores.accounts.find(person.sub)
    if (account === undefined) throw new Error('the account is gone')
    await gatehouse.server.node.accountMail.newDevice(account, {})
    await gatehouse.server.node.accountMail.factorAdded(account, { factor: 'totp' })
    const [first = '', second = ''] = (await mailsTo(gatehouse, person.email)).map((mail) => linkIn(mail, '/not-me/'))

    const owner = createUserAgent()
    await owner.submit(await owner.visit(first), new URL(first).pathname)
    const reset = await owner.visit(linkIn(await lastMailTo(gatehouse, person.email), '/reset-password/'))
    const set = await owner.submit(reset, reset.url.pathname, { password: 'the owner takes a new passphrase' })
    expect(set.status).toBe(200)
    const again = await createUserAgent().visit(second)
    expect(again.status).toBeGreaterThanOrEqual(400)
  })
})

describe('what is counted', () => {
  it('for a browser without an account goes away by itself', async () => {
    for (let browser = 0; browser < 3; browser += 1) {
      const agent = createUserAgent()
      await post(agent, `${interactionOf(await begin(agent))}/link/code`, { code: '123456' })
    }
    const kept = await database().query(
      `SELECT expires_at FROM sign_in_throttle WHERE expires_at IS NULL OR expires_at > clock_timestamp() + interval '2 days'`,
    )
    expect(kept).toEqual([])
  })

  it('of links that a stranger asks for leaves the owner the codes of a second factor', async () => {
    const person = await gatehouse.makeAccount()
    await gatehouse.server.node.factors.store.setEmailCode(person.sub, true)
    const stranger = createUserAgent()
    const path = interactionOf(await begin(stranger))
    for (let link = 0; link < 4; link += 1) await post(stranger, `${path}/link`, { email: person.email })

    const owner = createUserAgent()
    const sent = await owner.submit(await withPassword(owner, person), '/second-factor/email')
    expect(sent.status).toBe(200)
    const done = await owner.submit(sent, '/second-factor', { code: codeIn(await lastMailTo(gatehouse, person.email)) })
    expect(isSignedIn(done)).toBe(true)
  })

  it('of codes at sign-up is five, and then the right one is too late', async () => {
    const agent = createUserAgent()
    const path = interactionOf(await begin(agent))
    await post(agent, `${path}/sign-up`, { email: 'target@example.com', password: 'correct horse battery staple' })
    for (let guess = 0; guess < 5; guess += 1) {
      await post(agent, `${path}/sign-up/code`, { code: '000001' })
      await forgetLimits()
    }
    await post(agent, `${path}/sign-up/code`, { code: codeIn(await lastMailTo(gatehouse, 'target@example.com')) })
    expect(await gatehouse.server.stores.accounts.findByEmail('target@example.com')).toBeUndefined()
  })
})

it('a message names a browser that is known by name, never what a stranger wrote there', async () => {
  const person = await gatehouse.makeAccount()
  await withPassword(createUserAgent(), person)
  const stranger = createUserAgent()
  const path = interactionOf(await begin(stranger))
  const headers = { 'user-agent': 'Call +1-555-0100 or open https://evil.example/secure now/1.0 (x)' }
  const body = new URLSearchParams({ email: person.email, password: person.password })
  const { location } = await stranger.request(`${gatehouse.issuer}${path}/sign-in`, { method: 'POST', body, headers })
  await stranger.request(location ?? '', { headers })
  const texts = (await mailsTo(gatehouse, person.email)).map(({ text }) => text).join('\n')
  expect(texts).toContain('An unknown browser')
  expect(texts).not.toMatch(/evil|555-0100/)
})

it('many sign-ins at once take a deletion back, and none of them fails', async () => {
  const person = await gatehouse.makeAccount()
  const ready: { agent: UserAgent; location: URL }[] = []
  for (let browser = 0; browser < 6; browser += 1) {
    const agent = createUserAgent()
    const path = `${interactionOf(await begin(agent))}/sign-in`
    const { location } = await post(agent, path, { email: person.email, password: person.password })
    if (location === undefined) throw new Error('the sign-in leads nowhere')
    ready.push({ agent, location })
  }
  await gatehouse.server.stores.accounts.setDeleteAfter(person.sub, new Date(Date.now() + 10_000_000))
  const answers = await Promise.all(ready.map(({ agent, location }) => agent.request(location)))
  expect(answers.map(({ status }) => status).filter((status) => status >= 400)).toEqual([])
  const after = await gatehouse.server.stores.accounts.find(person.sub)
  expect(after?.deleteAfter).toBeUndefined()
})
