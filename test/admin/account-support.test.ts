import { type AdminWorld, adminWorld, everyScope, issuer } from './admin-world.ts'

const accountsPath = '/admin/api/v1/accounts'

let world: AdminWorld
let token: string
let ownerSub: string

beforeAll(async () => {
  world = await adminWorld()
  ownerSub = await world.makeOwner('owner@example.com')
  await world.accounts.update(ownerSub, { name: 'Olga Owner' })
  token = await world.token({ sub: ownerSub })
})
afterAll(() => world.close())

let counter = 0
const makeAccount = async (more: { passwordHash?: string; roles?: string[] } = {}) => {
  const made = await world.accounts.insert({ email: `person-${++counter}@example.com`, ...more })
  if (!made.ok) throw new Error(made.reason)
  return made.account
}
const post = (sub: string, verb: string, { as = token, body }: { as?: string; body?: object } = {}) =>
  world.call('POST', `${accountsPath}/${sub}/${verb}`, { token: as, body })
const get = async (sub: string) => (await world.call('GET', `${accountsPath}/${sub}`, { token })).body
const makeSession = (sub: string, uid: string) =>
  world.database.query(
    `INSERT INTO sessions (uid, sub, payload, expires_at, address, user_agent)
     VALUES ($1, $2, '{}', now() + interval '1 day', '192.0.2.7', 'Browser/1')`,
    [uid, sub],
  )
const makeFactors = async (sub: string) => {
  await world.database.query(
    `INSERT INTO passkeys (credential_id, sub, public_key, sign_count, name, multi_device) VALUES ($1, $1, '', 0, 'Key', true)`,
    [sub],
  )
  await world.factorStore.setEmailCode(sub, true)
}
const opens = (url: string, purpose: string) => world.links.find(purpose, url.split('/').at(-1) ?? '')

describe('an invitation', () => {
  it('goes to an account that nobody uses yet, from whoever asks, and the one before is dead', async () => {
    const { sub, email } = await makeAccount()
    const first = await post(sub, 'invitation')
    expect(first).toMatchObject({ status: 202, body: { email, expires_at: expect.any(String) } })
    await post(sub, 'invitation', { as: await world.machineToken('accounts:write') })
    const sent = world.letters.filter(({ to }) => to === email)
    expect(sent.map(({ inviterName }) => inviterName)).toEqual(['Olga Owner', undefined])
    const links = sent.map(({ link = '' }) => link)
    for (const link of links) expect(link).toMatch(new RegExp(`^${issuer}/invitation/[\\w-]{43}$`))
    expect(await Promise.all(links.map((link) => opens(link, 'invitation')))).toEqual([
      undefined,
      expect.objectContaining({ sub }),
    ])
    const [latest] = await world.activity.list(sub, { limit: 1 })
    expect(latest).toMatchObject({ type: 'invited', details: { by: 'operator' } })
  })

  it('is refused for an account in use, for a disabled one, and for none', async () => {
    const used = await makeAccount({ passwordHash: 'x' })
    const disabled = await makeAccount()
    await world.accounts.setDisabled(disabled.sub, true)
    const answers = [
      await post(used.sub, 'invitation'),
      await post(disabled.sub, 'invitation'),
      await post('no', 'invitation'),
    ]
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual([
      [409, 'invitation_accepted'],
      [409, 'account_disabled'],
      [404, 'not_found'],
    ])
    expect(world.letters.filter(({ to }) => [used.email, disabled.email].includes(to))).toEqual([])
  })
})

describe('a one-time link', () => {
  it('sets a new password, for as long as was asked, until the account changes', async () => {
    const { sub } = await makeAccount()
    const made = await post(sub, 'one-time-link', { body: { expires_in: 600 } })
    expect(made.status).toBe(200)
    expect(made.headers.get('Cache-Control')).toBe('no-store')
    const { url, expires_at: expiresAt } = made.body as unknown as { url: string; expires_at: string }
    expect(url).toMatch(new RegExp(`^${issuer}/reset-password/[\\w-]{43}$`))
    const seconds = (Date.parse(expiresAt) - Date.now()) / 1000
    expect(seconds).toBeGreaterThan(590)
    expect(seconds).toBeLessThan(601)
    expect(await opens(url, 'reset-password')).toMatchObject({ sub })
    await world.accounts.update(sub, { roles: ['owner'] })
    expect(await opens(url, 'reset-password')).toBeUndefined()
  })

  it.each([59, 604_801, '600', 60.5])('is not made for %s seconds', async (expiresIn) => {
    const { sub } = await makeAccount()
    const answer = await post(sub, 'one-time-link', { body: { expires_in: expiresIn } })
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ field: 'expires_in' }] } })
  })

  it('is not made for a disabled account', async () => {
    const { sub } = await makeAccount()
    await world.accounts.setDisabled(sub, true)
    expect(await post(sub, 'one-time-link')).toMatchObject({ status: 409, body: { code: 'account_disabled' } })
  })
})

describe('second factors', () => {
  it('are told of one account, never in a list, and all taken away with every session', async () => {
    const { sub, email } = await makeAccount({ passwordHash: 'x' })
    await makeFactors(sub)
    await makeSession(sub, `s-${sub}`)
    const factors = { totp: false, passkeys: 1, recovery_codes: 0, email_codes: true }
    expect((await get(sub)).factors).toEqual(factors)
    const list = await world.call('GET', `${accountsPath}?email=${email}`, { token })
    expect(list.body.items).toHaveLength(1)
    expect(list.body.items[0]).not.toHaveProperty('factors')
    expect(await post(sub, 'reset-factors')).toMatchObject({ status: 200, body: { removed: factors } })
    expect((await get(sub)).factors).toMatchObject({ passkeys: 0, email_codes: false })
    expect(await world.database.query('SELECT 1 FROM sessions WHERE sub = $1', [sub])).toEqual([])
    expect(world.letters.filter(({ to }) => to === email)).toEqual([{ to: email, about: 'factorsReset' }])
    expect((await post('nobody', 'reset-factors')).status).toBe(404)
  })
})

describe('sessions', () => {
  it('are listed, ended one at a time, and all at once', async () => {
    const { sub } = await makeAccount()
    for (const uid of ['a', 'b', 'c']) await makeSession(sub, uid)
    const list = async () => (await world.call('GET', `${accountsPath}/${sub}/sessions`, { token })).body.items
    expect(await list()).toHaveLength(3)
    expect((await list())[0]).toEqual({
      uid: expect.stringMatching(/^[abc]$/),
      address: '192.0.2.7',
      user_agent: 'Browser/1',
      created_at: expect.any(String),
      last_seen_at: expect.any(String),
      expires_at: expect.any(String),
    })
    const remove = async (whose: string, uid: string) =>
      (await world.call('DELETE', `${accountsPath}/${whose}/sessions/${uid}`, { token })).status
    const other = await makeAccount()
    expect(await remove(other.sub, 'a')).toBe(404)
    expect([await remove(sub, 'a'), await remove(sub, 'a')]).toEqual([204, 404])
    expect(await list()).toHaveLength(2)
    expect((await post(sub, 'sign-out')).status).toBe(204)
    expect(await list()).toEqual([])
    const happened = await world.activity.list(sub, { limit: 5 })
    expect(happened.map(({ type }) => type)).toEqual(['sessions_ended', 'session_ended'])
    expect((await world.call('GET', `${accountsPath}/nobody/sessions`, { token })).status).toBe(404)
    expect((await post('nobody', 'sign-out')).status).toBe(404)
  })
})

describe('an account with more rights than its caller', () => {
  it('is touched by nothing of this', async () => {
    const weak = await world.machineToken('accounts:read', 'accounts:write')
    const victim = await makeAccount({ roles: ['owner'] })
    await makeFactors(victim.sub)
    await makeSession(victim.sub, 'victim')
    const before = await world.accounts.find(victim.sub)
    const answers = [
      ...(await Promise.all(
        ['invitation', 'one-time-link', 'reset-factors', 'sign-out'].map((verb) =>
          post(victim.sub, verb, { as: weak }),
        ),
      )),
      await world.call('DELETE', `${accountsPath}/${victim.sub}/sessions/victim`, { token: weak }),
    ]
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual(
      answers.map(() => [403, 'insufficient_scope']),
    )
    expect(await world.accounts.find(victim.sub)).toEqual(before)
    expect((await get(victim.sub)).factors).toMatchObject({ passkeys: 1, email_codes: true })
    const rows = async (table: string) =>
      (await world.database.query(`SELECT 1 FROM ${table} WHERE sub = $1`, [victim.sub])).length
    expect([await rows('sessions'), await rows('one_time_links'), await rows('account_activity')]).toEqual([1, 0, 0])
    const full = await world.machineToken(...everyScope)
    expect((await post(victim.sub, 'one-time-link', { as: full })).status).toBe(200)
  })

  it('is out of reach also when it gains them at the same moment, fifty times', async () => {
    const weak = await world.machineToken('accounts:write')
    for (let round = 0; round < 50; round += 1) {
      const { sub } = await makeAccount()
      await makeFactors(sub)
      const [reset, link] = await Promise.all([
        post(sub, 'reset-factors', { as: weak }),
        post(sub, 'one-time-link', { as: weak }),
        world.accounts.update(sub, { roles: ['owner'] }),
      ])
      expect([200, 403]).toContain(reset?.status)
      const url = (link?.body as { url?: string } | undefined)?.url
      if (url) expect(await opens(url, 'reset-password')).toBeUndefined()
    }
  })
})
