// Sessions that are ended while others are being made and tokens refreshed, on two server processes: nothing survives (threats X7, S7).
import { type Cluster, startCluster } from '../support/cluster.ts'
import { type Application, authorizeUrl, pkce, redeem } from '../support/code-flow.ts'
import { finishSignIn, storeResult } from '../support/engine-sign-in.ts'
import { type Answer, basic, type HttpClient, jsonOf, type Request } from '../support/http-client.ts'
import { mintRefreshToken } from '../support/minted-tokens.ts'
import { report } from '../support/race-harness.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

const redirectUri = 'https://app.example.com/callback'
const { verifier, challenge } = pkce()
const challenged = { code_challenge: challenge, code_challenge_method: 'S256' }
const trials = 60

let cluster: Cluster
let app: Application

beforeAll(async () => {
  cluster = await startCluster()
  app = { redirectUri, ...(await cluster.office.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
}, 60_000)
afterAll(() => cluster?.stop(), 30_000)

const later = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds))
const isOk = ({ status }: Answer) => status === 200
const codeOf = ({ headers }: Answer) => URL.parse(String(headers.location))?.searchParams.get('code')
const pathOf = ({ pathname, search }: URL) => pathname + search
const client = (index: number) => cluster.nodes[index % cluster.nodes.length]?.client as HttpClient

const cookiesFor = (agent: UserAgent, path: string) =>
  [...agent.cookies]
    .flatMap(([key, cookie]) => (path.startsWith(cookie.path) ? [`${key.split(' ')[0]}=${cookie.value}`] : []))
    .join('; ')

interface Person {
  sub: string
  version: number
}

const personOf = async (sub: string): Promise<Person> => {
  const account = await cluster.office.server.stores.accounts.find(sub)
  return { sub, version: account?.securityVersion ?? 0 }
}
const loginOf = ({ sub, version }: Person) => ({ accountId: sub, acr: 'phr', securityVersion: version })
const start = (agent: UserAgent) => agent.visit(authorizeUrl(cluster.issuer, app, challenged))

/** A browser that is signed in, and the tokens of its session. */
async function signedIn(person: Person) {
  const agent = createUserAgent()
  const end = await finishSignIn(cluster.office, agent, await start(agent), loginOf(person))
  const code = String(end.location?.searchParams.get('code'))
  const tokens = await redeem(cluster.issuer, app, { code, verifier })
  return { agent, refreshToken: String(tokens.refresh_token) }
}

/** A browser one request away from being signed in. */
async function aboutToBeSignedIn(person: Person): Promise<Request> {
  const agent = createUserAgent()
  const path = pathOf(new URL(await storeResult(cluster.office, await start(agent), { login: loginOf(person) })))
  return { path, headers: { cookie: cookiesFor(agent, path), accept: 'text/html' } }
}

const rotation = (refreshToken: string): Request => ({
  path: '/token',
  headers: basic(app),
  form: { grant_type: 'refresh_token', refresh_token: refreshToken },
})
const silently = (agent: UserAgent): Request => ({
  path: pathOf(authorizeUrl(cluster.issuer, app, { ...challenged, prompt: 'none' })),
  headers: { cookie: cookiesFor(agent, '/authorize') },
})
const redemption = (code: string): Request => ({
  path: '/token',
  headers: basic(app),
  form: { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: redirectUri },
})

/** Whatever was handed out meanwhile is presented afterwards. */
async function survivors(answers: Answer[], former: string[]): Promise<unknown[]> {
  const tokens = answers.filter(isOk).map(jsonOf)
  const codes = answers.flatMap((answer) => codeOf(answer) ?? [])
  const uses = await Promise.all([
    ...former.map((token) => client(0).send(rotation(token))),
    ...tokens.map(({ refresh_token }) => client(1).send(rotation(String(refresh_token)))),
    ...tokens.map(({ access_token }) =>
      client(0).send({ path: '/userinfo', headers: { authorization: `Bearer ${access_token}` } }),
    ),
    ...codes.map((code) => client(1).send(redemption(code))),
  ])
  return uses.filter(isOk)
}

interface Ending {
  name: string
  /** Uid of the session that stays; without it nothing does. */
  keep?: string
  end(): Promise<void>
}

async function raceAgainst(sub: string, { name, keep, end }: Ending, makeOffline: boolean) {
  const { stores } = cluster.office.server
  const alive: unknown[] = []
  const ledger = { resumed: 0, refreshed: 0, serverErrors: 0 }
  for (let trial = 0; trial < trials; trial += 1) {
    const person = await personOf(sub)
    const other = await signedIn(person)
    const offline = makeOffline ? [await mintRefreshToken(cluster.office, app, person)] : []
    const resumes = await Promise.all([1, 2, 3].map(() => aboutToBeSignedIn(person)))
    const refreshes = [other.refreshToken, other.refreshToken, ...offline].map(rotation)
    const requests = [...resumes, ...refreshes, silently(other.agent)]
    const [answers] = await Promise.all([
      Promise.all(requests.map((request, index) => client(index + trial).send(request))),
      later((trial % 15) * 1.5).then(end),
    ])
    ledger.serverErrors += answers.filter(({ status }) => status >= 500).length
    ledger.resumed += answers.slice(0, 3).filter(codeOf).length
    ledger.refreshed += answers.slice(3, 5).filter(isOk).length
    alive.push(...(await survivors(answers, [other.refreshToken, ...offline])))
    const sessions = await stores.sessions.listOfAccount(sub)
    alive.push(...sessions.filter(({ uid }) => uid !== keep))
    if (keep && sessions.length === 0) alive.push('the kept session was ended too')
    const grants = 'SELECT session_uid FROM grants WHERE sub = $1 AND session_uid IS DISTINCT FROM $2'
    alive.push(...(await stores.database.query(grants, [sub, keep])))
  }
  const total = trials * 3
  const value = `alive ${alive.length}, 5xx ${ledger.serverErrors}, resumed before ${ledger.resumed} of ${total}, refreshed before ${ledger.refreshed} of ${trials * 2}`
  report(`X7 ${name} vs sign-in and refresh`, value, 'alive 0, 5xx 0', alive.length + ledger.serverErrors === 0)
  expect(alive).toEqual([])
  expect(ledger.serverErrors).toBe(0)
  // Both orders were really met.
  expect(ledger.resumed).toBeGreaterThan(0)
  expect(ledger.resumed).toBeLessThan(total)
  expect(ledger.refreshed).toBeGreaterThan(0)
}

describe('while people sign in and tokens are refreshed', () => {
  it('all other sessions end, and the kept one stays', async () => {
    const { sub } = await cluster.office.makeAccount()
    await signedIn(await personOf(sub))
    const [kept] = await cluster.office.server.stores.sessions.listOfAccount(sub)
    const keep = String(kept?.uid)
    // What the kept browser holds stays as well.
    await cluster.office.server.stores.database.query('DELETE FROM grants WHERE sub = $1', [sub])
    const end = () => cluster.office.server.node.revocation.endOtherSessions(sub, keep)
    await raceAgainst(sub, { name: 'end other sessions', keep, end }, false)
  }, 120_000)

  it('everything ends', async () => {
    const { sub } = await cluster.office.makeAccount()
    const end = () => cluster.office.server.node.revocation.endEverything(sub)
    await raceAgainst(sub, { name: 'end everything', end }, true)
  }, 120_000)

  it('one session ends', async () => {
    const { sub } = await cluster.office.makeAccount()
    const { stores, node } = cluster.office.server
    const alive: unknown[] = []
    let [serverErrors, used] = [0, 0]
    for (let trial = 0; trial < trials; trial += 1) {
      const { agent, refreshToken } = await signedIn(await personOf(sub))
      const [session] = await stores.sessions.listOfAccount(sub)
      const requests = [rotation(refreshToken), silently(agent), silently(agent), rotation(refreshToken)]
      const [answers, isEnded] = await Promise.all([
        Promise.all(requests.map((request, index) => client(index + trial).send(request))),
        later((trial % 12) * 1.5).then(() => node.revocation.endSession(sub, String(session?.uid))),
      ])
      serverErrors += answers.filter(({ status }) => status >= 500).length
      used += answers.filter((answer) => isOk(answer) || codeOf(answer)).length
      if (!isEnded) alive.push('not ended')
      alive.push(...(await survivors(answers, [refreshToken])), ...(await stores.sessions.listOfAccount(sub)))
      alive.push(...(await stores.database.query('SELECT 1 FROM grants WHERE sub = $1', [sub])))
    }
    const value = `alive ${alive.length}, 5xx ${serverErrors}, used before ${used} of ${trials * 4}`
    report('X7 end one session vs use of it', value, 'alive 0, 5xx 0', alive.length + serverErrors === 0)
    expect(alive).toEqual([])
    expect(serverErrors).toBe(0)
    expect(used).toBeGreaterThan(0)
    expect(used).toBeLessThan(trials * 4)
  }, 120_000)
})
