// What ends with one session, with all others, and with everything (threats S7, N4, O4).
import { type Application, authorizeUrl, pkce, redeem, refresh, type Tokens } from '../support/code-flow.ts'
import { finishSignIn } from '../support/engine-sign-in.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { pkceUrl, userinfo } from './requests.ts'

const redirectUri = 'https://app.example.com/cb'

let gatehouse: TestServer
let app: Application

beforeAll(async () => {
  gatehouse = await startTestServer()
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
})
afterAll(() => gatehouse.stop())

interface Browser {
  agent: UserAgent
  uid: string
  /** Ends with the session. */
  online: Tokens
  /** For offline use. */
  offline: Tokens
}

async function browserOf(sub: string, withOffline = true): Promise<Browser> {
  const agent = createUserAgent()
  const { stores } = gatehouse.server
  const known = (await stores.sessions.listOfAccount(sub)).map(({ uid }) => uid)
  await finishSignIn(gatehouse, agent, await agent.visit(pkceUrl(gatehouse.issuer, app)), { accountId: sub })
  const uid = String((await stores.sessions.listOfAccount(sub)).find((session) => !known.includes(session.uid))?.uid)
  // Each by a client of its own: what is for offline use makes its whole grant so.
  const other = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
  const tokensFor = async (client: Application, params: Record<string, string>) => {
    const { verifier, challenge } = pkce()
    const challenged = { code_challenge: challenge, code_challenge_method: 'S256', ...params }
    let page = await agent.visit(authorizeUrl(gatehouse.issuer, client, challenged))
    if (!page.location) page = await agent.submit(page, '/consent', { decision: 'allow' })
    const code = String(page.location?.searchParams.get('code'))
    return redeem(gatehouse.issuer, client, { code, verifier })
  }
  const online = await tokensFor(app, {})
  const offline = withOffline
    ? await tokensFor(other, { scope: 'openid offline_access', prompt: 'consent' })
    : ({ status: 0 } as Tokens)
  clients.set(online, app)
  clients.set(offline, other)
  return { agent, uid, online, offline }
}
const clients = new Map<Tokens, Application>()

const isSignedIn = async ({ agent }: Browser) =>
  (await agent.request(pkceUrl(gatehouse.issuer, app, { prompt: 'none' }))).location?.searchParams.has('code')
const isAlive = async (tokens: Tokens) => (await userinfo(gatehouse.issuer, tokens.access_token)).status === 200
const canRefresh = async (tokens: Tokens) => {
  const client = clients.get(tokens) as Application
  return (await refresh(gatehouse.issuer, client, String(tokens.refresh_token))).status === 200
}
const stateOf = async (browser: Browser) => ({
  signedIn: await isSignedIn(browser),
  online: [await isAlive(browser.online), await canRefresh(browser.online)],
  offline: [await isAlive(browser.offline), await canRefresh(browser.offline)],
})
const [yes, no] = [
  [true, true],
  [false, false],
]
const untouched = { signedIn: true, online: yes, offline: yes }
const signedOut = { signedIn: false, online: no, offline: yes }
const nothingLeft = { signedIn: false, online: no, offline: no }

async function scene() {
  const { sub } = await gatehouse.makeAccount()
  const neighbour = await browserOf((await gatehouse.makeAccount()).sub)
  return { sub, here: await browserOf(sub), there: await browserOf(sub), neighbour }
}

describe('ending one session', () => {
  it('takes what was granted in it along, but not what is for offline use, and leaves the others', async () => {
    const { sub, here, there, neighbour } = await scene()
    const version = (await gatehouse.server.stores.accounts.find(sub))?.securityVersion
    expect(await gatehouse.server.node.revocation.endSession(sub, there.uid)).toBe(true)
    expect(await stateOf(there)).toEqual(signedOut)
    expect(await stateOf(here)).toEqual(untouched)
    expect(await stateOf(neighbour)).toEqual(untouched)
    expect((await gatehouse.server.stores.accounts.find(sub))?.securityVersion).toBe(version)
    expect(await gatehouse.server.node.revocation.endSession(sub, there.uid)).toBe(false)
  })

  it('is refused for somebody else’s, and for what is none', async () => {
    const { sub, here, neighbour } = await scene()
    const { endSession } = gatehouse.server.node.revocation
    for (const uid of [neighbour.uid, '', 'x', "' OR true --"]) expect(await endSession(sub, uid)).toBe(false)
    expect(await stateOf(neighbour)).toEqual(untouched)
    expect(await stateOf(here)).toEqual(untouched)
  })
})

describe('ending all other sessions', () => {
  it('leaves the kept one as it is, and what is for offline use', async () => {
    const { sub, here, there, neighbour } = await scene()
    const before = (await gatehouse.server.stores.accounts.find(sub))?.securityVersion ?? 0
    await gatehouse.server.node.revocation.endOtherSessions(sub, here.uid)
    expect(await stateOf(here)).toEqual(untouched)
    expect(await stateOf(there)).toEqual(signedOut)
    expect(await stateOf(neighbour)).toEqual(untouched)
    expect((await gatehouse.server.stores.accounts.find(sub))?.securityVersion).toBe(before + 1)
  })
})

describe('ending everything', () => {
  it('leaves nothing of this account, and all of the others', async () => {
    const { sub, here, there, neighbour } = await scene()
    const before = (await gatehouse.server.stores.accounts.find(sub))?.securityVersion ?? 0
    await gatehouse.server.node.revocation.endEverything(sub)
    expect(await stateOf(here)).toEqual(nothingLeft)
    expect(await stateOf(there)).toEqual(nothingLeft)
    expect(await stateOf(neighbour)).toEqual(untouched)
    expect((await gatehouse.server.stores.accounts.find(sub))?.securityVersion).toBe(before + 1)
    const left = await gatehouse.server.stores.database.query('SELECT 1 FROM grants WHERE sub = $1', [sub])
    expect(left).toEqual([])
  })

  it('does nothing for an account that is not there', async () => {
    await gatehouse.server.node.revocation.endEverything('nobody')
    await gatehouse.server.node.revocation.endOtherSessions('nobody', 'x')
  })
})
