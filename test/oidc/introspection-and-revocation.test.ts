// Who may look at a token, who may end it, and what else ends it (threats I1 to I5; RFC 7662, RFC 7009).
import { decodeJwt } from 'jose'
import { type Application, obtainCode, redeem, refresh, type Tokens } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { basic, introspect, machineToken, post, revoke, userinfo } from './requests.ts'

type Credentials = { clientId: string; clientSecret: string }

const redirectUri = 'https://app.example.com/cb'
const opaque = 'https://opaque.example.com'
const jwt = 'https://jwt.example.com'

let gatehouse: TestServer
let person: { email: string; password: string; sub: string }
let machine: Credentials
let stranger: Credentials
let service: Credentials
let app: Application

beforeAll(async () => {
  gatehouse = await startTestServer()
  person = await gatehouse.makeAccount()
  const scopes = [{ scope: 'read', description: 'Read' }]
  await gatehouse.makeApi({ audience: opaque, scopes, tokenFormat: 'opaque' })
  await gatehouse.makeApi({ audience: jwt, scopes })
  const apis = { [opaque]: ['read'], [jwt]: ['read'] }
  machine = await gatehouse.makeClient({ kind: 'machine', apis })
  stranger = await gatehouse.makeClient({ kind: 'machine', apis })
  service = await gatehouse.makeClient({ kind: 'machine', apis: { [opaque]: [] } })
  for (const audience of [opaque, jwt])
    await gatehouse.server.node.registrations.apis.update(audience, { introspectionClients: [service.clientId] })
  gatehouse.server.stores.apiCache.clear()
  app = await makeApp()
})
afterAll(() => gatehouse.stop())

const makeApp = async (more: Parameters<TestServer['makeClient']>[0] = {}): Promise<Application> => ({
  redirectUri,
  ...(await gatehouse.makeClient({
    redirectUris: [redirectUri],
    isFirstParty: true,
    apis: { [opaque]: ['read'], [jwt]: ['read'] },
    ...more,
  })),
})
const issue = async (audience: string, client = machine) =>
  (await machineToken(gatehouse.issuer, client, { resource: audience })).body.access_token
const tokensOf = async (
  params: Record<string, string> = {},
  { client = app, who = person }: { client?: Application; who?: { email: string; password: string } } = {},
): Promise<Tokens> => redeem(gatehouse.issuer, client, await obtainCode(gatehouse, client, who, params))
const active = async (client: Credentials, token: unknown) =>
  (await introspect(gatehouse.issuer, client, token)).body.active
const inactive = { status: 200, body: { active: false } }

describe.each([
  ['an opaque token', opaque],
  ['a JWT', jwt],
])('introspecting %s', (_, audience) => {
  it('tells the client that it was issued to', async () => {
    expect(await introspect(gatehouse.issuer, machine, await issue(audience))).toMatchObject({
      status: 200,
      body: {
        active: true,
        iss: gatehouse.issuer,
        aud: audience,
        client_id: machine.clientId,
        scope: 'read',
        token_type: 'Bearer',
        exp: expect.any(Number),
        iat: expect.any(Number),
      },
    })
  })

  it('tells a client that the API names', async () => {
    expect(await introspect(gatehouse.issuer, service, await issue(audience))).toMatchObject({
      body: { active: true, client_id: machine.clientId },
    })
  })

  it('tells nobody else anything, not even that it exists', async () => {
    const { status, body } = await introspect(gatehouse.issuer, stranger, await issue(audience))
    expect({ status, body }).toEqual(inactive)
  })

  it('tells a client no longer named nothing any more', async () => {
    const token = await issue(audience)
    const { apis } = gatehouse.server.node.registrations
    await apis.update(audience, { introspectionClients: [] })
    gatehouse.server.stores.apiCache.clear()
    expect(await active(service, token)).toBe(false)
    await apis.update(audience, { introspectionClients: [service.clientId] })
    gatehouse.server.stores.apiCache.clear()
    expect(await active(service, token)).toBe(true)
  })

  it('tells whose token it is, when it is a person’s', async () => {
    const { access_token } = await tokensOf({ scope: 'openid read', resource: audience })
    expect(await introspect(gatehouse.issuer, service, access_token)).toMatchObject({
      body: { active: true, sub: person.sub, client_id: app.clientId, aud: audience },
    })
  })

  it('says inactive once its client is disabled', async () => {
    const client = await gatehouse.makeClient({ kind: 'machine', apis: { [audience]: ['read'] } })
    const token = await issue(audience, client)
    expect(await active(service, token)).toBe(true)
    await gatehouse.server.node.revocation.disableClient(client.clientId)
    expect(await active(service, token)).toBe(false)
  })

  it('says inactive once its client is deleted', async () => {
    const client = await gatehouse.makeClient({ kind: 'machine', apis: { [audience]: ['read'] } })
    const token = await issue(audience, client)
    await gatehouse.server.node.revocation.deleteClient(client.clientId)
    expect(await active(service, token)).toBe(false)
  })

  it.each(['disableAccount', 'deleteAccount'] as const)('says inactive at once after %s', async (change) => {
    const who = await gatehouse.makeAccount()
    const { access_token } = await tokensOf({ scope: 'openid read', resource: audience }, { who })
    expect(await active(service, access_token)).toBe(true)
    await gatehouse.server.node.revocation[change](who.sub)
    expect(await active(service, access_token)).toBe(false)
  })

  it('needs the caller to say who it is', async () => {
    const token = await issue(audience)
    expect(await post(gatehouse.issuer, '/introspect', { token: String(token) })).toMatchObject({ status: 400 })
    const wrong = { authorization: basic({ ...machine, clientSecret: 'wrong' }) }
    expect(await post(gatehouse.issuer, '/introspect', { token: String(token) }, wrong)).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    })
  })

  it('tells a public client nothing about the tokens of others', async () => {
    const spa = await gatehouse.makeClient({ kind: 'spa', redirectUris: [redirectUri] })
    expect(await active(spa, await issue(audience))).toBe(false)
  })

  it('leaves no answer in a cache', async () => {
    const { headers } = await introspect(gatehouse.issuer, machine, await issue(audience))
    expect(headers.get('cache-control')).toContain('no-store')
  })
})

describe('introspecting something that is no token', () => {
  it.each(['junk', 'a.b.c', '..', 'x'.repeat(5000), `${'e'.repeat(100)}.${'y'.repeat(100)}.z`])(
    'says inactive: %.20s',
    async (token) => {
      const { status, body } = await introspect(gatehouse.issuer, machine, token)
      expect({ status, body }).toEqual(inactive)
    },
  )

  it('says inactive for a JWT of ours whose signature was altered', async () => {
    const token = String(await issue(jwt))
    const [header, payload, signature = ''] = token.split('.')
    const altered = `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
    expect(await active(machine, altered)).toBe(false)
    expect(await active(machine, `${header}.${payload}.`)).toBe(false)
  })

  it('says inactive for an unsigned JWT', async () => {
    const payload = Buffer.from(JSON.stringify(decodeJwt(String(await issue(jwt))))).toString('base64url')
    const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url')
    expect(await active(machine, `${header}.${payload}.`)).toBe(false)
  })

  it('says inactive for an ID token', async () => {
    const { id_token } = await tokensOf()
    expect(await active(app, id_token)).toBe(false)
  })

  it('asks for the token when none is sent', async () => {
    expect(await post(gatehouse.issuer, '/introspect', {}, { authorization: basic(machine) })).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    })
  })
})

describe('a token for userinfo and a refresh token', () => {
  it('are shown to their own client only', async () => {
    const { access_token, refresh_token } = await tokensOf({ scope: 'openid email' })
    expect(await active(app, access_token)).toBe(true)
    expect(await active(app, refresh_token)).toBe(true)
    expect(await active(service, access_token)).toBe(false)
    expect(await active(service, refresh_token)).toBe(false)
  })

  it('never say their own value back', async () => {
    const { access_token, refresh_token } = await tokensOf()
    for (const token of [access_token, refresh_token])
      expect(JSON.stringify((await introspect(gatehouse.issuer, app, token)).body)).not.toContain(token)
  })
})

describe('revoking', () => {
  it('an access token ends it, and saying so twice changes nothing', async () => {
    const token = await issue(opaque)
    expect((await revoke(gatehouse.issuer, machine, token)).status).toBe(200)
    expect(await active(machine, token)).toBe(false)
    expect((await revoke(gatehouse.issuer, machine, token)).status).toBe(200)
  })

  it('something unknown succeeds, and tells nothing', async () => {
    expect((await revoke(gatehouse.issuer, machine, 'unknown')).status).toBe(200)
  })

  it('the token of another client is refused', async () => {
    const token = await issue(opaque)
    expect(await revoke(gatehouse.issuer, stranger, token)).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    })
    expect(await active(machine, token)).toBe(true)
  })

  it('tells a public client, whom anybody can pose as, nothing about the tokens of others', async () => {
    const spa = await gatehouse.makeClient({ kind: 'spa', redirectUris: [redirectUri] })
    const token = await issue(opaque)
    const unknown = await revoke(gatehouse.issuer, spa, 'unknown')
    const others = await revoke(gatehouse.issuer, spa, token)
    expect([others.status, others.body]).toEqual([unknown.status, unknown.body])
    expect(await active(machine, token)).toBe(true)
  })

  it('by a client that may introspect does nothing either', async () => {
    const token = await issue(opaque)
    await revoke(gatehouse.issuer, service, token)
    expect(await active(machine, token)).toBe(true)
  })

  it('a refresh token ends everything of its grant', async () => {
    const tokens = await tokensOf({ scope: 'openid email' })
    const next = await refresh(gatehouse.issuer, app, tokens.refresh_token as string)
    expect((await revoke(gatehouse.issuer, app, next.refresh_token)).status).toBe(200)
    for (const token of [tokens.access_token, next.access_token])
      expect((await userinfo(gatehouse.issuer, token)).status).toBe(401)
    expect(await refresh(gatehouse.issuer, app, next.refresh_token as string)).toMatchObject({
      status: 400,
      error: 'invalid_grant',
    })
  })

  it('an access token of a person ends its grant too', async () => {
    const tokens = await tokensOf({ scope: 'openid email' })
    expect((await revoke(gatehouse.issuer, app, tokens.access_token)).status).toBe(200)
    expect((await userinfo(gatehouse.issuer, tokens.access_token)).status).toBe(401)
    expect(await refresh(gatehouse.issuer, app, tokens.refresh_token as string)).toMatchObject({ status: 400 })
  })

  it('one session’s tokens leaves those of another session alone', async () => {
    const [one, other] = [await tokensOf(), await tokensOf()]
    await revoke(gatehouse.issuer, app, one.refresh_token)
    expect(await refresh(gatehouse.issuer, app, other.refresh_token as string)).toMatchObject({ status: 200 })
  })

  it('a JWT is not possible, and says so', async () => {
    const token = await issue(jwt)
    expect(await revoke(gatehouse.issuer, machine, token)).toMatchObject({
      status: 400,
      body: { error: 'unsupported_token_type' },
    })
    expect(await active(machine, token)).toBe(true)
  })

  it('needs the caller to say who it is', async () => {
    const token = String(await issue(opaque))
    const wrong = { authorization: basic({ ...machine, clientSecret: 'wrong' }) }
    expect(await post(gatehouse.issuer, '/revoke', { token }, wrong)).toMatchObject({ status: 401 })
    expect(await post(gatehouse.issuer, '/revoke', { token })).toMatchObject({ status: 400 })
    expect(await active(machine, token)).toBe(true)
  })

  it('works for a public client and its own token', async () => {
    const spa: Application = {
      redirectUri,
      ...(await gatehouse.makeClient({ kind: 'spa', redirectUris: [redirectUri], isFirstParty: true })),
    }
    const { access_token } = await tokensOf({ scope: 'openid' }, { client: spa })
    expect((await userinfo(gatehouse.issuer, access_token)).status).toBe(200)
    expect((await revoke(gatehouse.issuer, spa, access_token)).status).toBe(200)
    expect((await userinfo(gatehouse.issuer, access_token)).status).toBe(401)
  })
})

describe('an account or a client that is disabled', () => {
  it.each(['disableAccount', 'deleteAccount'] as const)(
    'loses its stored tokens and its sessions at once: %s',
    async (change) => {
      const who = await gatehouse.makeAccount()
      const code = await obtainCode(gatehouse, app, who, { scope: 'openid offline_access', prompt: 'consent' })
      const tokens = await redeem(gatehouse.issuer, app, code)
      expect((await userinfo(gatehouse.issuer, tokens.access_token)).status).toBe(200)
      await gatehouse.server.node.revocation[change](who.sub)
      expect((await userinfo(gatehouse.issuer, tokens.access_token)).status).toBe(401)
      expect(await active(app, tokens.refresh_token)).toBe(false)
      expect(await refresh(gatehouse.issuer, app, tokens.refresh_token as string)).toMatchObject({
        status: 400,
        error: 'invalid_grant',
      })
      const page = await code.agent.visit(new URL(`/authorize?${query()}`, gatehouse.issuer))
      expect(page.location?.searchParams.get('error')).toBe('login_required')
    },
  )

  const query = () =>
    new URLSearchParams({
      client_id: app.clientId,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: 'openid',
      prompt: 'none',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    })

  it('cannot redeem a code that it had', async () => {
    const who = await gatehouse.makeAccount()
    const code = await obtainCode(gatehouse, app, who)
    await gatehouse.server.node.revocation.disableAccount(who.sub)
    expect(await redeem(gatehouse.issuer, app, code)).toMatchObject({ status: 400, error: 'invalid_grant' })
  })

  it('is heard of on the other node at once', async () => {
    const other = await startTestServer({ beside: gatehouse })
    const who = await gatehouse.makeAccount()
    const tokens = await tokensOf({ scope: 'openid email' }, { who })
    await other.server.node.revocation.disableAccount(who.sub)
    const answer = await userinfo(gatehouse.issuer, tokens.access_token)
    await other.stop()
    expect(answer.status).toBe(401)
  })

  it('loses the tokens of a client', async () => {
    const client = await makeApp()
    const tokens = await tokensOf({ scope: 'openid email' }, { client })
    await gatehouse.server.node.revocation.disableClient(client.clientId)
    expect((await userinfo(gatehouse.issuer, tokens.access_token)).status).toBe(401)
    await gatehouse.server.node.revocation.enableClient(client.clientId)
    expect((await userinfo(gatehouse.issuer, tokens.access_token)).status).toBe(401)
    expect(await refresh(gatehouse.issuer, client, tokens.refresh_token as string)).toMatchObject({ status: 400 })
  })
})
