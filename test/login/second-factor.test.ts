// One more factor at sign-in: apps, recovery codes, codes by mail, remembered browsers, and every way round them (threats L6–L9).
import { codeOf, enrolApp } from '../support/authenticator-app.ts'
import { type Application, authorizeUrl, pkce, redeem } from '../support/code-flow.ts'
import { codeIn, lastMailTo, mailsTo } from '../support/mailbox.ts'
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

interface Person {
  sub: string
  email: string
  password: string
  secret: string
}

/** With an authenticator app whose codes of now and of the last half minute are still good. */
async function personWithApp(): Promise<Person> {
  const account = await gatehouse.makeAccount()
  return { ...account, secret: await enrolApp(gatehouse, account) }
}

async function begin(agent: UserAgent, params: Record<string, string> = {}, server = gatehouse, client = app) {
  const { verifier, challenge } = pkce()
  const page = await agent.visit(
    authorizeUrl(server.issuer, client, { code_challenge: challenge, code_challenge_method: 'S256', ...params }),
  )
  return { page, verifier }
}

async function withPassword(
  agent: UserAgent,
  person: { email: string; password: string },
  params: Record<string, string> = {},
) {
  const { page, verifier } = await begin(agent, params)
  return { page: await agent.submit(page, '/sign-in', { email: person.email, password: person.password }), verifier }
}

const codeFrom = (page: Page) => page.location?.searchParams.get('code') ?? undefined

async function idTokenOf(page: Page, verifier: string): Promise<Record<string, unknown>> {
  const tokens = await redeem(gatehouse.issuer, app, { code: codeFrom(page) ?? '', verifier })
  return JSON.parse(Buffer.from(tokens.id_token?.split('.')[1] ?? '', 'base64url').toString())
}

describe('signing in with a password and a code of an app', () => {
  it('asks for the code before it signs in, and tells the truth in the ID token', async () => {
    const person = await personWithApp()
    const agent = createUserAgent()
    const { page, verifier } = await withPassword(agent, person)
    expect(page.status).toBe(200)
    expect(page.text).toContain('name="code"')
    expect([...agent.cookies.keys()].some((name) => name.startsWith('gatehouse-session'))).toBe(false)
    const done = await agent.submit(page, '/second-factor', { code: await codeOf(person.secret) })
    expect(await idTokenOf(done, verifier)).toMatchObject({
      acr: 'urn:gatehouse:acr:2fa',
      amr: ['mfa', 'otp', 'pwd'],
      sub: person.sub,
    })
  })

  it('takes no code twice, in the same sign-in or another', async () => {
    const person = await personWithApp()
    const code = await codeOf(person.secret)
    const first = createUserAgent()
    const { page } = await withPassword(first, person)
    expect(codeFrom(await first.submit(page, '/second-factor', { code }))).toBeTruthy()
    const second = createUserAgent()
    const again = await withPassword(second, person)
    const refused = await second.submit(again.page, '/second-factor', { code })
    expect(refused.status).toBe(400)
    expect(codeFrom(refused)).toBeUndefined()
  })

  it('answers junk as a wrong code', async () => {
    const person = await personWithApp()
    const agent = createUserAgent()
    const { page } = await withPassword(agent, person)
    for (const code of ['', '12345', '1234567', 'abcdef', '１２３４５６', ' ']) {
      const refused = await agent.submit(page, '/second-factor', { code })
      expect([400, 429]).toContain(refused.status)
      await gatehouse.server.stores.database.query('DELETE FROM sign_in_throttle')
    }
  })

  it('takes the code of the step before and of the step after, and none that is older', async () => {
    const person = await personWithApp()
    const now = Date.now() / 1000
    for (const [offset, isGood] of [
      [-90, false],
      [-30, true],
      [60 + 30, false],
    ] as const) {
      await gatehouse.server.stores.database.query('UPDATE totp_authenticators SET last_step = 0 WHERE sub = $1', [
        person.sub,
      ])
      const agent = createUserAgent()
      const { page } = await withPassword(agent, person)
      const answer = await agent.submit(page, '/second-factor', { code: await codeOf(person.secret, now + offset) })
      expect([offset, Boolean(codeFrom(answer))]).toEqual([offset, isGood])
    }
  })

  it('counts wrong codes by account, whatever the sign-in', async () => {
    const person = await personWithApp()
    const statuses: number[] = []
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const agent = createUserAgent()
      const { page } = await withPassword(agent, person)
      statuses.push((await agent.submit(page, '/second-factor', { code: '000000' })).status)
    }
    expect(statuses.filter((status) => status === 400).length).toBeLessThanOrEqual(6)
    expect(statuses.at(-1)).toBe(429)
  })
})

describe('the second factor cannot be gone round', () => {
  it('by the address at which the engine waits', async () => {
    const person = await personWithApp()
    const agent = createUserAgent()
    const { page } = await withPassword(agent, person)
    const uid = page.url.pathname.split('/').at(2)
    const resumed = await agent.visit(`${gatehouse.issuer}/authorize/${uid}`)
    expect(codeFrom(resumed)).toBeUndefined()
    const anew = await begin(agent)
    expect(anew.page.text).toContain('name="password"')
  })

  it('by the forms of other steps', async () => {
    const person = await personWithApp()
    const agent = createUserAgent()
    const { page } = await withPassword(agent, person)
    const post = (path: string, body: Record<string, string>) =>
      agent.request(`${gatehouse.issuer}${page.url.pathname}${path}`, {
        method: 'POST',
        body: new URLSearchParams(body),
      })
    for (const [path, body] of [
      ['/consent', {}],
      ['/enrolment/totp', { enrolment: 'x', code: '123456' }],
      ['/enrolment/passkey', { response: '{}', name: 'mine' }],
      ['/enrolment/email/send', {}],
      ['/expired-password', { password: 'another long passphrase' }],
      ['/second-factor/email', {}],
      ['/second-factor', { method: 'email_code', code: '123456' }],
    ] as const) {
      const answer = await post(path, body)
      expect([path, answer.status, codeFrom(answer)]).toEqual([path, 400, undefined])
    }
  })

  it('after the password has changed meanwhile', async () => {
    const person = await personWithApp()
    const agent = createUserAgent()
    const { page } = await withPassword(agent, person)
    await gatehouse.server.stores.passwordStore.set(person.sub, { hash: 'x', isShort: false, historySize: 0 })
    const answer = await agent.submit(page, '/second-factor', { code: await codeOf(person.secret) })
    expect(codeFrom(answer)).toBeUndefined()
    expect((await agent.visit(page.url)).text).toContain('name="password"')
  })

  it('in another browser', async () => {
    const person = await personWithApp()
    const agent = createUserAgent()
    const { page } = await withPassword(agent, person)
    const other = await createUserAgent().request(page.url)
    expect(other.status).toBe(400)
  })
})

describe('a recovery code', () => {
  it('stands in for the app once, and its owner is told', async () => {
    const person = await personWithApp()
    const [code = ''] = await gatehouse.server.node.factors.recoveryCodes.regenerate(person.sub)
    const agent = createUserAgent()
    const { page } = await withPassword(agent, person)
    const form = await agent.visit(`${page.url.href}?method=recovery_code`)
    expect(codeFrom(await agent.submit(form, '/second-factor', { code: code.toLowerCase() }))).toBeTruthy()
    expect((await lastMailTo(gatehouse, person.email)).text).toMatch(/9/)
    const again = createUserAgent()
    const second = await withPassword(again, person)
    const formAgain = await again.visit(`${second.page.url.href}?method=recovery_code`)
    expect((await again.submit(formAgain, '/second-factor', { code })).status).toBe(400)
  })
})

describe('a code by mail', () => {
  it('serves those who chose it, in the sign-in that it was sent for', async () => {
    const person = await gatehouse.makeAccount()
    await gatehouse.server.node.factors.store.setEmailCode(person.sub, true)
    const agent = createUserAgent()
    const { page, verifier } = await withPassword(agent, person)
    const form = await agent.submit(page, '/second-factor/email')
    const code = codeIn(await lastMailTo(gatehouse, person.email))
    const elsewhere = createUserAgent()
    const other = await withPassword(elsewhere, person)
    const otherForm = await elsewhere.submit(other.page, '/second-factor/email')
    expect((await elsewhere.submit(otherForm, '/second-factor', { code })).status).toBe(400)
    const done = await agent.submit(form, '/second-factor', { code })
    expect(await idTokenOf(done, verifier)).toMatchObject({
      acr: 'urn:gatehouse:acr:2fa',
      amr: ['email', 'mfa', 'pwd'],
    })
  })
})

describe('a remembered browser', () => {
  it('is spared the second factor, but no stronger demand, and only until the password changes', async () => {
    const person = await personWithApp()
    const agent = createUserAgent()
    const { page } = await withPassword(agent, person)
    expect(
      codeFrom(await agent.submit(page, '/second-factor', { code: await codeOf(person.secret), remember: 'yes' })),
    ).toBeTruthy()
    const signOut = async () => {
      for (const key of [...agent.cookies.keys()]) if (key.startsWith('gatehouse-session')) agent.cookies.delete(key)
    }
    await signOut()
    const spared = await withPassword(agent, person)
    expect(await idTokenOf(spared.page, spared.verifier)).toMatchObject({
      acr: 'urn:gatehouse:acr:1fa',
      amr: ['pwd', 'rba'],
    })
    await signOut()
    const asked = await withPassword(agent, person, { acr_values: 'urn:gatehouse:acr:2fa' })
    expect(asked.page.text).toContain('name="code"')
    await signOut()
    const hash = await gatehouse.server.stores.passwordStore.findHash(person.sub)
    await gatehouse.server.stores.passwordStore.set(person.sub, { hash: hash ?? '', isShort: false, historySize: 0 })
    expect((await withPassword(agent, person)).page.text).toContain('name="code"')
    expect((await withPassword(createUserAgent(), person)).page.text).toContain('name="code"')
  })
})

describe('a rule that demands a second factor', () => {
  it('has it set up on the way in, and shows recovery codes once', async () => {
    const strict = {
      redirectUri,
      ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true, secondFactor: 'required' })),
    }
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const { page, verifier } = await begin(agent, {}, gatehouse, strict)
    const enrolment = await agent.submit(page, '/sign-in', { email: person.email, password: person.password })
    const secret = /<code dir="ltr">([A-Z2-7 ]+)<\/code>/.exec(enrolment.text)?.[1]?.replace(/ /g, '') ?? ''
    expect(enrolment.text).toContain('<svg')
    const wrong = await agent.submit(enrolment, '/enrolment/totp', { code: '000000' })
    expect(wrong.status).toBe(400)
    expect(wrong.text).toContain(secret.slice(0, 4))
    const codes = await agent.submit(wrong, '/enrolment/totp', { code: await codeOf(secret) })
    expect(codes.text.match(/<li><code>/g)).toHaveLength(10)
    const done = await agent.visit(page.url)
    const tokens = await redeem(gatehouse.issuer, strict, { code: codeFrom(done) ?? '', verifier })
    expect(tokens.status).toBe(200)
    expect((await mailsTo(gatehouse, person.email)).length).toBe(1)
  })

  it('holds for somebody who is signed in already, by another application that asks for less', async () => {
    const strict = {
      redirectUri,
      ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true, secondFactor: 'required' })),
    }
    const lenient = {
      redirectUri,
      ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true, secondFactor: 'off' })),
    }
    const person = await personWithApp()
    const agent = createUserAgent()
    const first = await begin(agent, {}, gatehouse, lenient)
    expect(
      codeFrom(await agent.submit(first.page, '/sign-in', { email: person.email, password: person.password })),
    ).toBeTruthy()
    for (const client of [strict, app]) {
      const second = await begin(agent, {}, gatehouse, client)
      expect(second.page.text).toContain('name="code"')
    }
  })
})

describe('stepping up', () => {
  it('asks a signed-in person for the second factor alone, and keeps the time of the password', async () => {
    const person = await personWithApp()
    const agent = createUserAgent()
    const lenient = {
      redirectUri,
      ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true, secondFactor: 'off' })),
    }
    const first = await begin(agent, {}, gatehouse, lenient)
    await agent.submit(first.page, '/sign-in', { email: person.email, password: person.password })
    const { page, verifier } = await begin(agent, { acr_values: 'urn:gatehouse:acr:2fa' })
    expect(page.text).toContain('name="code"')
    expect(page.text).not.toContain('name="password"')
    const done = await agent.submit(page, '/second-factor', { code: await codeOf(person.secret) })
    const claims = await idTokenOf(done, verifier)
    expect(claims).toMatchObject({ acr: 'urn:gatehouse:acr:2fa', amr: ['mfa', 'otp', 'pwd'] })
  })

  it('asks for nothing where the account has no more to show: the session stays as high as it was', async () => {
    const person = await personWithApp()
    const agent = createUserAgent()
    const { page } = await withPassword(agent, person)
    expect(codeFrom(await agent.submit(page, '/second-factor', { code: await codeOf(person.secret) }))).toBeTruthy()
    for (const acr_values of ['phr', 'urn:gatehouse:acr:2fa']) {
      const again = await begin(agent, { acr_values })
      expect(await idTokenOf(again.page, again.verifier)).toMatchObject({
        acr: 'urn:gatehouse:acr:2fa',
        amr: ['mfa', 'otp', 'pwd'],
      })
    }
  })

  it('asks for everything where the sign-in is too old as well', async () => {
    const person = await personWithApp()
    const agent = createUserAgent()
    const { page } = await withPassword(agent, person)
    await agent.submit(page, '/second-factor', { code: await codeOf(person.secret) })
    const again = await begin(agent, { acr_values: 'urn:gatehouse:acr:2fa', prompt: 'login' })
    expect(again.page.text).toContain('name="password"')
  })

  it('is refused without a page where none may be shown', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    await withPassword(agent, person)
    const { page } = await begin(agent, { acr_values: 'urn:gatehouse:acr:2fa', prompt: 'none' })
    expect(page.location?.searchParams.get('error')).toBeTruthy()
  })
})
