// What an operator does at the shell, and what the person makes of it in a browser: invitations, links, lost second factors.
import { codeOf, enrolApp } from '../support/authenticator-app.ts'
import { type Application, authorizeUrl, obtainCode, pkce, redeem, refresh } from '../support/code-flow.ts'
import { runBeside } from '../support/commands-beside.ts'
import { lastMailTo, linkIn, mailsTo } from '../support/mailbox.ts'
import { startSmtpServer } from '../support/smtp-server.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent } from '../support/user-agent.ts'

const redirectUri = 'https://app.example.com/cb'
const newPassword = 'an entirely new passphrase'

let gatehouse: TestServer
let app: Application

beforeAll(async () => {
  gatehouse = await startTestServer()
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
})
beforeEach(() => gatehouse.server.stores.database.query('DELETE FROM sign_in_throttle'))
afterAll(() => gatehouse.stop())

const run = <Shape = Record<string, unknown>>(args: string) => runBeside<Shape>(gatehouse, args)
const open = async (link: string) => (await createUserAgent().visit(link)).status
const accept = async (link: string, password = newPassword) => {
  const agent = createUserAgent()
  return agent.submit(await agent.visit(link), new URL(link).pathname, { password })
}
const signInPage = (agent = createUserAgent()) =>
  agent.visit(authorizeUrl(gatehouse.issuer, app, { code_challenge: pkce().challenge, code_challenge_method: 'S256' }))

describe('an invitation from the shell', () => {
  it('is mailed, may be looked at often, is accepted once, and lets its owner sign in', async () => {
    const { sub } = await run<{ sub: string }>('accounts invite --email ida@example.com --name Ida')
    const mail = await lastMailTo(gatehouse, 'ida@example.com')
    expect(mail.subject).toBe('You are invited to Gatehouse')
    const link = linkIn(mail, '/invitation/')
    expect([await open(link), await open(link)]).toEqual([200, 200])
    expect((await accept(link, 'short')).status).toBe(400)
    expect((await accept(link)).status).toBe(200)
    expect(await open(link)).toBe(410)
    const { code, verifier } = await obtainCode(gatehouse, app, { email: 'ida@example.com', password: newPassword })
    expect((await redeem(gatehouse.issuer, app, { code, verifier })).status).toBe(200)
    expect(await gatehouse.server.stores.accounts.find(sub)).toMatchObject({ isEmailVerified: true, name: 'Ida' })
    const happened = await gatehouse.server.stores.activity.list(sub, { limit: 10 })
    expect(happened.map(({ type }) => type).reverse()).toEqual(['invited', 'signed_up', 'signed_in'])
  })

  it('that went to a wrong address opens nothing once the address is put right', async () => {
    const { sub } = await run<{ sub: string }>('accounts invite --email ivn@example.com')
    const wrong = linkIn(await lastMailTo(gatehouse, 'ivn@example.com'), '/invitation/')
    await run(`accounts update ${sub} --email ivan@example.com`)
    expect(await open(wrong)).toBe(410)
    await run(`accounts invite ${sub}`)
    const right = linkIn(await lastMailTo(gatehouse, 'ivan@example.com'), '/invitation/')
    expect((await accept(right)).status).toBe(200)
    expect(await mailsTo(gatehouse, 'ivn@example.com')).toHaveLength(1)
  })

  it('sent again leaves the first one dead, and so does a password that was set meanwhile', async () => {
    await run('accounts invite --email eva@example.com')
    const first = linkIn(await lastMailTo(gatehouse, 'eva@example.com'), '/invitation/')
    const { url } = await run<{ url: string }>('accounts one-time-link eva@example.com')
    await run('accounts invite eva@example.com')
    const second = linkIn(await lastMailTo(gatehouse, 'eva@example.com'), '/invitation/')
    expect([await open(first), await open(second)]).toEqual([410, 200])
    expect((await accept(url)).status).toBe(200)
    expect(await open(second)).toBe(410)
  })

  it('leaves by a running server’s mail server at once', async () => {
    const smtp = await startSmtpServer()
    const env = { GATEHOUSE_SMTP_URL: `smtp://127.0.0.1:${smtp.port}` }
    const sending = await startTestServer({ env })
    await runBeside(sending, 'accounts invite --email far@example.com', env)
    for (let waited = 0; smtp.received.length === 0 && waited < 10_000; waited += 20)
      await new Promise((done) => setTimeout(done, 20))
    expect(smtp.received).toMatchObject([{ to: 'far@example.com' }])
    expect(smtp.received[0]?.raw).toContain(`${sending.issuer}/invitation/`)
    await sending.stop()
    await smtp.stop()
  })
})

describe('a one-time link from the shell', () => {
  it('sets a password once, signs everything out, and still leaves the second factor to show', async () => {
    const person = await gatehouse.makeAccount()
    const { code, verifier } = await obtainCode(gatehouse, app, person)
    const tokens = await redeem(gatehouse.issuer, app, { code, verifier })
    const secret = await enrolApp(gatehouse, person)
    const made = await run<{ url: string; expires_at: string }>(`accounts one-time-link ${person.email} --ttl 600`)
    expect(Date.parse(made.expires_at) - Date.now()).toBeGreaterThan(590_000)
    expect(Date.parse(made.expires_at) - Date.now()).toBeLessThan(601_000)
    expect((await accept(made.url)).status).toBe(200)
    expect(await open(made.url)).toBe(410)
    expect((await refresh(gatehouse.issuer, app, tokens.refresh_token ?? '')).status).toBe(400)
    const agent = createUserAgent()
    const page = await agent.submit(await signInPage(agent), '/sign-in', {
      email: person.email,
      password: newPassword,
    })
    const done = await agent.submit(page, '/second-factor', { code: await codeOf(secret) })
    expect(done.location?.searchParams.get('code')).toBeTruthy()
  })

  it('is over once the account is signed out, given a role, or past its time', async () => {
    const { sub, email } = await gatehouse.makeAccount()
    const link = async () => (await run<{ url: string }>(`accounts one-time-link ${sub}`)).url
    const first = await link()
    expect(await run(`accounts sign-out ${email}`)).toEqual({ sub, signed_out: true })
    expect(await open(first)).toBe(410)
    const second = await link()
    await run(`accounts update ${sub} --role owner`)
    expect(await open(second)).toBe(410)
    const third = await link()
    await gatehouse.server.stores.database.query("UPDATE one_time_links SET expires_at = now() - interval '1 second'")
    expect(await open(third)).toBe(410)
  })
})

describe('a reset of second factors from the shell', () => {
  it('takes them all away, ends sessions and a sign-in that is under way, and tells the owner', async () => {
    const person = await gatehouse.makeAccount()
    const { code, verifier } = await obtainCode(gatehouse, app, person)
    const tokens = await redeem(gatehouse.issuer, app, { code, verifier })
    await enrolApp(gatehouse, person)
    const agent = createUserAgent()
    const halfway = await agent.submit(await signInPage(agent), '/sign-in', {
      email: person.email,
      password: person.password,
    })
    expect(halfway.text).toContain('name="code"')
    const removed = await run(`accounts reset-mfa ${person.email}`)
    expect(removed).toMatchObject({ sub: person.sub, removed: { totp: true, passkeys: 0 } })
    expect((await refresh(gatehouse.issuer, app, tokens.refresh_token ?? '')).status).toBe(400)
    const after = await agent.request(new URL(halfway.url.pathname, gatehouse.issuer))
    expect(after.text).toContain('/sign-in"')
    const mail = await lastMailTo(gatehouse, person.email)
    expect(mail.subject).toBe('Your second steps were removed')
    expect(linkIn(mail, '/not-me/')).toBeTruthy()
    expect((await obtainCode(gatehouse, app, person)).code).toBeTruthy()
  })

  it('leaves no password behind that is long enough only beside a second factor', async () => {
    const person = await gatehouse.makeAccount()
    await enrolApp(gatehouse, person)
    const { url } = await run<{ url: string }>(`accounts one-time-link ${person.sub}`)
    const short = 'quiet otter'
    expect((await accept(url, short)).status).toBe(200)
    await run(`accounts reset-mfa ${person.sub}`)
    const agent = createUserAgent()
    const page = await agent.submit(await signInPage(agent), '/sign-in', { email: person.email, password: short })
    expect(page.text).toContain('/expired-password"')
    const refused = await agent.submit(page, '/expired-password', { password: 'quieter otter' })
    expect(refused.status).toBe(400)
    const done = await agent.submit(refused, '/expired-password', { password: newPassword })
    expect(done.location?.searchParams.get('code')).toBeTruthy()
  })
})
