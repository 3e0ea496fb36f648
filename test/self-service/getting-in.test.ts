// The way in to a person's own pages: only ever to a page of ours, and to changes only after a fresh sign-in (threats L10, R4, R5, S5, S8).
import { createReturnPaths, pageOf } from '../../src/self-service/return-path.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { type AccountWorld, credentialsOf, startAccountWorld, textOf } from './account-world.ts'

let world: AccountWorld

beforeAll(async () => {
  world = await startAccountWorld({ env: { GATEHOUSE_USERNAMES: 'true' } })
})
afterAll(() => world.stop())

const open = ['', '/profile', '/second-factor', '/sessions', '/applications', '/activity', '/data']
const forChanges = [
  '/username',
  '/email',
  '/password',
  '/second-factor/app',
  '/second-factor/email',
  '/second-factor/recovery-codes',
  '/second-factor/new-passkey',
  '/delete',
]
const changes = [
  ['/username', { username: 'mallory' }],
  ['/email', { email: 'mallory@example.com' }],
  ['/password', { password: 'another long enough passphrase' }],
  ['/second-factor/app', { enrolment: 'x', code: '123456' }],
  ['/second-factor/app/remove', {}],
  ['/second-factor/email', {}],
  ['/second-factor/email/remove', {}],
  ['/second-factor/recovery-codes', {}],
  ['/second-factor/new-passkey', { response: '{}', ticket: 'x' }],
  ['/data/export', {}],
  ['/delete', {}],
] as const

describe('somebody who is not signed in', () => {
  it.each([...open, ...forChanges])('signs in on the way to /account%s and arrives there', async (path) => {
    const person = await world.newPerson()
    const agent = createUserAgent()
    const start = await agent.request(world.at(`/account${path}`))
    expect(start.status).toBe(303)
    expect(start.location?.pathname).toBe('/authorize')
    expect(Object.fromEntries(start.location?.searchParams ?? [])).toMatchObject({
      client_id: 'gatehouse-account',
      response_type: 'none',
      redirect_uri: `${world.issuer}/account/return`,
    })
    const page = await agent.submit(await agent.visit(start.location as URL), '/sign-in', credentialsOf(person))
    expect([page.status, page.url.pathname]).toEqual([200, `/account${path}`])
    expect(page.headers.get('cache-control')).toContain('no-store')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  })

  it('loses what was in a form, is told so, and finds nothing changed', async () => {
    const person = await world.newPerson()
    await world.server.stores.database.query('DELETE FROM sessions WHERE sub = $1', [person.sub])
    const post = await person.agent.request(world.at('/account/profile'), {
      method: 'POST',
      body: new URLSearchParams({ name: 'Mallory' }),
    })
    expect(post.status).toBe(303)
    const page = await person.agent.submit(
      await person.agent.visit(post.location as URL),
      '/sign-in',
      credentialsOf(person),
    )
    expect(page.url.pathname).toBe('/account/profile')
    expect(textOf(page)).toContain('nothing was changed')
    expect((await world.server.stores.accounts.find(person.sub))?.name).toBeUndefined()
    // Once: not on the next page.
    expect(textOf(await world.visit(person, '/account/profile'))).not.toContain('nothing was changed')
  })
})

describe('the way back', () => {
  const sealing = () => world.server.stores.sealing

  it.each([
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    'https:evil.example',
    '/account/../..//evil.example',
    '/account\r\nLocation: https://evil.example',
    '/account/second-factor/passkey/../../x',
    '/interaction/x',
    '',
  ])('leads to no other place: %j', (path) => {
    const paths = createReturnPaths({ sealing: sealing() })
    const destination = paths.open(paths.seal({ path }))
    expect(destination?.path).toMatch(/^\/account(\/[a-z-]+)*$/)
    expect(new URL(destination?.path ?? '', world.issuer).origin).toBe(world.issuer)
  })

  it('is a page of ours even when somebody who could seal says otherwise', () => {
    const forged = sealing().seal(JSON.stringify({ path: 'https://evil.example' }), 'way back to an account page')
    expect(createReturnPaths({ sealing: sealing() }).open(forged)).toBeUndefined()
  })

  it.each(['', 'x', 'https://evil.example', Buffer.alloc(80).toString('base64url')])(
    'is refused when nobody here has written it: %j',
    async (state) => {
      const person = await world.newPerson()
      const url = world.at('/account/return')
      url.searchParams.set('state', state)
      const page = await person.agent.request(url)
      expect(page.status).toBe(400)
      expect(page.location).toBeUndefined()
    },
  )

  it('is refused when one of its characters was changed', async () => {
    const state = createReturnPaths({ sealing: sealing() }).seal({ path: '/account/data' })
    const agent = createUserAgent()
    expect((await agent.request(world.at(`/account/return?state=${state}`))).location?.pathname).toBe('/account/data')
    const altered = state.slice(0, 30) + (state[30] === 'A' ? 'B' : 'A') + state.slice(31)
    expect((await agent.request(world.at(`/account/return?state=${altered}`))).status).toBe(400)
  })

  it.each(['access_denied', 'server_error', '<script>alert(1)</script>'])('tells kindly of %s', async (error) => {
    const state = createReturnPaths({ sealing: sealing() }).seal({ path: '/account/data' })
    const url = world.at('/account/return')
    for (const [name, value] of Object.entries({ state, error, error_description: 'evil words' }))
      url.searchParams.set(name, value)
    const page = await createUserAgent().request(url)
    expect(page.status).toBe(error === 'access_denied' ? 403 : 400)
    expect(page.text).toContain('href="/account/data"')
    expect(page.text).not.toContain('alert(1)')
    expect(page.text).not.toContain('evil words')
  })

  it('leads from a form to the page that it stands on', () => {
    const id = '0f0e0d0c-0b0a-4908-8706-050403020100'
    expect(pageOf('/account/sessions/abc/end')).toBe('/account/sessions')
    expect(pageOf('/account/email/verify')).toBe('/account/email')
    expect(pageOf(`/account/second-factor/passkey/${id}/remove`)).toBe(`/account/second-factor/passkey/${id}`)
    expect(pageOf('/account/second-factor/passkey/abc/remove')).toBe('/account/second-factor')
    expect(pageOf('/account/nowhere')).toBe('/account')
    expect(pageOf('/elsewhere')).toBe('/account')
  })
})

describe('a sign-in of eleven minutes ago', () => {
  it.each(open)('still opens /account%s', async (path) => {
    const person = await world.newPerson()
    await world.ageSignIn(person, 660)
    expect((await person.agent.request(world.at(`/account${path}`))).status).toBe(200)
  })

  it.each(forChanges)('does not open /account%s without signing in again', async (path) => {
    const person = await world.newPerson()
    expect((await person.agent.request(world.at(`/account${path}`))).status).toBe(200)
    await world.ageSignIn(person, 660)
    const refused = await person.agent.request(world.at(`/account${path}`))
    expect([refused.status, refused.location?.pathname]).toEqual([303, '/authorize'])
    expect(refused.location?.searchParams.get('max_age')).toBe('600')
    const page = await person.agent.submit(
      await person.agent.visit(refused.location as URL),
      '/sign-in',
      credentialsOf(person),
    )
    expect([page.status, page.url.pathname]).toEqual([200, `/account${path}`])
  })

  it.each(changes)('does nothing at /account%s, and leads back to the form', async (path, fields) => {
    const person = await world.newPerson()
    await world.ageSignIn(person, 660)
    const { database, accounts } = world.server.stores
    const before = await accounts.find(person.sub)
    const given = path === '/delete' ? { email: person.email } : fields
    const refused = await person.agent.request(world.at(`/account${path}`), {
      method: 'POST',
      body: new URLSearchParams(given),
    })
    expect([refused.status, refused.location?.pathname]).toEqual([303, '/authorize'])
    const page = await person.agent.submit(
      await person.agent.visit(refused.location as URL),
      '/sign-in',
      credentialsOf(person),
    )
    expect([page.status, page.url.pathname]).toEqual([200, pageOf(`/account${path}`)])
    expect(textOf(page)).toContain('nothing was changed')
    const after = await accounts.find(person.sub)
    expect({ ...after, updatedAt: 0 }).toEqual({ ...before, updatedAt: 0 })
    const [{ count }] = (await database.query(
      `SELECT count(*)::int AS count FROM account_activity WHERE sub = $1 AND type NOT IN ('signed_in', 'signed_up')`,
      [person.sub],
    )) as [{ count: number }]
    expect(count).toBe(0)
  })
})

describe('forms of another site', () => {
  it.each([
    ...changes,
    ['/profile', { name: 'x' }],
    ['/email/cancel', {}],
    ['/email/verify', {}],
    ['/sessions/end-others', {}],
    ['/sessions/forget-browsers', {}],
    ['/sessions/x/end', {}],
    ['/applications/x/withdraw', {}],
  ] as [string, Record<string, string>][])('do nothing at /account%s', async (path, fields) => {
    const person = await world.newPerson()
    for (const headers of [
      { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
      { 'sec-fetch-site': 'same-site', origin: 'https://other.example.com' },
      { 'sec-fetch-site': '', origin: 'null' },
      { 'sec-fetch-site': '' },
    ] as Record<string, string>[]) {
      const body = new URLSearchParams(fields)
      const answer = await person.agent.request(world.at(`/account${path}`), { method: 'POST', body, headers })
      expect(answer.status).toBe(403)
    }
  })

  it.each(['/confirm-email/x', '/verify-email/x'])('do nothing at %s', async (path) => {
    const headers = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
    expect((await createUserAgent().request(world.at(path), { method: 'POST', headers })).status).toBe(403)
  })
})

describe('an account that was disabled', () => {
  it('is no way in any more', async () => {
    const person = await world.newPerson()
    await world.server.stores.database.query('UPDATE accounts SET disabled_at = now() WHERE sub = $1', [person.sub])
    const page = await person.agent.request(world.at('/account'))
    expect([page.status, page.location?.pathname]).toEqual([303, '/authorize'])
  })
})

it('takes no notice from a cookie that it has not signed', async () => {
  const person = await world.newPerson()
  const forged = Buffer.from(JSON.stringify({ key: 'account.goodbye.deleted' })).toString('base64url')
  person.agent.cookies.set('gatehouse-notice /account', { value: forged, path: '/account' })
  expect(textOf(await world.visit(person, '/account'))).not.toContain('is deleted')
})
