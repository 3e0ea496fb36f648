// Getting back in: the link that sets a new password, invitations, and “this wasn't me” (threats L4, L11).
import { enrolApp } from '../support/authenticator-app.ts'
import { type Application, authorizeUrl, obtainCode, pkce, redeem, refresh } from '../support/code-flow.ts'
import { lastMailTo, linkIn, mailsTo } from '../support/mailbox.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

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

async function askForReset(email: string, agent: UserAgent = createUserAgent()) {
  const { challenge } = pkce()
  const page = await agent.visit(
    authorizeUrl(gatehouse.issuer, app, { code_challenge: challenge, code_challenge_method: 'S256' }),
  )
  const form = await agent.visit(`${page.url.href}/forgotten-password`)
  return agent.submit(form, '/forgotten-password', { email })
}
const resetLink = async (email: string) => linkIn(await lastMailTo(gatehouse, email), '/reset-password/')

async function reset(link: string, password = newPassword, agent = createUserAgent()) {
  return agent.submit(await agent.visit(link), new URL(link).pathname, { password })
}

describe('a forgotten password', () => {
  it('is replaced by a link that works in any browser, once, and signs everything out', async () => {
    const person = await gatehouse.makeAccount()
    const { code, verifier, agent } = await obtainCode(gatehouse, app, person)
    const tokens = await redeem(gatehouse.issuer, app, { code, verifier })
    await askForReset(person.email)
    const link = await resetLink(person.email)
    const done = await reset(link)
    expect(done.status).toBe(200)
    expect((await createUserAgent().visit(link)).status).toBe(410)
    expect((await refresh(gatehouse.issuer, app, tokens.refresh_token ?? '')).status).toBe(400)
    const { challenge } = pkce()
    const again = await agent.visit(
      authorizeUrl(gatehouse.issuer, app, { code_challenge: challenge, code_challenge_method: 'S256' }),
    )
    expect(again.text).toContain('name="password"')
    await expect(obtainCode(gatehouse, app, person)).rejects.toThrow()
    expect((await obtainCode(gatehouse, app, { ...person, password: newPassword })).code).toBeTruthy()
    expect((await lastMailTo(gatehouse, person.email)).text).toContain('/not-me/')
  })

  it('says the same for an address that has no account, and sends nothing there', async () => {
    const person = await gatehouse.makeAccount()
    const texts: string[] = []
    for (const email of [person.email, 'nobody-here@example.com']) {
      const page = await askForReset(email)
      texts.push(
        `${page.status} ${page.text.replaceAll(email, 'EMAIL').replace(/interaction\/[\w-]+/g, 'interaction/UID')}`,
      )
    }
    expect(new Set(texts).size).toBe(1)
    expect(await mailsTo(gatehouse, 'nobody-here@example.com')).toEqual([])
  })

  it('keeps the link when the new password is refused, and tells why', async () => {
    const person = await gatehouse.makeAccount()
    await askForReset(person.email)
    const link = await resetLink(person.email)
    const refused = await reset(link, 'short')
    expect(refused.status).toBe(400)
    expect(refused.text).toContain('aria-invalid="true"')
    expect((await reset(link)).status).toBe(200)
  })

  it('is set once by many at the same moment', async () => {
    const person = await gatehouse.makeAccount()
    await askForReset(person.email)
    const link = await resetLink(person.email)
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        createUserAgent().request(link, {
          method: 'POST',
          body: new URLSearchParams({ password: `a long passphrase number ${index}` }),
        }),
      ),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(410)].sort())
  })

  it('leaves earlier links dead, and those of an account that was disabled', async () => {
    const person = await gatehouse.makeAccount()
    await askForReset(person.email)
    const first = await resetLink(person.email)
    await askForReset(person.email)
    const second = await resetLink(person.email)
    expect((await reset(second)).status).toBe(200)
    expect((await createUserAgent().visit(first)).status).toBe(410)
    await askForReset(person.email)
    const third = await resetLink(person.email)
    await gatehouse.server.node.revocation.disableAccount(person.sub)
    expect((await createUserAgent().visit(third)).status).toBe(410)
  })

  it('still asks for the second factor', async () => {
    const person = await gatehouse.makeAccount()
    await enrolApp(gatehouse, person)
    await askForReset(person.email)
    await reset(await resetLink(person.email))
    const agent = createUserAgent()
    const { challenge } = pkce()
    const page = await agent.visit(
      authorizeUrl(gatehouse.issuer, app, { code_challenge: challenge, code_challenge_method: 'S256' }),
    )
    const next = await agent.submit(page, '/sign-in', { email: person.email, password: newPassword })
    expect(next.text).toContain('name="method" value="totp"')
  })

  it('lifts the lock that strangers brought upon the account', async () => {
    const person = await gatehouse.makeAccount()
    await gatehouse.server.stores.database.query('UPDATE sign_in_throttle SET in_a_row = 0')
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const agent = createUserAgent()
      const { challenge } = pkce()
      const page = await agent.visit(
        authorizeUrl(gatehouse.issuer, app, { code_challenge: challenge, code_challenge_method: 'S256' }),
      )
      await agent.submit(page, '/sign-in', { email: person.email, password: 'wrong' })
    }
    await expect(obtainCode(gatehouse, app, person)).rejects.toThrow('429')
    await askForReset(person.email)
    await reset(await resetLink(person.email))
    expect((await obtainCode(gatehouse, app, { ...person, password: newPassword })).code).toBeTruthy()
  })

  it('refuses a form that another site sends', async () => {
    const person = await gatehouse.makeAccount()
    await askForReset(person.email)
    const link = await resetLink(person.email)
    const answer = await createUserAgent().request(link, {
      method: 'POST',
      headers: { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
      body: new URLSearchParams({ password: newPassword }),
    })
    expect(answer.status).toBe(403)
  })
})

describe('an invitation', () => {
  it('lets its reader choose a password, once, and proves the address', async () => {
    const made = await gatehouse.server.node.registrations.accounts.create({ email: 'invited@example.com' })
    if (!made.ok) throw new Error('not made')
    const { sub, securityVersion } = made.account
    const token = await gatehouse.server.stores.links.create('invitation', { sub, securityVersion, seconds: 600 })
    const link = `${gatehouse.issuer}/invitation/${token}`
    const agent = createUserAgent()
    const refused = await agent.submit(await agent.visit(link), `/invitation/${token}`, {
      name: 'Ida',
      password: 'short',
    })
    expect(refused.status).toBe(400)
    expect(refused.text).toContain('value="Ida"')
    const accepted = await agent.submit(refused, `/invitation/${token}`, { name: 'Ida Roth', password: newPassword })
    expect(accepted.status).toBe(200)
    expect(await gatehouse.server.stores.accounts.find(sub)).toMatchObject({ name: 'Ida Roth', isEmailVerified: true })
    expect((await agent.visit(link)).status).toBe(410)
    expect(
      (await obtainCode(gatehouse, app, { email: 'invited@example.com', password: newPassword })).code,
    ).toBeTruthy()
  })
})

describe('“this wasn’t me”', () => {
  it('changes nothing when it is opened, then signs everything out and sends a link to set a new password', async () => {
    const person = await gatehouse.makeAccount()
    const { code, verifier } = await obtainCode(gatehouse, app, person)
    const tokens = await redeem(gatehouse.issuer, app, { code, verifier })
    await obtainCode(gatehouse, app, person)
    const link = linkIn(await lastMailTo(gatehouse, person.email), '/not-me/')
    const agent = createUserAgent()
    const page = await agent.visit(link)
    const still = await refresh(gatehouse.issuer, app, tokens.refresh_token ?? '')
    expect(still.status).toBe(200)
    const done = await agent.submit(page, new URL(link).pathname)
    expect(done.status).toBe(200)
    expect(done.text).not.toContain('/reset-password/')
    expect((await refresh(gatehouse.issuer, app, still.refresh_token ?? '')).status).toBe(400)
    expect((await agent.visit(link)).status).toBe(410)
    expect((await reset(await resetLink(person.email))).status).toBe(200)
  })

  it('is over once any of them was used, or the password was reset', async () => {
    const person = await gatehouse.makeAccount()
    for (let round = 0; round < 3; round += 1) await obtainCode(gatehouse, app, person)
    const links = (await mailsTo(gatehouse, person.email)).map((mail) => linkIn(mail, '/not-me/'))
    expect(links).toHaveLength(2)
    await askForReset(person.email)
    await reset(await resetLink(person.email))
    for (const link of links) expect((await createUserAgent().visit(link)).status).toBe(410)
  })
})
