// How many statements each kind of request costs. `statements` hears what the server asks; BEGIN and COMMIT are counted on the driver.
import { jest } from '@jest/globals'
import pg from 'pg'
import {
  type Application,
  authorizeUrl,
  obtainCode,
  pkce,
  redeem,
  refresh,
  tokenRequest,
} from '../../support/code-flow.ts'
import { startTestServer, type TestServer } from '../../support/test-server.ts'
import { createUserAgent, type UserAgent } from '../../support/user-agent.ts'

const redirectUri = 'https://app.example.com/callback'
const machineGrant = { grant_type: 'client_credentials' }

let gatehouse: TestServer
let app: Application
let agent: UserAgent
let tokens: { access_token?: string; refresh_token?: string }
let jwtMachine: { clientId: string; clientSecret: string }
let opaqueMachine: { clientId: string; clientSecret: string }
let opaqueToken: string
const sent: string[] = []

beforeAll(async () => {
  // Each client's own connection: what a pool hands out is sent here in the end.
  const send = pg.Client.prototype.query as (...given: unknown[]) => unknown
  jest.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...given: unknown[]) {
    const [first] = given as [string | { text?: string }]
    sent.push(typeof first === 'string' ? first : (first.text ?? ''))
    return send.apply(this, given)
  } as never)
  gatehouse = await startTestServer()
  const person = await gatehouse.makeAccount()
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
  const jwtApi = await gatehouse.makeApi()
  const opaqueApi = await gatehouse.makeApi({ tokenFormat: 'opaque' })
  jwtMachine = await gatehouse.makeClient({ kind: 'machine', apis: { [jwtApi]: ['things:read'] } })
  opaqueMachine = await gatehouse.makeClient({ kind: 'machine', apis: { [opaqueApi]: ['things:read'] } })
  const code = await obtainCode(gatehouse, app, person, { scope: 'openid email' })
  agent = code.agent
  tokens = await redeem(gatehouse.issuer, app, code)
  // Warm: every client and API in memory.
  await tokenRequest(gatehouse.issuer, jwtMachine, machineGrant)
  opaqueToken = String((await tokenRequest(gatehouse.issuer, opaqueMachine, machineGrant)).access_token)
  await fetch(new URL('/jwks', gatehouse.issuer))
  await fetch(new URL('/.well-known/openid-configuration', gatehouse.issuer))
})
afterAll(async () => {
  await gatehouse.stop()
  jest.restoreAllMocks()
})

/** The listener's and the readiness probe's are not the request's. */
const isBackground = (text: string) => text === 'SELECT 1' || text.startsWith('LISTEN') || /signing_keys/.test(text)

async function count(act: () => Promise<{ status: number }>) {
  gatehouse.statements.length = 0
  sent.length = 0
  const { status } = await act()
  const statements = gatehouse.statements.filter((text) => !isBackground(text))
  const driver = sent.filter((text) => !isBackground(text))
  const transactions = driver.filter((text) => text === 'BEGIN').length
  expect(driver.filter((text) => text === 'COMMIT')).toHaveLength(transactions)
  // Everything that the driver was given is accounted for.
  expect(driver).toHaveLength(statements.length + 2 * transactions)
  process.stdout.write(
    `${statements.length} statements, ${transactions} transactions: ${expect.getState().currentTestName}\n`,
  )
  return { status, statements: statements.length, transactions }
}

const introspect = (token: string, client: { clientId: string; clientSecret: string }) =>
  fetch(new URL('/introspect', gatehouse.issuer), {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64')}` },
    body: new URLSearchParams({ token }),
  })

describe('a request asks the database for', () => {
  it('nothing when a machine gets a JWT', async () => {
    const counted = await count(() => tokenRequest(gatehouse.issuer, jwtMachine, machineGrant))
    expect(counted).toEqual({ status: 200, statements: 0, transactions: 0 })
  })

  it('one statement when a machine gets an opaque token', async () => {
    const counted = await count(() => tokenRequest(gatehouse.issuer, opaqueMachine, machineGrant))
    expect(counted).toEqual({ status: 200, statements: 1, transactions: 1 })
  })

  it.each(['/jwks', '/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'])(
    'nothing for %s',
    async (path) => {
      await fetch(new URL(path, gatehouse.issuer))
      const counted = await count(() => fetch(new URL(path, gatehouse.issuer)))
      expect(counted).toEqual({ status: 200, statements: 0, transactions: 0 })
    },
  )

  it('two statements at most, and no transaction, when a token of a machine is introspected', async () => {
    const counted = await count(() => introspect(opaqueToken, opaqueMachine))
    expect(counted).toMatchObject({ status: 200, transactions: 0 })
    expect(counted.statements).toBeLessThanOrEqual(2)
    expect(counted.statements).toBeGreaterThan(0)
  })

  it('two statements at most, and no transaction, when a token of a person is introspected', async () => {
    const counted = await count(() => introspect(String(tokens.access_token), app))
    expect(counted).toMatchObject({ status: 200, transactions: 0 })
    expect(counted.statements).toBeLessThanOrEqual(2)
  })

  it('three statements at most, and no transaction, for userinfo', async () => {
    const headers = { authorization: `Bearer ${tokens.access_token}` }
    const counted = await count(() => fetch(new URL('/userinfo', gatehouse.issuer), { headers }))
    expect(counted).toMatchObject({ status: 200, transactions: 0 })
    expect(counted.statements).toBeLessThanOrEqual(3)
  })

  it('one transaction of eight statements at most when a refresh token is rotated', async () => {
    const counted = await count(async () => {
      const rotated = await refresh(gatehouse.issuer, app, String(tokens.refresh_token))
      tokens = rotated
      return rotated
    })
    expect(counted).toMatchObject({ status: 200, transactions: 1 })
    expect(counted.statements).toBeLessThanOrEqual(8)
  })

  it('one transaction when a code is issued to somebody who is signed in, and one when it is redeemed', async () => {
    const { verifier, challenge } = pkce()
    const url = authorizeUrl(gatehouse.issuer, app, { code_challenge: challenge, code_challenge_method: 'S256' })
    let code = ''
    const issued = await count(async () => {
      const page = await agent.request(url)
      code = String(page.location?.searchParams.get('code'))
      return page
    })
    expect(issued).toMatchObject({ status: 303, transactions: 1 })
    const redeemed = await count(() => redeem(gatehouse.issuer, app, { code, verifier }))
    expect(redeemed).toMatchObject({ status: 200, transactions: 1 })
  })

  it('one transaction when a token is revoked', async () => {
    const counted = await count(() =>
      fetch(new URL('/revoke', gatehouse.issuer), {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}` },
        body: new URLSearchParams({ token: String(tokens.refresh_token) }),
      }),
    )
    expect(counted).toMatchObject({ status: 200, transactions: 1 })
  })

  it('nothing for a client secret that is wrong', async () => {
    const wrong = { ...jwtMachine, clientSecret: 'wrong' }
    const counted = await count(() => tokenRequest(gatehouse.issuer, wrong, machineGrant))
    expect(counted).toEqual({ status: 401, statements: 0, transactions: 0 })
  })

  it('little for a stranger who begins to sign in', async () => {
    const { challenge } = pkce()
    const url = authorizeUrl(gatehouse.issuer, app, { code_challenge: challenge, code_challenge_method: 'S256' })
    const counted = await count(() => createUserAgent().request(url))
    expect(counted).toMatchObject({ status: 303, statements: 1, transactions: 1 })
  })
})
