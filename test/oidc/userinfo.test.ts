// What an application learns about a person, and with which token (OpenID Connect Core sections 5.3 and 5.4; threat T10).
import { decodeJwt } from 'jose'
import { type Application, obtainCode, redeem, type Tokens } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { machineToken, send, userinfo } from './requests.ts'

const redirectUri = 'https://app.example.com/cb'

let gatehouse: TestServer
let person: { email: string; password: string; sub: string }
let app: Application

beforeAll(async () => {
  gatehouse = await startTestServer()
  const made = await gatehouse.server.node.registrations.accounts.create({
    email: 'mara@example.com',
    name: 'Mara Lindqvist',
    password: 'a long enough passphrase',
    isEmailVerified: true,
  })
  if (!made.ok) throw new Error('no account')
  person = { ...made.account, password: 'a long enough passphrase' }
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
})
afterAll(() => gatehouse.stop())

const tokensOf = async (scope: string): Promise<Tokens> =>
  redeem(gatehouse.issuer, app, await obtainCode(gatehouse, app, person, { scope }))
const url = () => new URL('/userinfo', gatehouse.issuer)

describe('the scopes of a request', () => {
  const sub = () => person.sub
  const email = { email: 'mara@example.com', email_verified: true }
  const profile = { name: 'Mara Lindqvist', updated_at: expect.any(Number) }
  const rows: [string, Record<string, unknown>][] = [
    ['openid', {}],
    ['openid email', email],
    ['openid profile', profile],
    ['openid email profile', { ...email, ...profile }],
  ]
  it.each(rows)('decide what userinfo and the ID token tell: %s', async (scope, claims) => {
    const tokens = await tokensOf(scope)
    const { status, body, headers } = await userinfo(gatehouse.issuer, tokens.access_token)
    expect([status, body]).toEqual([200, { sub: sub(), ...claims }])
    expect(headers.get('cache-control')).toContain('no-store')
    const idToken = decodeJwt(tokens.id_token as string)
    expect(idToken).toMatchObject({ sub: sub(), aud: app.clientId, iss: gatehouse.issuer, ...claims })
    for (const name of ['email', 'name'].filter((claim) => !(claim in claims))) expect(idToken).not.toHaveProperty(name)
  })
})

describe('a full profile', () => {
  const address = { formatted: 'Storgatan 1\nUppsala', locality: 'Uppsala', country: 'SE' }
  const stored = {
    given_name: 'Ada',
    family_name: 'Ek',
    middle_name: 'B.',
    nickname: 'Addy',
    profile: 'https://example.com/ada',
    picture: 'https://example.com/ada.png',
    website: 'https://ada.example.com',
    gender: 'female',
    birthdate: '0000-03-22',
    zoneinfo: 'Europe/Stockholm',
    phone_number: '+46 18 123456',
    address,
  }
  const { address: _, phone_number, ...ofProfile } = stored
  const told = { ...ofProfile, name: 'Ada Ek', preferred_username: 'ada', locale: 'sv', updated_at: expect.any(Number) }
  const personWith = async (more: object) => {
    const made = await gatehouse.makeAccount()
    await gatehouse.server.stores.accounts.update(made.sub, more)
    return made
  }
  const toldTo = async (who: typeof person, params: Record<string, string>) => {
    const tokens = await redeem(gatehouse.issuer, app, await obtainCode(gatehouse, app, who, params))
    const { body } = await userinfo(gatehouse.issuer, tokens.access_token)
    expect(decodeJwt(tokens.id_token as string)).toMatchObject(body)
    const { sub, ...claims } = body
    expect(sub).toBe(who.sub)
    return claims
  }
  const full = { name: 'Ada Ek', username: 'ada', locale: 'sv', profile: stored }

  it.each([
    ['openid', {}],
    ['openid profile', told],
    ['openid address', { address }],
    // Nobody has called that number.
    ['openid phone', { phone_number, phone_number_verified: false }],
    ['openid address phone', { address, phone_number, phone_number_verified: false }],
  ])('is told by scope: %s', async (scope, claims) => {
    const who = await personWith({ ...full, username: `u${Math.random()}` })
    const expected = 'preferred_username' in claims ? { ...claims, preferred_username: expect.any(String) } : claims
    expect(await toldTo(who, { scope })).toEqual(expected)
  })

  it('is told claim by claim, and nothing else', async () => {
    const who = await personWith(full)
    const claims = JSON.stringify({ userinfo: { nickname: null, phone_number: { essential: true }, roles: null } })
    const tokens = await redeem(gatehouse.issuer, app, await obtainCode(gatehouse, app, who, { claims }))
    const { body } = await userinfo(gatehouse.issuer, tokens.access_token)
    expect(body).toEqual({ sub: who.sub, nickname: 'Addy', phone_number })
  })

  it('leaves out what is empty or of another kind, and cannot change what has a column', async () => {
    const made = await gatehouse.makeAccount()
    const profile = {
      ...{ sub: 'somebody', email: 'x@evil.example', email_verified: true, name: 'X', phone_number_verified: true },
      ...{
        preferred_username: 'x',
        updated_at: 1,
        locale: 'x',
        acr: 'phr',
        roles: ['owner'],
        given_name: '',
        website: 7,
      },
      ...{
        family_name: { x: 1 },
        picture: null,
        address: { country: '', street: 'x', region: ['x'] },
        phone_number: '',
      },
    }
    await gatehouse.server.stores.accounts.update(made.sub, { profile })
    const claims = await toldTo(made, { scope: 'openid profile email address phone' })
    expect(claims).toEqual({ email: made.email, email_verified: false, updated_at: expect.any(Number) })
  })
})

describe('a token for userinfo', () => {
  it('may come in the header or in a form (userinfo-get, userinfo-post-header, userinfo-post-body)', async () => {
    const { access_token } = await tokensOf('openid email')
    const authorization = `Bearer ${access_token}`
    const answers = [
      await send(url(), { headers: { authorization } }),
      await send(url(), { method: 'POST', headers: { authorization } }),
      await send(url(), { method: 'POST', body: new URLSearchParams({ access_token: access_token as string }) }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    for (const { body } of answers) expect(body.email).toBe('mara@example.com')
  })

  it('is not read from the query, where logs would keep it', async () => {
    const { access_token } = await tokensOf('openid')
    const answer = await send(new URL(`/userinfo?access_token=${access_token}`, gatehouse.issuer))
    expect([400, 401]).toContain(answer.status)
    expect(answer.body).not.toHaveProperty('sub')
  })

  it('must not come twice', async () => {
    const { access_token } = await tokensOf('openid')
    const answer = await send(url(), {
      method: 'POST',
      headers: { authorization: `Bearer ${access_token}` },
      body: new URLSearchParams({ access_token: access_token as string }),
    })
    expect(answer.status).toBe(400)
  })

  it.each(['', 'junk', 'a.b.c', 'x'.repeat(5000)])(
    'is asked for with a challenge when it is none: %.10p',
    async (token) => {
      const answer = await userinfo(gatehouse.issuer, token)
      expect([400, 401]).toContain(answer.status)
      if (answer.status === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm=/)
    },
  )

  it('is asked for when there is none', async () => {
    const answer = await send(url())
    expect([400, 401]).toContain(answer.status)
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm=/)
  })
})

describe('a machine', () => {
  it('is never taken for a person', async () => {
    const audience = await gatehouse.makeApi()
    const opaque = await gatehouse.makeApi({ tokenFormat: 'opaque' })
    for (const api of [audience, opaque]) {
      const machine = await gatehouse.makeClient({ kind: 'machine', apis: { [api]: ['things:read'] } })
      const { body } = await machineToken(gatehouse.issuer, machine)
      expect((await userinfo(gatehouse.issuer, body.access_token)).status).toBe(401)
    }
  })

  it('and a person can never have the same id', async () => {
    const { clientId } = await gatehouse.makeClient({ redirectUris: [redirectUri] })
    const { accounts } = gatehouse.server.node.registrations
    const taken = await accounts.create({ email: 'clash@example.com', sub: clientId })
    expect(taken.ok).toBe(false)
    await expect(
      gatehouse.server.stores.database.query("INSERT INTO accounts (sub, email) VALUES ($1, 'clash2@example.com')", [
        clientId,
      ]),
    ).rejects.toThrow()
  })

  it('gets no scope of the admin API that it was not given', async () => {
    const resource = `${gatehouse.issuer}/admin/api`
    const machine = await gatehouse.makeClient({ kind: 'machine', adminScopes: ['clients:read'] })
    expect(await machineToken(gatehouse.issuer, machine, { resource })).toMatchObject({
      status: 200,
      body: { scope: 'clients:read' },
    })
    expect(await machineToken(gatehouse.issuer, machine, { resource, scope: 'clients:write' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_scope' },
    })
  })
})
