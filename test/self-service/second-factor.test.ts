// A person's second factors: set up, replaced, removed as far as the rules allow, and never without a fresh sign-in (threats L6, L7, L10).
import { generate } from 'otplib'
import { refusedRemoval } from '../../src/self-service/credentials/factor-changes.ts'
import { createSoftwareAuthenticator } from '../support/software-authenticator.ts'
import type { Page } from '../support/user-agent.ts'
import { type AccountWorld, credentialsOf, type Person, startAccountWorld, textOf } from './account-world.ts'

let world: AccountWorld

beforeAll(async () => {
  world = await startAccountWorld()
})
afterAll(() => world.stop())

const secretIn = (page: Page) => /<code dir="ltr">([A-Z2-7 ]+)<\/code>/.exec(page.text)?.[1]?.replaceAll(' ', '') ?? ''
const codesIn = (page: Page) => [...page.text.matchAll(/<li><code>([\dA-Z-]+)<\/code>/g)].map(([, code]) => code ?? '')
const codeFor = (secret: string) => generate({ secret })
const factorsOf = ({ sub }: Person) => world.server.node.factors.store.summary(sub)
const typesOf = async ({ sub }: Person) =>
  (await world.server.stores.activity.list(sub, { limit: 50 })).map(({ type }) => type)
const set = (sub: string, change: string) =>
  world.server.stores.database.query(`UPDATE accounts SET ${change} WHERE sub = $1`, [sub])

async function addApp(person: Person): Promise<{ secret: string; page: Page }> {
  const form = await world.visit(person, '/account/second-factor/app')
  const secret = secretIn(form)
  const page = await person.agent.submit(form, '/second-factor/app', { code: await codeFor(secret) })
  await world.strengthenSignIn(person)
  return { secret, page }
}

async function addPasskey(person: Person, name = 'Laptop') {
  const form = await world.visit(person, '/account/second-factor/new-passkey')
  const options = /data-options="([^"]*)"/.exec(form.text)?.[1]?.replace(/&quot;/g, '"') ?? '{}'
  const authenticator = createSoftwareAuthenticator({ origin: world.issuer })
  const response = authenticator.register(JSON.parse(options))
  const page = await person.agent.submit(form, '/new-passkey', { response, name })
  await world.strengthenSignIn(person)
  const [passkey] = (await world.server.node.factors.passkeys.list(person.sub)).slice(-1)
  return { page, form, response, authenticator, id: passkey?.id ?? '' }
}

const remove = (person: Person, what: string) => world.post(person, `/account/second-factor/${what}/remove`)

describe('an authenticator app', () => {
  it('is set up by a code, with recovery codes that are shown once', async () => {
    const person = await world.newPerson()
    const { page } = await addApp(person)
    expect(page.status).toBe(200)
    expect(codesIn(page)).toHaveLength(10)
    expect(page.headers.get('cache-control')).toContain('no-store')
    expect(await factorsOf(person)).toMatchObject({ hasTotp: true, recoveryCodesLeft: 10 })
    expect(await typesOf(person)).toContain('factor_added')
    expect(await world.linkTo(person.email, /was added/)).toMatch(/^\/not-me\//)
  })

  it('shows the same key again after a mistyped code', async () => {
    const person = await world.newPerson()
    const form = await world.visit(person, '/account/second-factor/app')
    const again = await person.agent.submit(form, '/second-factor/app', { code: '000000' })
    expect(again.status).toBe(400)
    expect(secretIn(again)).toBe(secretIn(form))
    expect(await factorsOf(person)).toMatchObject({ hasTotp: false, recoveryCodesLeft: 0 })
    const done = await person.agent.submit(again, '/second-factor/app', { code: await codeFor(secretIn(form)) })
    expect(codesIn(done)).toHaveLength(10)
  })

  it('does not take what was begun in another account', async () => {
    const [person, other] = [await world.newPerson(), await world.newPerson()]
    const form = await world.visit(other, '/account/second-factor/app')
    const enrolment = /name="enrolment" value="([^"]+)"/.exec(form.text)?.[1] ?? ''
    const code = await codeFor(secretIn(form))
    expect((await world.post(person, '/account/second-factor/app', { enrolment, code })).status).toBe(400)
    expect(await factorsOf(person)).toMatchObject({ hasTotp: false })
  })

  it('is replaced by another one: the old one is dead, other sessions end, the recovery codes stay', async () => {
    const person = await world.newPerson()
    const first = await addApp(person)
    const other = await world.newPerson()
    await world.server.stores.database.query('UPDATE sessions SET sub = $1 WHERE sub = $2', [person.sub, other.sub])
    const { secret, page } = await addApp(person)
    expect(secret).not.toBe(first.secret)
    expect(codesIn(page)).toEqual([])
    expect(page.url.pathname).toBe('/account/second-factor')
    expect(await factorsOf(person)).toMatchObject({ hasTotp: true, recoveryCodesLeft: 10 })
    expect((await world.server.stores.sessions.listOfAccount(person.sub)).length).toBe(1)
    expect(await world.server.node.factors.totp.check(person.sub, await codeFor(first.secret))).toBe(false)
  })

  it('is removed, with the recovery codes when nothing is left that they could stand in for', async () => {
    const person = await world.newPerson()
    await addApp(person)
    const page = await remove(person, 'app')
    expect(textOf(page)).toContain('turned off')
    expect(await factorsOf(person)).toMatchObject({ hasTotp: false, recoveryCodesLeft: 0 })
    expect(await typesOf(person)).toContain('factor_removed')
    expect(await world.linkTo(person.email, /was removed/)).toMatch(/^\/not-me\//)
  })
})

describe('the fresh sign-in of somebody who has a second factor', () => {
  it('asks for it, even when the password was shown just now', async () => {
    const person = await world.newPerson()
    const form = await world.visit(person, '/account/second-factor/app')
    const secret = secretIn(form)
    const codes = codesIn(await person.agent.submit(form, '/second-factor/app', { code: await codeFor(secret) }))
    const asked = await world.visit(person, '/account/password')
    expect(asked.url.pathname).toMatch(/^\/interaction\//)
    expect(asked.text).not.toContain('name="password"')
    const way = await person.agent.visit(new URL(`${asked.url.href}?method=recovery_code`))
    const page = await person.agent.submit(way, '/second-factor', { code: codes[0] ?? '' })
    expect([page.status, page.url.pathname]).toEqual([200, '/account/password'])
  })

  it('asks for both when it was a while ago', async () => {
    const person = await world.newPerson()
    const { page: added } = await addApp(person)
    await world.ageSignIn(person, 660)
    const start = await world.visit(person, '/account/second-factor/recovery-codes')
    const second = await person.agent.submit(start, '/sign-in', credentialsOf(person))
    expect(second.url.pathname).toMatch(/^\/interaction\//)
    const way = await person.agent.visit(new URL(`${second.url.href}?method=recovery_code`))
    const page = await person.agent.submit(way, '/second-factor', { code: codesIn(added)[0] ?? '' })
    expect([page.status, page.url.pathname]).toEqual([200, '/account/second-factor/recovery-codes'])
    expect(textOf(page)).toContain('9 recovery codes left')
  })

  it('cannot be strong enough without the password where the second factor is a mailed code, and says so', async () => {
    const person = await world.newPerson()
    await set(person.sub, 'email_code_enabled = true')
    // Signed in by a link, a moment ago.
    await world.server.stores.database.query('UPDATE sessions SET payload = payload || $2 WHERE sub = $1', [
      person.sub,
      { amr: ['email'], acr: 'urn:gatehouse:acr:1fa' },
    ])
    const page = await world.visit(person, '/account/password')
    expect([page.status, page.url.pathname]).toEqual([403, '/account/return'])
    expect(textOf(page)).toContain('Sign in once more')
    const again = /href="(\/authorize[^"]+)"/.exec(page.text)?.[1]?.replace(/&amp;/g, '&') ?? ''
    expect((await person.agent.visit(world.at(again))).text).toContain('name="password"')
  })
})

describe('passkeys', () => {
  it('are added with a name, several of them, and listed', async () => {
    const person = await world.newPerson()
    const { page } = await addPasskey(person, 'Work laptop')
    expect(codesIn(page)).toHaveLength(10)
    await addPasskey(person, 'Phone')
    const list = textOf(await world.visit(person, '/account/second-factor'))
    expect(list).toContain('Work laptop Added on')
    expect(list).toContain('Phone Added on')
    expect(await typesOf(person)).toContain('passkey_added')
    expect(await world.linkTo(person.email, /was added/)).toMatch(/^\/not-me\//)
  })

  it('are made for the session that asked, and no other', async () => {
    const [person, other] = [await world.newPerson(), await world.newPerson()]
    const form = await world.visit(other, '/account/second-factor/new-passkey')
    const options = JSON.parse(/data-options="([^"]*)"/.exec(form.text)?.[1]?.replace(/&quot;/g, '"') ?? '{}')
    const ticket = /name="ticket" value="([^"]+)"/.exec(form.text)?.[1] ?? ''
    const response = createSoftwareAuthenticator({ origin: world.issuer }).register(options)
    for (const given of [ticket, '', 'x', ticket.slice(1)]) {
      const answer = await world.post(person, '/account/second-factor/new-passkey', { response, ticket: given })
      expect(answer.status).toBe(400)
    }
    expect(await factorsOf(person)).toMatchObject({ passkeys: 0, recoveryCodesLeft: 0 })
  })

  it.each(['', '{}', 'null', '[]', '{"id":1}', 'x'.repeat(30_000)])(
    'are refused when the answer is junk: %#',
    async (response) => {
      const person = await world.newPerson()
      const form = await world.visit(person, '/account/second-factor/new-passkey')
      const page = await person.agent.submit(form, '/new-passkey', { response })
      expect(page.status).toBe(400)
      expect(textOf(page)).toContain('could not be added')
    },
  )

  it('get another name, and lose no other', async () => {
    const person = await world.newPerson()
    const { id } = await addPasskey(person, 'Laptop')
    const path = `/account/second-factor/passkey/${id}`
    const page = await person.agent.submit(await world.visit(person, path), '/name', { name: 'Old laptop' })
    expect(textOf(page)).toContain('Old laptop')
    const refused = await person.agent.submit(await world.visit(person, path), '/name', { name: ' \u200b ' })
    expect(refused.status).toBe(400)
  })

  it('are removed', async () => {
    const person = await world.newPerson()
    const { id } = await addPasskey(person)
    await remove(person, `passkey/${id}`)
    expect(await factorsOf(person)).toMatchObject({ passkeys: 0 })
    expect(await typesOf(person)).toContain('passkey_removed')
  })

  it('of somebody else are not there: not seen, renamed or removed', async () => {
    const [person, other] = [await world.newPerson(), await world.newPerson()]
    const { id } = await addPasskey(other, 'Theirs')
    await addPasskey(person, 'Mine')
    const path = `/account/second-factor/passkey/${id}`
    expect((await world.visit(person, path)).status).toBe(404)
    expect((await world.post(person, `${path}/name`, { name: 'x' })).status).toBe(404)
    expect((await world.post(person, `${path}/remove`)).status).toBe(404)
    expect(await world.server.node.factors.passkeys.list(other.sub)).toMatchObject([{ id, name: 'Theirs' }])
  })

  it('stay when they are the only way in', async () => {
    const person = await world.newPerson()
    const { id } = await addPasskey(person)
    await set(person.sub, 'password_hash = NULL')
    const page = await remove(person, `passkey/${id}`)
    expect(textOf(page)).toContain('Set a password first')
    expect(page.url.pathname).toBe(`/account/second-factor/passkey/${id}`)
    expect(await factorsOf(person)).toMatchObject({ passkeys: 1 })
    await addPasskey(person, 'Another')
    await remove(person, `passkey/${id}`)
    expect(await factorsOf(person)).toMatchObject({ passkeys: 1 })
  })
})

describe('codes by mail', () => {
  it('are turned on and off', async () => {
    const person = await world.newPerson()
    const page = await person.agent.submit(
      await world.visit(person, '/account/second-factor/email'),
      '/second-factor/email',
    )
    expect(codesIn(page)).toHaveLength(10)
    expect(await factorsOf(person)).toMatchObject({ hasEmailCode: true })
    await world.strengthenSignIn(person)
    await remove(person, 'email')
    expect(await factorsOf(person)).toMatchObject({ hasEmailCode: false, recoveryCodesLeft: 0 })
  })

  it('need an address that is confirmed', async () => {
    const person = await world.newPerson()
    await set(person.sub, 'email_verified = false')
    expect((await world.visit(person, '/account/second-factor/email')).text).not.toContain('Turn on')
    await world.post(person, '/account/second-factor/email')
    expect(await factorsOf(person)).toMatchObject({ hasEmailCode: false })
  })
})

describe('recovery codes', () => {
  it('are made anew: the earlier ones are dead', async () => {
    const person = await world.newPerson()
    const { page } = await addApp(person)
    const [old = ''] = codesIn(page)
    const form = await world.visit(person, '/account/second-factor/recovery-codes')
    const codes = codesIn(await person.agent.submit(form, '/recovery-codes'))
    expect(codes).toHaveLength(10)
    const { recoveryCodes } = world.server.node.factors
    expect(await recoveryCodes.use(person.sub, old)).toBe(false)
    expect(await recoveryCodes.use(person.sub, codes[0] ?? '')).toBe(true)
    expect(await typesOf(person)).toContain('recovery_codes_regenerated')
    expect(await world.linkTo(person.email, /new recovery codes/)).toMatch(/^\/not-me\//)
  })

  it('are not made for nothing', async () => {
    const person = await world.newPerson()
    const page = await world.post(person, '/account/second-factor/recovery-codes')
    expect(textOf(page)).toContain('Set up a second step first')
    expect(await factorsOf(person)).toMatchObject({ recoveryCodesLeft: 0 })
  })

  it('are warned of when they run out', async () => {
    const person = await world.newPerson()
    await addApp(person)
    expect((await world.visit(person, '/account')).text).not.toContain('warning')
    const { database } = world.server.stores
    await database.query(
      `UPDATE recovery_codes SET used_at = now() WHERE id IN (SELECT id FROM recovery_codes WHERE sub = $1 LIMIT 7)`,
      [person.sub],
    )
    const page = await world.visit(person, '/account')
    expect(page.text).toContain('warning')
    expect(textOf(page)).toContain('3 recovery codes left')
  })
})

describe('the last second factor', () => {
  it('stays while the password is too short to stand alone, and nothing else is done either', async () => {
    const person = await world.newPerson()
    await addApp(person)
    const other = await world.newPerson()
    const { database, sessions, accounts } = world.server.stores
    await database.query('UPDATE sessions SET sub = $1 WHERE sub = $2', [person.sub, other.sub])
    await set(person.sub, 'password_is_short = true')
    const before = await accounts.find(person.sub)
    const page = await remove(person, 'app')
    expect(textOf(page)).toContain('too short to stand alone')
    expect(await factorsOf(person)).toMatchObject({ hasTotp: true, recoveryCodesLeft: 10 })
    expect(await sessions.listOfAccount(person.sub)).toHaveLength(2)
    expect(await accounts.find(person.sub)).toEqual(before)
  })

  it('goes once only: two removals at once leave what is demanded', async () => {
    for (let trial = 0; trial < 15; trial += 1) {
      const person = await world.newPerson()
      await addApp(person)
      await world.post(person, '/account/second-factor/email')
      await set(person.sub, 'password_is_short = true')
      const pages = await Promise.all([remove(person, 'app'), remove(person, 'email')])
      expect(pages.map(({ status }) => status)).toEqual([200, 200])
      const { hasTotp, hasEmailCode } = await factorsOf(person)
      expect([hasTotp, hasEmailCode].filter(Boolean)).toHaveLength(1)
    }
  })

  it('added twice at once gives one set of recovery codes that works', async () => {
    for (let trial = 0; trial < 10; trial += 1) {
      const person = await world.newPerson()
      const form = await world.visit(person, '/account/second-factor/app')
      const enrolment = /name="enrolment" value="([^"]+)"/.exec(form.text)?.[1] ?? ''
      const code = await codeFor(secretIn(form))
      const pages = await Promise.all([
        world.post(person, '/account/second-factor/app', { enrolment, code }),
        world.post(person, '/account/second-factor/email'),
      ])
      const shown = pages.map(codesIn).filter((codes) => codes.length > 0)
      expect(shown).toHaveLength(1)
      expect(await world.server.node.factors.recoveryCodes.use(person.sub, shown[0]?.[0] ?? '')).toBe(true)
    }
  })

  it.each([
    // factor, account, factors, rule, refused
    ['totp', {}, { hasTotp: true }, 'optional', undefined],
    ['totp', {}, { hasTotp: true }, 'off', undefined],
    ['totp', {}, { hasTotp: true }, 'required', 'demanded'],
    ['totp', {}, { hasTotp: true, passkeys: 1 }, 'required', undefined],
    ['email_code', {}, { hasEmailCode: true }, 'required', 'demanded'],
    ['passkey', {}, { passkeys: 1 }, 'required', 'demanded'],
    ['passkey', {}, { passkeys: 2 }, 'required', undefined],
    ['totp', { roles: ['owner'] }, { hasTotp: true }, 'required-for:owner', 'demanded'],
    ['totp', { roles: [] }, { hasTotp: true }, 'required-for:owner', undefined],
    ['totp', { isPasswordShort: true }, { hasTotp: true }, 'optional', 'password_short'],
    ['totp', { isPasswordShort: true }, { hasTotp: true, hasEmailCode: true }, 'optional', undefined],
    ['passkey', { hasPassword: false }, { passkeys: 1 }, 'optional', 'last_way_in'],
    ['passkey', { hasPassword: false }, { passkeys: 1, hasTotp: true }, 'optional', 'last_way_in'],
    ['passkey', { hasPassword: false }, { passkeys: 2 }, 'optional', undefined],
    ['totp', { hasPassword: false }, { hasTotp: true, passkeys: 1 }, 'required', undefined],
  ] as const)('%s of %j with %j under “%s”: %s', (factor, account, factors, rule, expected) => {
    const found = refusedRemoval(
      factor,
      { hasPassword: true, isPasswordShort: false, ...account, roles: 'roles' in account ? [...account.roles] : [] },
      { hasTotp: false, passkeys: 0, recoveryCodesLeft: 0, hasEmailCode: false, ...factors },
      rule,
    )
    expect(found).toBe(expected)
  })
})

describe('a deployment that demands a second factor', () => {
  it('says so, and keeps the last one', async () => {
    const strict = await startAccountWorld({ env: { GATEHOUSE_SECOND_FACTOR: 'required' } })
    try {
      const made = await strict.makeAccount()
      const { agent } = await signInAndEnrol(strict, made)
      const page = await agent.visit(strict.at('/account/second-factor'))
      expect(textOf(page)).toContain('Your account needs a second step')
      const kept = await agent.request(strict.at('/account/second-factor/app/remove'), { method: 'POST' })
      expect(textOf(await agent.visit(kept.location as URL))).toContain('your account needs one')
      expect(await strict.server.node.factors.store.summary(made.sub)).toMatchObject({ hasTotp: true })
    } finally {
      await strict.stop()
    }
  })
})

async function signInAndEnrol(strict: AccountWorld, made: { email: string; password: string }) {
  const { createUserAgent } = await import('../support/user-agent.ts')
  const agent = createUserAgent()
  const start = await agent.visit(strict.at('/account'))
  const form = await agent.submit(start, '/sign-in', credentialsOf(made))
  const codes = await agent.submit(form, '/enrolment/totp', { code: await codeFor(secretIn(form)) })
  await agent.visit(new URL(/class="button primary" href="([^"]+)"/.exec(codes.text)?.[1] ?? '', strict.issuer))
  return { agent }
}
