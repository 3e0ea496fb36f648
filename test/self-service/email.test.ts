// Changing the address of an account: confirmed at both ends, told to nobody who should not know, and undone by its owner (threats L4, L10, L11).
import { createUserAgent } from '../support/user-agent.ts'
import { type AccountWorld, type Person, startAccountWorld, textOf } from './account-world.ts'

let world: AccountWorld
let counter = 0

beforeAll(async () => {
  world = await startAccountWorld()
})
beforeEach(() => world.server.stores.database.query('DELETE FROM mail_throttle'))
afterAll(() => world.stop())

const newAddress = () => `new-${++counter}@example.com`
const begin = async (person: Person, email: string) =>
  person.agent.submit(await world.visit(person, '/account/email'), '/account/email', { email })
const linksFor = async (person: Person, email: string) => ({
  old: await world.linkTo(person.email, /Confirm the change/),
  new: await world.linkTo(email, /Confirm your new/),
})
const confirm = async (path: string, agent = createUserAgent()) =>
  agent.submit(await agent.visit(world.at(path)), path, {})
const emailOf = async ({ sub }: Person) => (await world.server.stores.accounts.find(sub))?.email

describe('a new address', () => {
  it.each([['old', 'new'] as const, ['new', 'old'] as const])(
    'counts once both ends have agreed, first the %s one',
    async (...order) => {
      const person = await world.newPerson()
      const email = newAddress()
      expect(textOf(await begin(person, email))).toContain(`become ${email}`)
      const links = await linksFor(person, email)
      const first = await confirm(links[order[0]])
      expect(textOf(first)).toContain(`your ${order[1]} address`)
      expect(await emailOf(person)).toBe(person.email)
      const second = await confirm(links[order[1]])
      expect(textOf(second)).toContain(`is ${email} now`)
      const account = await world.server.stores.accounts.find(person.sub)
      expect(account).toMatchObject({ email, isEmailVerified: true })
      // The browser that asked stays signed in.
      expect(textOf(await world.visit(person, '/account'))).toContain(email)
    },
  )

  it('ends all other sessions, tells the old address, and can be taken back there', async () => {
    const person = await world.newPerson()
    const other = await world.signIn(person)
    const email = newAddress()
    await begin(person, email)
    const links = await linksFor(person, email)
    await confirm(links.old)
    await confirm(links.new)
    expect((await other.request(world.at('/account'))).status).toBe(303)
    const notMe = await world.linkTo(person.email, /was changed/)
    expect(notMe).toMatch(/^\/not-me\//)
    const [row] = await world.server.stores.database.query<{ details: object }>(
      `SELECT details FROM one_time_links WHERE purpose = 'not-me' AND sub = $1 AND details <> '{}'`,
      [person.sub],
    )
    expect(row?.details).toEqual({ email: person.email })
  })

  it('is not confirmed by whoever only opens the links, as scanners of mail do', async () => {
    const person = await world.newPerson()
    const email = newAddress()
    await begin(person, email)
    const links = await linksFor(person, email)
    for (const path of [links.old, links.new, links.old, links.new])
      expect((await createUserAgent().visit(world.at(path))).status).toBe(200)
    expect(await emailOf(person)).toBe(person.email)
    await confirm(links.old)
    await confirm(links.new)
    expect(await emailOf(person)).toBe(email)
  })

  it('is confirmed once by each link', async () => {
    const person = await world.newPerson()
    const email = newAddress()
    await begin(person, email)
    const { old } = await linksFor(person, email)
    const agent = createUserAgent()
    const page = await agent.visit(world.at(old))
    await agent.submit(page, old, {})
    expect((await agent.submit(page, old, {})).status).toBe(410)
    expect((await agent.visit(world.at(old))).status).toBe(410)
    expect(await emailOf(person)).toBe(person.email)
  })

  it('tells whoever reads the new mailbox nothing of the account', async () => {
    const person = await world.newPerson()
    const email = newAddress()
    await begin(person, email)
    const page = await createUserAgent().visit(world.at((await linksFor(person, email)).new))
    expect(page.text).not.toContain(person.email)
  })

  it('is over when another one is asked for, when it is called off, and when a credential changes', async () => {
    const overBy: ((person: Person) => Promise<unknown>)[] = [
      (person) => begin(person, newAddress()),
      async (person) => person.agent.submit(await world.visit(person, '/account/email'), '/email/cancel'),
      (person) => world.post(person, '/account/password', { password: 'a third passphrase, long enough' }),
      (person) => world.post(person, '/account/sessions/end-others'),
      ({ sub }) =>
        world.server.stores.database.query(
          `UPDATE email_changes SET expires_at = now() - interval '1 second' WHERE sub = $1`,
          [sub],
        ),
    ]
    for (const end of overBy) {
      const person = await world.newPerson()
      const email = newAddress()
      await begin(person, email)
      const links = await linksFor(person, email)
      await confirm(links.old)
      await end(person)
      expect((await createUserAgent().visit(world.at(links.new))).status).toBe(410)
      const post = await createUserAgent().request(world.at(links.new), { method: 'POST' })
      expect(post.status).toBe(410)
      expect(await emailOf(person)).toBe(person.email)
    }
  })

  it('needs no word of an old one that nobody has ever confirmed', async () => {
    const person = await world.newPerson()
    await world.server.stores.database.query('UPDATE accounts SET email_verified = false WHERE sub = $1', [person.sub])
    const email = newAddress()
    await begin(person, email)
    expect((await world.letters(person.email)).filter(({ subject }) => /Confirm the change/.test(subject))).toEqual([])
    await confirm(await world.linkTo(email, /Confirm your new/))
    expect(await emailOf(person)).toBe(email)
  })

  it.each(['', 'no address', 'a@b@c', `${'x'.repeat(300)}@example.com`])('must be one: %j', async (email) => {
    const person = await world.newPerson()
    const page = await begin(person, email)
    expect(page.status).toBe(400)
    expect(page.text).toContain('aria-invalid="true"')
  })

  it('must be another one', async () => {
    const person = await world.newPerson()
    expect((await begin(person, person.email.toUpperCase())).status).toBe(400)
  })

  it('is limited', async () => {
    const person = await world.newPerson()
    const answers: number[] = []
    const email = newAddress()
    for (let tries = 0; tries < 5; tries += 1) answers.push((await begin(person, email)).status)
    expect(answers).toContain(429)
  })
})

describe('an address that somebody else has', () => {
  it('looks the same to whoever asks for it, and is told to its owner only', async () => {
    const [person, owner] = [await world.newPerson(), await world.newPerson()]
    const free = newAddress()
    const askedFree = await begin(person, free)
    await world.post(person, '/account/email/cancel')
    const askedTaken = await begin(person, owner.email)
    const plain = (text: string, email: string) =>
      text.replaceAll(email, 'EMAIL').replace(/\d{4}-\d\d-\d\dT[^"]*/g, 'TIME')
    expect(plain(askedTaken.text, owner.email)).toBe(plain(askedFree.text, free))
    expect((await world.letters(owner.email)).map(({ subject }) => subject)).toEqual(['You have an account already'])
    // The old end is asked all the same, and its word alone changes nothing.
    await confirm(await world.linkTo(person.email, /Confirm the change/))
    expect(await emailOf(person)).toBe(person.email)
  })

  it('cannot be had although it was free when it was asked for', async () => {
    const person = await world.newPerson()
    const email = newAddress()
    await begin(person, email)
    const links = await linksFor(person, email)
    await world.makeAccount({ email })
    await confirm(links.old)
    expect((await confirm(links.new)).status).toBe(409)
    expect(await emailOf(person)).toBe(person.email)
    // Nothing was done by half.
    expect((await person.agent.request(world.at('/account'))).status).toBe(200)
  })
})

describe('both ends at the same moment', () => {
  it('change the address once, whoever comes second', async () => {
    for (let trial = 0; trial < 20; trial += 1) {
      const person = await world.newPerson()
      const email = newAddress()
      await begin(person, email)
      await world.server.stores.database.query('DELETE FROM mail_throttle')
      const links = await linksFor(person, email)
      const answers = await Promise.all(
        [links.old, links.new, links.old, links.new].map((path) =>
          createUserAgent().request(world.at(path), { method: 'POST' }),
        ),
      )
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 410, 410])
      expect(answers.filter((page) => textOf(page).includes('now. '))).toHaveLength(1)
      expect(await emailOf(person)).toBe(email)
      const changed = (await world.letters(person.email)).filter(({ subject }) => /was changed/.test(subject))
      expect(changed).toHaveLength(1)
    }
  })

  it('as somebody takes the address lose against them, and no error is shown', async () => {
    for (let trial = 0; trial < 10; trial += 1) {
      const person = await world.newPerson()
      const email = newAddress()
      await begin(person, email)
      await world.server.stores.database.query('DELETE FROM mail_throttle')
      const links = await linksFor(person, email)
      await confirm(links.old)
      const [answer, made] = await Promise.all([
        createUserAgent().request(world.at(links.new), { method: 'POST' }),
        world.server.stores.accounts.insert({ email }),
      ])
      expect([200, 409]).toContain(answer.status)
      expect(made.ok).toBe(answer.status === 409)
      expect(await emailOf(person)).toBe(answer.status === 200 ? email : person.email)
    }
  })
})

describe('an address that is not confirmed', () => {
  const unconfirmed = async () => {
    const person = await world.newPerson()
    await world.server.stores.database.query('UPDATE accounts SET email_verified = false WHERE sub = $1', [person.sub])
    return person
  }
  const isVerified = async ({ sub }: Person) => (await world.server.stores.accounts.find(sub))?.isEmailVerified

  it('is confirmed by a link, in any browser, once', async () => {
    const person = await unconfirmed()
    const page = await person.agent.submit(await world.visit(person, '/account'), '/email/verify')
    expect(textOf(page)).toContain('on its way')
    const path = await world.linkTo(person.email, /Confirm your email/)
    const agent = createUserAgent()
    const shown = await agent.visit(world.at(path))
    expect(await isVerified(person)).toBe(false)
    expect((await agent.submit(shown, path)).status).toBe(200)
    expect(await isVerified(person)).toBe(true)
    expect((await agent.submit(shown, path)).status).toBe(410)
  })

  it('is not confirmed by a link that went to an earlier one', async () => {
    const person = await unconfirmed()
    await world.post(person, '/account/email/verify')
    const path = await world.linkTo(person.email, /Confirm your email/)
    await world.server.stores.accounts.update(person.sub, { email: newAddress(), isEmailVerified: false })
    expect((await createUserAgent().request(world.at(path), { method: 'POST' })).status).toBe(410)
    expect(await isVerified(person)).toBe(false)
  })
})
