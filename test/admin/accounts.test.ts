import { type AdminWorld, adminWorld, everyScope } from './admin-world.ts'

const accountsPath = '/admin/api/v1/accounts'

let world: AdminWorld
let token: string
let ownerSub: string

beforeAll(async () => {
  world = await adminWorld()
  ownerSub = await world.makeOwner('first@example.com')
  token = await world.token({ sub: ownerSub })
})
afterAll(() => world.close())

const create = (body: object, as = token) => world.call('POST', accountsPath, { token: as, body })
const patch = (sub: string, body: unknown, ifMatch = '*', as = token) =>
  world.call('PATCH', `${accountsPath}/${sub}`, { token: as, body, headers: ifMatch ? { 'If-Match': ifMatch } : {} })
const post = (sub: string, verb: string, as = token) =>
  world.call('POST', `${accountsPath}/${sub}/${verb}`, { token: as })
const remove = (sub: string, as = token) => world.call('DELETE', `${accountsPath}/${sub}`, { token: as })

describe('accounts over the admin API', () => {
  it('creates, shows, changes and deletes an account', async () => {
    const made = await create({ email: 'ann@example.com', name: 'Ann', password: 'correct horse battery' })
    expect(made).toMatchObject({
      status: 201,
      body: {
        email: 'ann@example.com',
        email_verified: false,
        username: null,
        name: 'Ann',
        profile: {},
        locale: null,
        roles: [],
        has_password: true,
        disabled_at: null,
        delete_after: null,
      },
    })
    const { sub } = made.body
    expect(made.headers.get('Location')).toBe(`${accountsPath}/${sub}`)
    const factors = { totp: false, passkeys: 0, recovery_codes: 0, email_codes: false }
    expect((await world.call('GET', `${accountsPath}/${sub}`, { token })).body).toEqual({ ...made.body, factors })
    const changed = await patch(sub, { email_verified: true, name: 'Ann B' }, '"1"')
    expect(changed).toMatchObject({ status: 200, body: { email_verified: true, name: 'Ann B' } })
    expect(changed.headers.get('ETag')).toBe('"2"')
    expect([(await remove(sub)).status, (await remove(sub)).status]).toEqual([204, 404])
  })

  it('keeps a username, claims and a language, changes them and takes them away', async () => {
    const claims = { username: 'Una.U', profile: { given_name: 'Una', address: { country: 'Norge' } }, locale: 'nb-no' }
    const made = await create({ email: 'una@example.com', ...claims })
    expect(made).toMatchObject({ status: 201, body: { ...claims, locale: 'nb-NO' } })
    const { sub } = made.body
    expect(await patch(sub, { name: 'U' })).toMatchObject({ body: { ...claims, locale: 'nb-NO' } })
    const replaced = await patch(sub, { profile: { nickname: 'U' }, username: null, locale: null })
    expect(replaced.body).toMatchObject({ profile: { nickname: 'U' }, username: null, locale: null })
    expect(replaced.body.profile).toEqual({ nickname: 'U' })
    expect((await patch(sub, { username: 'wanted' })).status).toBe(200)
    expect(await create({ email: 'vera@example.com', username: 'WANTED' })).toMatchObject({
      status: 409,
      body: { code: 'username_taken' },
    })
  })

  it('says in English what is wrong with which field', async () => {
    const { body } = await create({
      email: 'x',
      username: 'a@b',
      password: 'short',
      profile: { birthdate: 'May' },
    })
    expect(body.errors).toEqual([
      { field: 'email', message: expect.stringContaining('name@example.com') },
      { field: 'username', message: expect.stringContaining('3 to 64 characters') },
      { field: 'profile.birthdate', message: expect.stringContaining('date of birth') },
      { field: 'password', message: expect.stringContaining('at least 15 characters') },
    ])
  })

  it('never shows a password or its hash', async () => {
    const made = await create({ email: 'hidden@example.com', password: 'correct horse battery' })
    const list = await world.call('GET', `${accountsPath}?limit=100`, { token })
    expect(JSON.stringify([made.body, list.body, world.lines])).not.toMatch(/correct horse|\$test\$/)
  })

  it.each<[string, object, string]>([
    ['a wrong address', { email: 'x' }, 'email'],
    ['a short password', { email: 'b@example.com', password: 'short' }, 'password'],
    ['a role that is no name', { email: 'b@example.com', roles: ['a god'] }, 'roles.0'],
    ['no address', { name: 'x' }, 'email'],
    ['a wrong username', { email: 'b@example.com', username: 'a@b' }, 'username'],
    ['a wrong claim', { email: 'b@example.com', profile: { picture: 'http://x.example/' } }, 'profile.picture'],
    ['a claim that is none', { email: 'b@example.com', profile: { email: 'x' } }, 'profile.email'],
    ['a claim of another kind', { email: 'b@example.com', profile: { given_name: 7 } }, 'profile.given_name'],
    ['a wrong language', { email: 'b@example.com', locale: 'de_AT!' }, 'locale'],
    ...['sub', 'password_hash', 'id', 'role', 'is_admin', 'disabled_at', 'version', 'constructor'].map(
      (field): [string, object, string] => [`the field ${field}`, { email: 'b@example.com', [field]: 'x' }, field],
    ),
  ])('refuses %s', async (_, body, field) => {
    const answer = await create(body)
    expect({ status: answer.status, field: answer.body.errors[0]?.field }).toEqual({ status: 400, field })
  })

  it('answers 409 for a taken address, also when two reach for it at once', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => create({ email: 'contested@example.com' })))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409])
    const subs = await Promise.all([1, 2].map(async (n) => (await create({ email: `p${n}@example.com` })).body.sub))
    const moves = await Promise.all(subs.map((sub) => patch(sub, { email: 'prize@example.com' })))
    expect(moves.map(({ status }) => status).sort()).toEqual([200, 409])
  })

  it('demands If-Match, and lets exactly one of two changes through', async () => {
    const { sub } = (await create({ email: 'race@example.com' })).body
    expect((await patch(sub, { name: 'x' }, '')).status).toBe(428)
    const answers = await Promise.all(['a', 'b'].map((name) => patch(sub, { name }, '"1"')))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412])
  })

  it('disables and enables, and ends what the person had', async () => {
    const { sub } = (await create({ email: 'leaver@example.com' })).body
    await world.database.query(
      "INSERT INTO sessions (uid, sub, payload, expires_at) VALUES ('s', $1, '{}', now() + interval '1 day')",
      [sub],
    )
    expect(await post(sub, 'disable')).toMatchObject({ status: 200, body: { disabled_at: expect.any(String) } })
    expect(await world.database.query('SELECT 1 FROM sessions WHERE sub = $1', [sub])).toEqual([])
    expect((await post(sub, 'enable')).body.disabled_at).toBeNull()
    expect([(await post('nobody', 'disable')).status, (await post('nobody', 'enable')).status]).toEqual([404, 404])
  })
})

describe('a lock that failed sign-ins have put on an account', () => {
  const lock = (sub: string, inARow: number) =>
    world.database.query(
      `INSERT INTO sign_in_throttle (key, kind, sub, failures, in_a_row, blocked_until, updated_at, expires_at)
       VALUES (sha256($1::bytea), 'password', $2, 5, $3, now() + interval '5 minutes', now(), 'infinity')`,
      [`key of ${sub}`, sub, inARow],
    )
  const shown = async (sub: string) => (await world.call('GET', `${accountsPath}/${sub}`, { token })).body.locked

  it('is shown, alone and in the list, and lifted', async () => {
    const [locked, waiting, free] = await Promise.all(
      ['l1', 'l2', 'l3'].map(async (name) => (await create({ email: `${name}@locked.example` })).body.sub),
    )
    await lock(locked ?? '', 100)
    await lock(waiting ?? '', 25)
    const list = await world.call('GET', `${accountsPath}?email=locked.example`, { token })
    expect(Object.fromEntries(list.body.items.map(({ sub, locked: isLocked }) => [sub, isLocked]))).toEqual({
      [locked ?? '']: true,
      [waiting ?? '']: true,
      [free ?? '']: false,
    })
    expect(await shown(locked ?? '')).toBe(true)
    expect((await post(locked ?? '', 'unlock')).status).toBe(204)
    expect([await shown(locked ?? ''), await shown(waiting ?? ''), await shown(free ?? '')]).toEqual([
      false,
      true,
      false,
    ])
    expect([(await post(free ?? '', 'unlock')).status, (await post('nobody', 'unlock')).status]).toEqual([204, 404])
  })

  it('of an owner is lifted only with every admin scope', async () => {
    await lock(ownerSub, 100)
    const weak = await world.machineToken('accounts:read', 'accounts:write')
    expect((await post(ownerSub, 'unlock', weak)).status).toBe(403)
    expect(await shown(ownerSub)).toBe(true)
    expect((await post(ownerSub, 'unlock')).status).toBe(204)
  })
})

describe('owners', () => {
  it('the last one cannot be demoted, disabled or deleted, not even by itself', async () => {
    const answers = [await patch(ownerSub, { roles: [] }), await post(ownerSub, 'disable'), await remove(ownerSub)]
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual(answers.map(() => [409, 'last_owner']))
  })

  it('of two that end each other at once one stays, whatever they do, fifty times', async () => {
    const ends = [
      (sub: string, as: string) => patch(sub, { roles: [] }, '*', as),
      (sub: string, as: string) => post(sub, 'disable', as),
      (sub: string, as: string) => remove(sub, as),
    ]
    for (let round = 0; round < 50; round += 1) {
      const pair = await Promise.all([1, 2].map(() => world.makeOwner()))
      await world.database.query("UPDATE accounts SET roles = '{}' WHERE sub <> ALL($1)", [pair])
      const tokens = await Promise.all(pair.map((sub) => world.token({ sub })))
      const answers = await Promise.all(
        pair.map((_, index) => ends[(round + index) % 3]?.(pair[1 - index] ?? '', tokens[index] ?? '')),
      )
      const left = await world.database.query(
        "SELECT 1 FROM accounts WHERE 'owner' = ANY(roles) AND disabled_at IS NULL",
      )
      expect(left).toHaveLength(1)
      const statuses = answers.map((answer) => answer?.status ?? 0)
      expect(statuses.filter((status) => status < 300)).toHaveLength(1)
      expect(statuses.filter((status) => [401, 403, 409].includes(status))).toHaveLength(1)
    }
    ownerSub = await world.makeOwner()
    token = await world.token({ sub: ownerSub })
  })

  it('are made and changed only with every admin scope', async () => {
    const machine = await world.machineToken('accounts:read', 'accounts:write')
    const limited = await world.token({ sub: ownerSub, scope: 'accounts:write' })
    for (const weak of [machine, limited]) {
      const { sub } = (await create({ email: `plain-${Math.random()}@example.com` }, weak)).body
      const answers = [
        await create({ email: 'new-owner@example.com', roles: ['owner'] }, weak),
        await patch(sub, { roles: ['owner'] }, '*', weak),
        await patch(ownerSub, { email: 'mine@evil.example' }, '*', weak),
        await patch(ownerSub, { roles: [] }, '*', weak),
        await post(ownerSub, 'disable', weak),
        await post(ownerSub, 'enable', weak),
        await remove(ownerSub, weak),
      ]
      expect(answers.map(({ status, body }) => [status, body.code])).toEqual(
        answers.map(() => [403, 'insufficient_scope']),
      )
    }
    const full = await world.machineToken(...everyScope)
    expect((await create({ email: 'second-owner@example.com', roles: ['owner'] }, full)).status).toBe(201)
  })
})
