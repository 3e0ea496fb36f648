// Changing a password: for whoever has just shown that the account is theirs; everybody else is signed out (threats L1, L5, L10).
import { createUserAgent } from '../support/user-agent.ts'
import { type AccountWorld, credentialsOf, type Person, startAccountWorld, textOf } from './account-world.ts'

let world: AccountWorld

beforeAll(async () => {
  world = await startAccountWorld()
})
afterAll(() => world.stop())

const fresh = 'quite another passphrase, long enough'
const change = async (person: Person, fields: Record<string, string> = { password: fresh }) =>
  person.agent.submit(await world.visit(person, '/account/password'), '/account/password', fields)
const canSignIn = async (person: Person, password: string) => {
  const agent = createUserAgent()
  const inside = await agent.submit(await agent.visit(world.at('/account')), '/sign-in', {
    ...credentialsOf(person),
    password,
  })
  return inside.url.pathname === '/account'
}
const isSignedIn = async (agent: Person['agent']) => (await agent.request(world.at('/account'))).status === 200
const set = (sub: string, change: string) =>
  world.server.stores.database.query(`UPDATE accounts SET ${change} WHERE sub = $1`, [sub])
/** As if the session had been opened with something else than the password. */
const signedInBy = (sub: string, amr: string[]) =>
  world.server.stores.database.query('UPDATE sessions SET payload = payload || $2 WHERE sub = $1', [sub, { amr }])

describe('a new password', () => {
  it('takes the place of the old one, keeps this session and ends the others', async () => {
    const person = await world.newPerson()
    const other = await world.signIn(person)
    const page = await change(person)
    expect([page.status, page.url.pathname]).toEqual([200, '/account'])
    expect(textOf(page)).toContain('Your password is changed')
    expect(await isSignedIn(person.agent)).toBe(true)
    expect(await isSignedIn(other)).toBe(false)
    expect(await canSignIn(person, person.password)).toBe(false)
    expect(await canSignIn(person, fresh)).toBe(true)
  })

  it('is told by mail with a way back, and stands in the activity', async () => {
    const person = await world.newPerson()
    await change(person)
    expect(await world.linkTo(person.email, /password was changed/)).toMatch(/^\/not-me\//)
    const [entry] = await world.server.stores.activity.list(person.sub, { limit: 1 })
    expect(entry?.type).toBe('password_changed')
  })

  it('makes no browser trusted any longer', async () => {
    const person = await world.newPerson()
    await world.server.stores.devices.noteSignIn(undefined, person.sub, {
      address: '192.0.2.1',
      userAgent: 'x',
      remember: true,
      hasShownFactor: true,
    })
    await change(person)
    const devices = await world.server.stores.devices.list(person.sub)
    expect(devices.filter(({ rememberedUntil }) => rememberedUntil)).toEqual([])
  })

  it.each(['short', 'x'.repeat(2000), 'password password password'])('is held to the rules: %j', async (password) => {
    const person = await world.newPerson()
    const page = await change(person, { password })
    expect(page.status).toBe(400)
    expect(page.text).toContain('aria-invalid="true"')
    expect(page.text).not.toContain(`value="${password}"`)
    expect(await isSignedIn(person.agent)).toBe(true)
    expect(await canSignIn(person, person.password)).toBe(true)
  })

  it('may be shorter beside a second factor, and only there', async () => {
    const person = await world.newPerson()
    expect((await change(person, { password: 'tr0ub4dor&3x' })).status).toBe(400)
    await set(person.sub, 'email_code_enabled = true')
    await world.strengthenSignIn(person)
    expect((await change(person, { password: 'tr0ub4dor&3x' })).url.pathname).toBe('/account')
    expect((await world.server.stores.accounts.find(person.sub))?.isPasswordShort).toBe(true)
  })

  it('is the first one where there was none', async () => {
    const person = await world.newPerson()
    await set(person.sub, 'password_hash = NULL')
    const page = await world.visit(person, '/account/password')
    expect(textOf(page)).toContain('Set password')
    expect(textOf(await person.agent.submit(page, '/account/password', { password: fresh }))).toContain('is set')
    expect(await canSignIn(person, fresh)).toBe(true)
  })

  it('of two sent at once is the one that was told to be, and only one is', async () => {
    for (let trial = 0; trial < 5; trial += 1) {
      const person = await world.newPerson()
      const passwords = [`${fresh} one ${trial}`, `${fresh} two ${trial}`]
      const pages = await Promise.all(
        passwords.map((password) => world.post(person, '/account/password', { password })),
      )
      const won = pages.map(({ url }) => url.pathname === '/account')
      expect(won.filter(Boolean)).toHaveLength(1)
      expect(pages[won.indexOf(false)]?.status).toBe(409)
      expect(await canSignIn(person, passwords[won.indexOf(true)] ?? '')).toBe(true)
      expect(await canSignIn(person, passwords[won.indexOf(false)] ?? '')).toBe(false)
    }
  })
})

describe('somebody who did not sign in with the password', () => {
  it('must show it', async () => {
    const person = await world.newPerson()
    await signedInBy(person.sub, ['email'])
    const page = await world.visit(person, '/account/password')
    expect(page.text).toContain('autocomplete="current-password"')
    const refused = await person.agent.submit(page, '/account/password', { current: 'not this one', password: fresh })
    expect(refused.status).toBe(400)
    expect(textOf(refused)).toContain('not your current password')
    expect(await canSignIn(person, person.password)).toBe(true)
    const missing = await person.agent.submit(page, '/account/password', { password: fresh })
    expect(missing.status).toBe(400)
    await signedInBy(person.sub, ['email'])
    const done = await change(person, { current: person.password, password: fresh })
    expect(done.url.pathname).toBe('/account')
    expect(await canSignIn(person, fresh)).toBe(true)
  })

  it('cannot try them out, not even in parallel', async () => {
    const person = await world.newPerson()
    await signedInBy(person.sub, ['email'])
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        world.post(person, '/account/password', { current: `guess number ${index}`, password: fresh }),
      ),
    )
    const looked = answers.filter(({ status }) => status === 400).length
    expect(looked).toBeLessThanOrEqual(10)
    expect(answers.filter(({ status }) => ![400, 429, 503].includes(status))).toEqual([])
    expect(answers.some(({ status }) => status === 429)).toBe(true)
  })
})
