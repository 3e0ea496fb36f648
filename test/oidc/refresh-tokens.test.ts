// Who gets a refresh token, what it may be exchanged for, and how long it lives (threats T3 to T5, T11).
import { createHash } from 'node:crypto'
import { decodeJwt } from 'jose'
import { type Application, obtainCode, redeem, refresh, type Tokens } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { introspect, postAs, userinfo } from './requests.ts'

const orders = 'https://orders.example.com'
const stock = 'https://stock.example.com'
const day = 86_400

let gatehouse: TestServer
let person: { email: string; password: string; sub: string }

beforeAll(async () => {
  gatehouse = await startTestServer()
  person = await gatehouse.makeAccount()
  for (const audience of [orders, stock])
    await gatehouse.makeApi({
      audience,
      scopes: [
        { scope: 'read', description: '' },
        { scope: 'write', description: '' },
      ],
    })
})
afterAll(() => gatehouse.stop())

type NewClient = Parameters<TestServer['makeClient']>[0]
async function makeApp(more: NewClient = {}): Promise<Application> {
  const redirectUri = more.kind === 'native' ? 'com.example.app:/cb' : 'https://app.example.com/cb'
  const client = await gatehouse.makeClient({ redirectUris: [redirectUri], ...more })
  return { redirectUri, ...client }
}
const tokensOf = async (app: Application, params: Record<string, string> = {}): Promise<Tokens> =>
  redeem(gatehouse.issuer, app, await obtainCode(gatehouse, app, person, params))
const offline = { scope: 'openid offline_access', prompt: 'consent' }
const refreshed = (app: Application, tokens: Tokens, more: Record<string, string> = {}) =>
  refresh(gatehouse.issuer, app, tokens.refresh_token as string, more)

describe('who gets a refresh token', () => {
  const firstParty = { isFirstParty: true }
  const rows: [string, NewClient, Record<string, string>, boolean][] = [
    ['the operator’s web application', firstParty, {}, true],
    ['the operator’s native application', { ...firstParty, kind: 'native' }, {}, true],
    ['the operator’s page in a browser', { ...firstParty, kind: 'spa' }, {}, false],
    ['the operator’s page in a browser that asks for offline use', { ...firstParty, kind: 'spa' }, offline, true],
    ['somebody else’s web application', {}, {}, false],
    ['somebody else’s web application that asks for offline use', {}, offline, true],
    ['somebody else’s native application', { kind: 'native' }, {}, false],
    ['somebody else’s native application that asks for offline use', { kind: 'native' }, offline, true],
    ['one that asks for offline use, but not for consent', {}, { scope: 'openid offline_access' }, false],
  ]
  it.each(rows)('%s', async (_, client, params, gets) => {
    const tokens = await tokensOf(await makeApp(client), params)
    expect(tokens.status).toBe(200)
    expect(tokens.refresh_token !== undefined).toBe(gets)
  })

  it('a machine never does', async () => {
    const machine = await gatehouse.makeClient({ kind: 'machine', apis: { [orders]: ['read'] } })
    const { body } = await postAs(gatehouse.issuer, '/token', machine, { grant_type: 'client_credentials' })
    expect(body).not.toHaveProperty('refresh_token')
  })
})

describe('a refresh', () => {
  it('gives a new access token, ID token and refresh token', async () => {
    const app = await makeApp({ isFirstParty: true })
    const first = await tokensOf(app, { scope: 'openid email', nonce: 'n-1' })
    const second = await refreshed(app, first)
    expect(second).toMatchObject({ status: 200, scope: 'openid email' })
    expect(second.access_token).not.toBe(first.access_token)
    expect(second.refresh_token).not.toBe(first.refresh_token)
    expect(await userinfo(gatehouse.issuer, second.access_token)).toMatchObject({ status: 200 })
    const [before, after] = [decodeJwt(first.id_token as string), decodeJwt(second.id_token as string)]
    expect([after.sub, after.aud, after.iss, after.auth_time]).toEqual([
      before.sub,
      before.aud,
      before.iss,
      before.auth_time,
    ])
  })

  it('may ask for less, and then again for all', async () => {
    const app = await makeApp({ isFirstParty: true, apis: { [orders]: ['read', 'write'] } })
    const first = await tokensOf(app, { scope: 'openid read write' })
    const less = await refreshed(app, first, { scope: 'read' })
    expect(decodeJwt(less.access_token as string).scope).toBe('read')
    const all = await refreshed(app, less)
    expect(decodeJwt(all.access_token as string).scope).toBe('read write')
  })

  it.each(['openid profile', 'openid write', 'openid unknown', 'openid offline_access'])(
    'may not ask for more: %s',
    async (scope) => {
      const app = await makeApp({ isFirstParty: true, apis: { [orders]: ['read', 'write'] } })
      const first = await tokensOf(app, { scope: 'openid read' })
      expect(await refreshed(app, first, { scope })).toMatchObject({ status: 400, error: 'invalid_scope' })
      expect(await refreshed(app, first)).toMatchObject({ status: 200 })
    },
  )

  it('may not ask for another API', async () => {
    const app = await makeApp({ isFirstParty: true, apis: { [orders]: ['read'], [stock]: ['read'] } })
    const first = await tokensOf(app, { scope: 'openid read', resource: orders })
    expect(await refreshed(app, first, { resource: stock })).toMatchObject({ status: 400, error: 'invalid_target' })
  })

  it('gives no more than the client may still have', async () => {
    const app = await makeApp({ isFirstParty: true, apis: { [orders]: ['read', 'write'] } })
    const first = await tokensOf(app, { scope: 'openid read write' })
    await gatehouse.server.node.registrations.clients.update(app.clientId, { apis: { [orders]: ['read'] } })
    gatehouse.server.stores.clientCache.forget(app.clientId)
    const less = await refreshed(app, first)
    expect(less.status).toBe(200)
    expect(decodeJwt(less.access_token as string).scope).toBe('read')
    await gatehouse.server.node.registrations.clients.update(app.clientId, { apis: {} })
    gatehouse.server.stores.clientCache.forget(app.clientId)
    expect(await refreshed(app, less)).toMatchObject({ status: 400, error: 'invalid_target' })
  })

  it('is for the client that the token was issued to, and does it no harm when another tries', async () => {
    const [app, other] = [await makeApp({ isFirstParty: true }), await makeApp({ isFirstParty: true })]
    const first = await tokensOf(app)
    expect(await refreshed(other, first)).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(await refreshed(app, first)).toMatchObject({ status: 200 })
  })

  it.each(['', 'junk', 'a.b.c', 'x'.repeat(5000)])('is refused for what is no refresh token: %.12p', async (token) => {
    const app = await makeApp({ isFirstParty: true })
    const answer = await refresh(gatehouse.issuer, app, token)
    expect(answer.status).toBe(400)
    expect(answer.error).toMatch(/^invalid_(grant|request)$/)
  })

  it('is refused for an access token, and an access token is no refresh token', async () => {
    const app = await makeApp({ isFirstParty: true })
    const first = await tokensOf(app, { scope: 'openid email' })
    expect(await refresh(gatehouse.issuer, app, first.access_token as string)).toMatchObject({
      status: 400,
      error: 'invalid_grant',
    })
    expect((await userinfo(gatehouse.issuer, first.refresh_token)).status).toBe(401)
  })

  it('outside the grace of a retry kills the family, and its access tokens', async () => {
    const app = await makeApp({ isFirstParty: true })
    const first = await tokensOf(app, { scope: 'openid email' })
    const second = await refreshed(app, first)
    await gatehouse.server.stores.database.query(
      "UPDATE artifacts SET consumed_at = consumed_at - interval '11 s' WHERE consumed_at IS NOT NULL AND model = 'RefreshToken'",
    )
    expect(await refreshed(app, first)).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(await refreshed(app, second)).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect((await userinfo(gatehouse.issuer, second.access_token)).status).toBe(401)
  })
})

describe('the life of a refresh token', () => {
  interface Row {
    seconds: number
    grant_seconds: number
    iiat: number
    exp: number
    iat: number
  }
  const rowsOf = (clientId: string) =>
    gatehouse.server.stores.database.query<Row>(
      `SELECT extract(epoch FROM a.expires_at - clock_timestamp())::float8 AS seconds,
         extract(epoch FROM g.expires_at - clock_timestamp())::float8 AS grant_seconds,
         (a.payload->>'iiat')::int AS iiat, (a.payload->>'exp')::int AS exp, (a.payload->>'iat')::int AS iat
       FROM artifacts a JOIN grants g ON g.key = a.grant_key
       WHERE g.client_id = $1 AND a.model = 'RefreshToken' AND a.consumed_at IS NULL`,
      [clientId],
    )
  const only = async (clientId: string): Promise<Row> => {
    const rows = await rowsOf(clientId)
    expect(rows).toHaveLength(1)
    return rows[0] as Row
  }

  it('is fourteen days when it is not used, and its grant outlives it', async () => {
    const app = await makeApp({ isFirstParty: true })
    await tokensOf(app)
    const row = await only(app.clientId)
    expect(row.exp - row.iat).toBe(14 * day)
    expect(row.seconds).toBeGreaterThan(14 * day - 60)
    expect(row.seconds).toBeLessThanOrEqual(14 * day)
    expect(row.grant_seconds).toBeGreaterThan(row.seconds)
  })

  /** As if the family had begun so many days ago: the token in use is the only one that knows. */
  const age = (clientId: string, days: number) =>
    gatehouse.server.stores.database.query(
      `UPDATE artifacts a SET payload = a.payload || jsonb_build_object('iiat', (a.payload->>'iiat')::int - $2::int)
       FROM grants g WHERE g.key = a.grant_key AND g.client_id = $1 AND a.model = 'RefreshToken'`,
      [clientId, days * day],
    )

  it('begins anew with each rotation, but not the life of its family', async () => {
    const app = await makeApp({ isFirstParty: true })
    const first = await tokensOf(app)
    const { iiat } = await only(app.clientId)
    await age(app.clientId, 10)
    await refreshed(app, first)
    const row = await only(app.clientId)
    expect(row.iiat).toBe(iiat - 10 * day)
    expect(row.exp - row.iat).toBe(14 * day)
  })

  it('ends thirty days after the person signed in, however often it is used', async () => {
    const app = await makeApp({ isFirstParty: true })
    const first = await tokensOf(app)
    await age(app.clientId, 28)
    const second = await refreshed(app, first)
    const row = await only(app.clientId)
    expect(row.exp - row.iat).toBeLessThanOrEqual(2 * day)
    expect(row.exp - row.iat).toBeGreaterThan(2 * day - 60)
    expect(row.grant_seconds).toBeGreaterThan(row.seconds)
    await gatehouse.server.stores.database.query(
      `UPDATE artifacts a SET expires_at = clock_timestamp() - interval '1 s' FROM grants g
       WHERE g.key = a.grant_key AND g.client_id = $1 AND a.model = 'RefreshToken'`,
      [app.clientId],
    )
    expect(await refreshed(app, second)).toMatchObject({ status: 400, error: 'invalid_grant' })
  })

  it('leaves the grant longer than any token at each rotation', async () => {
    const app = await makeApp({ isFirstParty: true })
    let tokens = await tokensOf(app)
    await gatehouse.server.stores.database.query(
      "UPDATE grants SET expires_at = clock_timestamp() + interval '1 day' WHERE client_id = $1",
      [app.clientId],
    )
    for (let round = 0; round < 3; round += 1) {
      tokens = await refreshed(app, tokens)
      const { seconds, grant_seconds } = await only(app.clientId)
      expect(grant_seconds).toBeGreaterThan(seconds)
    }
    expect(await introspect(gatehouse.issuer, app, tokens.access_token)).toMatchObject({ body: { active: true } })
  })

  it('is nothing that a reader of the database could use', async () => {
    const app = await makeApp({ isFirstParty: true })
    const tokens = await tokensOf(app, { scope: 'openid email' })
    const rows = await gatehouse.server.stores.database.query<{ row: string; key: string }>(
      "SELECT row_to_json(a)::text AS row, encode(key, 'base64') AS key FROM artifacts a UNION ALL SELECT row_to_json(g)::text, encode(key, 'base64') FROM grants g",
    )
    for (const token of [tokens.refresh_token, tokens.access_token]) {
      expect(rows.filter(({ row }) => row.includes(String(token)))).toEqual([])
      // Nor by a digest that anybody could compute.
      const plain = createHash('sha256').update(String(token)).digest('base64')
      expect(rows.filter(({ key }) => key === plain)).toEqual([])
    }
  })
})
