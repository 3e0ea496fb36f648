// What is kept of a person: shown, taken along, and deleted with time to think again.
import { createAccountDeletion } from '../../src/self-service/record/account-deletion.ts'
import type { Page } from '../support/user-agent.ts'
import { type AccountWorld, type Person, startAccountWorld, textOf } from './account-world.ts'

let world: AccountWorld

beforeAll(async () => {
  world = await startAccountWorld()
})
afterAll(() => world.stop())

const deleteAccount = async (person: Person, email = person.email, at = world): Promise<Page> =>
  person.agent.submit(await at.visit(person, '/account/delete'), '/account/delete', { email })
const accountOf = ({ sub }: Pick<Person, 'sub'>) => world.server.stores.accounts.find(sub)
const dueNow = ({ sub }: Pick<Person, 'sub'>) =>
  world.server.stores.database.query(`UPDATE accounts SET delete_after = now() - interval '1 second' WHERE sub = $1`, [
    sub,
  ])

describe('recent activity', () => {
  it('is told newest first, a page at a time, and nobody else’s', async () => {
    const [person, other] = [await world.newPerson(), await world.newPerson()]
    const { activity } = world.server.stores
    for (let index = 0; index < 45; index += 1)
      await activity.append(person.sub, {
        type: 'consent_withdrawn',
        address: '192.0.2.1',
        userAgent: '<script>',
        details: { application: `Application ${index}.` },
      })
    await activity.append(other.sub, { type: 'exported', address: '', userAgent: '' })
    const first = await world.visit(person, '/account/activity')
    expect(textOf(first)).toContain('Application 44.')
    expect(textOf(first)).not.toContain('Application 24.')
    expect(textOf(first)).not.toContain('exported')
    const older = /href="(\/account\/activity\?before=\d+)"/.exec(first.text)?.[1] ?? ''
    const second = await world.visit(person, older)
    expect(textOf(second)).toContain('Application 24.')
    const third = await world.visit(person, /href="(\/account\/activity\?before=\d+)"/.exec(second.text)?.[1] ?? '')
    expect(textOf(third)).toContain('Application 0.')
    expect(third.text).not.toMatch(/href="[^"]*\?before=/)
  })

  it.each(['x', '-1', '0', '99999999999999999999999', "1' OR 1=1", '1&before=2'])(
    'takes junk for no page: %s',
    async (before) => {
      const person = await world.newPerson()
      expect((await world.visit(person, `/account/activity?before=${before}`)).status).toBeLessThan(500)
    },
  )
})

describe('the export', () => {
  it('holds everything and no secret', async () => {
    const person = await world.newPerson()
    const { accounts, database } = world.server.stores
    await accounts.update(person.sub, { name: 'Mara', profile: { nickname: 'M' } })
    const answer = await person.agent.submit(await world.visit(person, '/account/data'), '/export')
    expect(answer.headers.get('content-type')).toContain('application/json')
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="account-data.json"')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const document = JSON.parse(answer.text)
    expect(document).toMatchObject({
      account: { sub: person.sub, email: person.email, name: 'Mara', nickname: 'M', has_password: true },
      second_factors: { authenticator_app: false, passkeys: [] },
      sessions: [{ address: '127.0.0.1' }],
      known_browsers: [{}],
      applications: [],
    })
    expect(document.activity.map(({ type }: { type: string }) => type)).toEqual(
      expect.arrayContaining(['exported', 'signed_in']),
    )
    const [row] = await database.query<{ password_hash: string }>('SELECT password_hash FROM accounts WHERE sub = $1', [
      person.sub,
    ])
    expect(answer.text).not.toContain(row?.password_hash.slice(0, 20))
    const [session] = await world.server.stores.sessions.listOfAccount(person.sub)
    expect(answer.text).not.toContain(session?.uid)
  })

  it('goes on beyond one batch of activity', async () => {
    const person = await world.newPerson()
    await world.server.stores.database.query(
      `INSERT INTO account_activity (sub, type) SELECT $1, 'exported' FROM generate_series(1, 1203)`,
      [person.sub],
    )
    const answer = await world.post(person, '/account/data/export')
    expect(JSON.parse(answer.text).activity.length).toBeGreaterThan(1203)
  })
})

describe('deleting an account', () => {
  it('asks for the address, typed', async () => {
    const person = await world.newPerson()
    for (const email of ['', 'other@example.com']) {
      const page = await deleteAccount(person, email)
      expect(page.status).toBe(400)
    }
    expect((await accountOf(person))?.deleteAfter).toBeUndefined()
    expect((await world.visit(person, '/account')).status).toBe(200)
  })

  it('signs out everywhere, says when, and is taken back by signing in', async () => {
    const person = await world.newPerson()
    const other = await world.signIn(person)
    const page = await deleteAccount(person, ` ${person.email.toUpperCase()} `)
    expect(page.url.pathname).toBe('/account/goodbye')
    expect(textOf(page)).toContain('will be deleted on')
    const days = (Number((await accountOf(person))?.deleteAfter) - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(13.9)
    expect(days).toBeLessThan(14.1)
    for (const agent of [person.agent, other]) expect((await agent.request(world.at('/account'))).status).toBe(303)
    expect((await world.letters(person.email)).map(({ subject }) => subject)).toContain('Your account will be deleted')
    await world.signIn(person)
    expect((await accountOf(person))?.deleteAfter).toBeUndefined()
  })

  it('happens when its time has come, with all that belongs to it, and not before', async () => {
    const [person, other] = [await world.newPerson(), await world.newPerson()]
    await deleteAccount(person)
    await deleteAccount(other)
    await world.server.sweep()
    expect(await accountOf(person)).toBeDefined()
    await dueNow(person)
    await world.server.sweep()
    expect(await accountOf(person)).toBeUndefined()
    expect(await accountOf(other)).toBeDefined()
    for (const table of ['sessions', 'grants', 'devices', 'account_activity', 'email_changes', 'one_time_links'])
      expect(await world.server.stores.database.query(`SELECT 1 FROM ${table} WHERE sub = $1`, [person.sub])).toEqual(
        [],
      )
  })

  it('at the moment of a sign-in either has happened or does not happen', async () => {
    for (let trial = 0; trial < 10; trial += 1) {
      const person = await world.newPerson()
      await deleteAccount(person)
      await dueNow(person)
      const page = await person.agent.visit(world.at('/account'))
      const [inside] = await Promise.all([
        person.agent.submit(page, '/sign-in', { email: person.email, password: person.password }),
        world.server.sweep(),
      ])
      const account = await accountOf(person)
      expect(inside.status).toBeLessThan(500)
      if (inside.url.pathname === '/account') expect(account).toMatchObject({ deleteAfter: undefined })
      else expect(account).toBeUndefined()
    }
  })

  it('spares whoever has signed in since it was looked up', async () => {
    const person = await world.newPerson()
    const { stores, node } = world.server
    const deletion = createAccountDeletion({
      ...stores,
      ...node,
      accounts: { ...stores.accounts, listDueForDeletion: async () => [person.sub] },
      registration: node.registrations.accounts,
      graceDays: 14,
    })
    expect(await deletion.deleteDue()).toBe(0)
    expect(await accountOf(person)).toBeDefined()
    await dueNow(person)
    expect(await deletion.deleteDue()).toBe(1)
    expect(await accountOf(person)).toBeUndefined()
  })

  it('is no choice for the last owner, at once or later', async () => {
    const { database } = world.server.stores
    await database.query(`UPDATE accounts SET roles = '{}'`)
    const owner = await world.newPerson({ roles: ['owner'] })
    const refused = await deleteAccount(owner)
    expect(refused.status).toBe(409)
    expect(textOf(refused)).toContain('only one who can run this server')
    expect((await world.visit(owner, '/account')).status).toBe(200)

    const second = await world.newPerson({ roles: ['owner'] })
    expect((await deleteAccount(second)).url.pathname).toBe('/account/goodbye')
    // The one who is leaving does not count.
    expect((await deleteAccount(owner)).status).toBe(409)
    await database.query(`UPDATE accounts SET roles = '{}' WHERE sub = $1`, [owner.sub])
    await dueNow(second)
    await world.server.sweep()
    expect(await accountOf(second)).toMatchObject({ roles: ['owner'], deleteAfter: undefined })
  })

  it('of the last two owners at once leaves one', async () => {
    const { database } = world.server.stores
    for (let trial = 0; trial < 10; trial += 1) {
      await database.query(`UPDATE accounts SET roles = '{}'`)
      const owners = [await world.newPerson({ roles: ['owner'] }), await world.newPerson({ roles: ['owner'] })]
      const pages = await Promise.all(
        owners.map((owner) => world.post(owner, '/account/delete', { email: owner.email })),
      )
      expect(pages.map(({ status }) => status).sort()).toEqual([200, 409])
    }
  })

  it('without days of grace is done at once', async () => {
    const hasty = await startAccountWorld({ env: { GATEHOUSE_DELETION_DAYS: '0' } })
    try {
      const person = await hasty.newPerson()
      const page = await deleteAccount(person, person.email, hasty)
      expect(textOf(page)).toContain('Your account is deleted.')
      expect(await hasty.server.stores.accounts.find(person.sub)).toBeUndefined()
    } finally {
      await hasty.stop()
    }
  })
})
