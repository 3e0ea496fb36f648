// The server's own client for its account pages: it signs in without any token (OAuth 2.0 Multiple Response Types section 4).
import { accountClientId, ensureAccountClient } from '../../src/clients/account-client-registration.ts'
import { createClientStore } from '../../src/clients/client-store.ts'
import { type Application, authorizeUrl, signIn } from '../support/code-flow.ts'
import { freshDatabase } from '../support/fresh-database.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { pkceUrl, post, send } from './requests.ts'

let gatehouse: TestServer
let returnUri: string

beforeAll(async () => {
  gatehouse = await startTestServer()
  returnUri = `${gatehouse.issuer}/account/return`
})
afterAll(() => gatehouse.stop())

const own = () => ({ clientId: accountClientId, clientSecret: '', redirectUri: returnUri })
const url = (params: Record<string, string> = {}, client: Pick<Application, 'clientId' | 'redirectUri'> = own()) =>
  authorizeUrl(gatehouse.issuer, client, { response_type: 'none', ...params })
const query = (text: string, values: unknown[]) => gatehouse.server.stores.database.query(text, values)

describe('the account pages’ client', () => {
  it('signs a person in and sends the browser back with nothing but state and issuer', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    let page = await agent.request(url({ state: 'to the sessions' }))
    while (page.status === 303 && page.location && !page.location.href.startsWith(returnUri))
      page = await agent.request(page.location)
    expect(page.text).toContain('/sign-in"')
    const { pathname } = page.url
    const body = new URLSearchParams({ email: person.email, password: person.password })
    page = await agent.request(new URL(`${pathname}/sign-in`, gatehouse.issuer), { method: 'POST', body })
    page = await agent.request(page.location as URL)
    page = await agent.request(page.location as URL)
    expect([page.status, page.location?.origin, page.location?.pathname]).toEqual([
      303,
      gatehouse.issuer,
      '/account/return',
    ])
    expect(Object.fromEntries(page.location?.searchParams ?? [])).toEqual({
      state: 'to the sessions',
      iss: gatehouse.issuer,
    })
    expect(await query('SELECT 1 FROM sessions WHERE sub = $1', [person.sub])).toHaveLength(1)
    for (const table of ['grants', 'consents'])
      expect(await query(`SELECT 1 FROM ${table} WHERE sub = $1`, [person.sub])).toEqual([])
    expect(await query("SELECT 1 FROM artifacts WHERE model <> 'Interaction'", [])).toEqual([])
    // Signed in for every application, and asked nothing the next time.
    const again = await agent.request(url({ prompt: 'none', state: 'x' }))
    expect(Object.fromEntries(again.location?.searchParams ?? [])).toEqual({ state: 'x', iss: gatehouse.issuer })
    // And out again.
    await agent.submit(await agent.visit(`${gatehouse.issuer}/sign-out`), '/sign-out/confirm', { logout: 'yes' })
    expect((await agent.request(url({ prompt: 'none' }))).location?.searchParams.get('error')).toBe('login_required')
  })

  it('can ask for a fresh sign-in and for a level', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    await signIn(agent, await agent.visit(url()), person)
    for (const params of [{ max_age: '0' }, { prompt: 'login' }, { acr_values: 'phr' }]) {
      const page = await agent.request(url(params))
      expect(page.location?.pathname).toMatch(/^\/interaction\//)
    }
    const silent = await agent.request(url({ prompt: 'none', acr_values: 'phr' }))
    expect(silent.location?.searchParams.get('error')).toBe('login_required')
  })

  const challenged = { code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' }
  it.each([
    ['code', 'unauthorized_client'],
    ['token', 'unsupported_response_type'],
    ['code none', 'unsupported_response_type'],
  ])('gets no %s', async (response_type, error) => {
    const { location } = await createUserAgent().request(url({ response_type, ...challenged }))
    const told = new URLSearchParams(location?.search || location?.hash.slice(1))
    expect(told.get('error')).toBe(error)
  })

  it.each(['authorization_code', 'refresh_token', 'client_credentials'])('has no grant: %s', async (grant_type) => {
    const fields = { grant_type, code: 'x', refresh_token: 'x', client_id: accountClientId }
    const { status, body } = await post(gatehouse.issuer, '/token', fields)
    expect([status, body.error]).toEqual([400, 'unauthorized_client'])
  })

  it('comes back to its own address only', async () => {
    for (const redirectUri of [`${returnUri}/x`, `${returnUri}?x`, 'https://evil.example/account/return']) {
      const page = await createUserAgent().request(url({}, { ...own(), redirectUri }))
      expect([page.status, page.location]).toEqual([400, undefined])
    }
  })

  it('cannot be changed, disabled or deleted', async () => {
    const { node, stores } = gatehouse.server
    const before = await stores.clients.find(accountClientId)
    expect(before).toMatchObject({
      isBuiltIn: true,
      isFirstParty: true,
      kind: 'web',
      secrets: [],
      disabledAt: undefined,
    })
    const { clients } = node.registrations
    expect(await clients.update(accountClientId, { name: 'x' })).toEqual({ ok: false, reason: 'built_in' })
    expect(await clients.rotateSecret(accountClientId)).toEqual({ ok: false, reason: 'built_in' })
    expect(await node.revocation.disableClient(accountClientId)).toBe(false)
    expect(await node.revocation.deleteClient(accountClientId)).toBe(false)
    expect(await stores.clients.find(accountClientId)).toEqual(before)
  })
})

describe('other clients', () => {
  const redirectUri = 'https://app.example.com/cb'

  it('may not ask for none, as if it did not exist', async () => {
    const app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
    const { location } = await createUserAgent().request(url({}, app))
    expect(location?.href).toMatch(/^https:\/\/app\.example\.com\/cb\?/)
    expect(location?.searchParams.get('error')).toBe('unsupported_response_type')
    const pushed = Object.fromEntries(pkceUrl(gatehouse.issuer, app, { response_type: 'none' }).searchParams)
    const headers = { authorization: `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}` }
    expect((await post(gatehouse.issuer, '/par', pushed, headers)).body.error).toBe('unsupported_response_type')
  })

  it('are not told of it by discovery', async () => {
    const { body } = await send(new URL('/.well-known/openid-configuration', gatehouse.issuer))
    expect(body.response_types_supported).toEqual(['code'])
  })
})

describe('making it', () => {
  it('is done once, by many at the same time, and follows the issuer', async () => {
    const fresh = await freshDatabase()
    const clients = createClientStore({ database: fresh.database })
    const made = await Promise.all(Array.from({ length: 5 }, () => ensureAccountClient(clients, 'https://one.example')))
    expect(made.filter(Boolean)).toHaveLength(1)
    const first = await clients.find(accountClientId)
    expect(first?.metadata.redirect_uris).toEqual(['https://one.example/account/return'])
    expect(await ensureAccountClient(clients, 'https://one.example')).toBe(false)
    expect(await clients.find(accountClientId)).toEqual(first)
    expect(await ensureAccountClient(clients, 'https://two.example')).toBe(true)
    expect((await clients.find(accountClientId))?.metadata.redirect_uris).toEqual([
      'https://two.example/account/return',
    ])
    await fresh.drop()
  })
})
