// The profile: what a person says of themselves, and the names that they sign in with.
import { type AccountWorld, startAccountWorld, textOf } from './account-world.ts'

let world: AccountWorld

beforeAll(async () => {
  world = await startAccountWorld({ env: { GATEHOUSE_USERNAMES: 'true' } })
})
afterAll(() => world.stop())

const accountOf = (sub: string) => world.server.stores.accounts.find(sub)

describe('the profile', () => {
  it('is saved, shown again, and told to applications by the standard names', async () => {
    const person = await world.newPerson()
    const form = await world.visit(person, '/account/profile')
    const page = await person.agent.submit(form, '/account/profile', {
      name: ' Mara Lindqvist ',
      given_name: 'Mara',
      family_name: 'Lindqvist',
      nickname: '',
      locale: 'de',
      birthdate: '1990-12-31',
      zoneinfo: 'Europe/Stockholm',
      phone_number: '+46 8 123 456',
      website: 'https://mara.example/',
      street_address: 'Storgatan 1\r\nc/o Berg',
      locality: 'Uppsala',
      country: 'Sverige',
    })
    expect(page.status).toBe(200)
    expect(await accountOf(person.sub)).toMatchObject({
      name: 'Mara Lindqvist',
      locale: 'de',
      profile: {
        given_name: 'Mara',
        family_name: 'Lindqvist',
        birthdate: '1990-12-31',
        zoneinfo: 'Europe/Stockholm',
        phone_number: '+468123456',
        website: 'https://mara.example/',
        address: { street_address: 'Storgatan 1\r\nc/o Berg', locality: 'Uppsala', country: 'Sverige' },
      },
    })
    expect((await accountOf(person.sub))?.profile).not.toHaveProperty('nickname')
    const again = await world.visit(person, '/account/profile')
    expect(again.text).toContain('value="Mara Lindqvist"')
    expect(again.text).toContain('Storgatan 1')
  })

  it('speaks the language that was chosen, at once and in a browser that asks for another', async () => {
    const person = await world.newPerson()
    const page = await person.agent.submit(await world.visit(person, '/account/profile'), '/account/profile', {
      locale: 'de',
    })
    expect(page.text).toContain('<html lang="de"')
    const elsewhere = await world.signIn(person)
    expect((await elsewhere.visit(world.at('/account'))).text).toContain('<html lang="de"')
  })

  it('keeps what is not in the form, and takes away what was emptied', async () => {
    const person = await world.newPerson()
    await world.server.stores.accounts.update(person.sub, {
      profile: { nickname: 'Mara', gender: 'f', address: { formatted: 'Somewhere', country: 'Sverige' } },
    })
    const form = await world.visit(person, '/account/profile')
    await person.agent.submit(form, '/account/profile', { nickname: '', country: 'Sverige' })
    expect((await accountOf(person.sub))?.profile).toEqual({
      gender: 'f',
      address: { formatted: 'Somewhere', country: 'Sverige' },
    })
    await person.agent.submit(await world.visit(person, '/account/profile'), '/account/profile', { country: 'Norge' })
    expect((await accountOf(person.sub))?.profile.address).toEqual({ country: 'Norge' })
  })

  it.each([
    ['birthdate', '31.12.1990'],
    ['zoneinfo', 'Mars/Olympus'],
    ['phone_number', '12345'],
    ['website', 'javascript:alert(1)'],
    ['picture', 'http://example.com/me.png'],
    ['given_name', '\u202eevil'],
    ['locality', 'x'.repeat(501)],
  ])('refuses a %s that is none, shows it again, and saves nothing', async (field, value) => {
    const person = await world.newPerson()
    const form = await world.visit(person, '/account/profile')
    const page = await person.agent.submit(form, '/account/profile', { nickname: 'Mara', [field]: value })
    expect(page.status).toBe(400)
    // What is wrong is never folded away.
    expect(page.text.includes('<details class="more" open>')).toBe(field !== 'given_name')
    expect(page.text).toContain('aria-invalid="true"')
    expect(page.text).toContain('value="Mara"')
    expect((await accountOf(person.sub))?.profile).toEqual({})
  })

  it('does not write over what was changed in the meantime', async () => {
    const person = await world.newPerson()
    const [first, second] = [
      await world.visit(person, '/account/profile'),
      await world.visit(person, '/account/profile'),
    ]
    await person.agent.submit(first, '/account/profile', { nickname: 'first' })
    const page = await person.agent.submit(second, '/account/profile', { nickname: 'second' })
    expect(textOf(page)).toContain('nothing was done')
    expect(page.text).toContain('value="first"')
    expect((await accountOf(person.sub))?.profile).toEqual({ nickname: 'first' })
  })

  it('gives nobody a role, an address or a verified mark, whatever else is in the form', async () => {
    const person = await world.newPerson()
    await person.agent.submit(await world.visit(person, '/account/profile'), '/account/profile', {
      roles: 'owner',
      email: 'other@example.com',
      email_verified: 'true',
      sub: 'other',
      username: 'other',
      nickname: 'x',
    })
    expect(await accountOf(person.sub)).toMatchObject({ email: person.email, roles: [], profile: { nickname: 'x' } })
    expect((await accountOf(person.sub))?.username).toBeUndefined()
  })
})

describe('the username', () => {
  const save = async (person: Awaited<ReturnType<AccountWorld['newPerson']>>, username: string) =>
    person.agent.submit(await world.visit(person, '/account/username'), '/account/username', { username })

  it('is saved and taken away', async () => {
    const person = await world.newPerson()
    expect(textOf(await save(person, 'mara-l'))).toContain('mara-l')
    expect((await accountOf(person.sub))?.username).toBe('mara-l')
    await save(person, '')
    expect((await accountOf(person.sub))?.username).toBeUndefined()
  })

  it('cannot be an address, nor one that another account has', async () => {
    const [person, other] = [await world.newPerson(), await world.newPerson()]
    await save(other, 'taken-name')
    for (const username of ['a@b.example', 'TAKEN-name', 'x']) {
      const page = await save(person, username)
      expect(page.status).toBe(400)
      expect(page.text).toContain('aria-invalid="true"')
    }
    expect((await accountOf(person.sub))?.username).toBeUndefined()
  })
})
