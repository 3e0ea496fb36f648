// Requests that meet at one instant on two server processes: single use stays single use, and a retry logs nobody out.
import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { type Application, authorizeUrl, obtainCode, pkce } from '../support/code-flow.ts'
import { type Answer, basic, type HttpClient, jsonOf, type Request } from '../support/http-client.ts'
import { mintRefreshToken } from '../support/minted-tokens.ts'
import { type RaceLedger, race, report } from '../support/race-harness.ts'
import { formOf, type UserAgent } from '../support/user-agent.ts'

const redirectUri = 'https://app.example.com/callback'
const { verifier, challenge } = pkce()
const isOk = ({ status }: Answer) => status === 200

interface Scene {
  cluster: Cluster
  clients: HttpClient[]
  app: Application
  person: { sub: string; email: string; password: string }
  /** Browsers in which the person is signed in. */
  agents: UserAgent[]
  machine: { clientId: string; clientSecret: string }
  assertingMachine: { clientId: string; key: KeyObject }
  proofKey: ReturnType<typeof generateKeyPairSync>
}

async function setScene(cluster: Cluster): Promise<Scene> {
  const { office } = cluster
  const person = await office.makeAccount()
  const app = { redirectUri, ...(await office.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
  const audience = await office.makeApi()
  const apis = { [audience]: ['things:read'] }
  const machine = await office.makeClient({ kind: 'machine', apis })
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const asserting = await office.makeClient({
    kind: 'machine',
    apis,
    tokenEndpointAuthMethod: 'private_key_jwt',
    jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'k' }] },
  })
  const agents: UserAgent[] = []
  for (let browser = 0; browser < 4; browser += 1) agents.push((await obtainCode(cluster, app, person)).agent)
  return {
    cluster,
    clients: cluster.nodes.map(({ client }) => client),
    app,
    person,
    agents,
    machine,
    assertingMachine: { clientId: asserting.clientId, key: privateKey },
    proofKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  }
}

const cookieOf = (agent: UserAgent | undefined) =>
  [...(agent?.cookies ?? [])]
    .flatMap(([key, { value, path }]) => (path === '/' ? [`${key.split(' ')[0]}=${value}`] : []))
    .join('; ')

const challenged = { code_challenge: challenge, code_challenge_method: 'S256' }
const pathOf = ({ pathname, search }: URL) => pathname + search

async function freshCode({ cluster, clients, app, agents }: Scene): Promise<string> {
  const path = pathOf(authorizeUrl(cluster.issuer, app, challenged))
  const answer = await (clients[0] as HttpClient).send({ path, headers: { cookie: cookieOf(agents[0]) } })
  const code = new URL(String(answer.headers.location)).searchParams.get('code')
  if (!code) throw new Error(`no code: ${answer.status} ${answer.headers.location}`)
  return code
}

const redemption = ({ app }: Scene, code: string): Request => ({
  path: '/token',
  headers: basic(app),
  form: { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: redirectUri },
})

const rotation = ({ app }: Scene, refreshToken: string): Request => ({
  path: '/token',
  headers: basic(app),
  form: { grant_type: 'refresh_token', refresh_token: refreshToken },
})

const redeemTogether = (scene: Scene, trials: number) =>
  race({
    clients: scene.clients,
    trials,
    prepare: () => freshCode(scene),
    request: (code) => redemption(scene, code),
    isSuccess: isOk,
  })

const pushTogether = (scene: Scene, trials: number) =>
  race({
    clients: scene.clients,
    trials,
    prepare: async () => {
      const params = authorizeUrl(scene.cluster.issuer, scene.app, challenged).searchParams
      const form = Object.fromEntries(params)
      const pushed = await (scene.clients[0] as HttpClient).send({ path: '/par', headers: basic(scene.app), form })
      return String(jsonOf(pushed).request_uri)
    },
    // From several browsers: the tabs of one queue at their session anyway.
    request: (requestUri, contender) => ({
      path: `/authorize?${new URLSearchParams({ client_id: scene.app.clientId, request_uri: requestUri })}`,
      headers: { cookie: cookieOf(scene.agents[contender % scene.agents.length]), accept: 'text/html' },
    }),
    isSuccess: ({ status, headers }) => status === 303 && String(headers.location).includes('code='),
  })

const assertTogether = (scene: Scene, trials: number) => {
  const { clientId, key } = scene.assertingMachine
  return race({
    clients: scene.clients,
    trials,
    prepare: () =>
      new SignJWT({ jti: randomUUID() })
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .setIssuer(clientId)
        .setSubject(clientId)
        .setAudience(scene.cluster.issuer)
        .setIssuedAt()
        .setExpirationTime('1m')
        .sign(key),
    request: (assertion) => ({
      path: '/token',
      form: {
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      },
    }),
    isSuccess: isOk,
  })
}

const proveTogether = ({ cluster, clients, machine, proofKey: { publicKey, privateKey } }: Scene, trials: number) =>
  race({
    clients,
    trials,
    prepare: () =>
      new SignJWT({ jti: randomUUID(), htm: 'POST', htu: `${cluster.issuer}/token` })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: publicKey.export({ format: 'jwk' }) as never })
        .setIssuedAt()
        .sign(privateKey),
    request: (proof) => ({
      path: '/token',
      headers: { ...basic(machine), dpop: proof },
      form: { grant_type: 'client_credentials' },
    }),
    isSuccess: isOk,
  })

const told = ({ bySuccesses, serverErrors, milliseconds }: RaceLedger) =>
  `successes per trial ${JSON.stringify(bySuccesses)}, 5xx ${serverErrors}, ${milliseconds} ms`

function expectExactlyOne(goal: string, ledger: RaceLedger, loserStatuses: number[]): void {
  const isReached = ledger.exactlyOne === ledger.trials && ledger.serverErrors === 0
  report(goal, told(ledger), `exactly 1 in ${ledger.trials} of ${ledger.trials}, 0 5xx`, isReached)
  expect(ledger).toMatchObject({ broken: 0, serverErrors: 0, exactlyOne: ledger.trials })
  expect(Object.keys(ledger.losers).map(Number)).toEqual(loserStatuses)
}

let cluster: Cluster
let scene: Scene
beforeAll(async () => {
  cluster = await startCluster()
  scene = await setScene(cluster)
}, 60_000)
afterAll(() => cluster?.stop(), 30_000)

describe('eight requests at once on two server processes', () => {
  it('redeem one code once', async () => {
    expectExactlyOne('G2 one code x8', await redeemTogether(scene, 200), [400])
  }, 120_000)

  it('rotate one refresh token to one successor that lives, and the successor rotates on', async () => {
    const { stores } = cluster.office.server
    const liveLines = (token: string) =>
      stores.database.query<{ live: string }>(
        `SELECT count(*) AS live FROM artifacts WHERE model = 'RefreshToken' AND consumed_at IS NULL
           AND grant_key = (SELECT grant_key FROM artifacts WHERE key = $1)`,
        [stores.sealing.digest(token)],
      )
    let token = ''
    const wrong: unknown[] = []
    const ledger = await race({
      clients: scene.clients,
      trials: 200,
      // One trial's successor is what the next one fights for; now and then a new family.
      prepare: async (trial) => {
        if (trial % 25 === 0) token = await mintRefreshToken(cluster.office, scene.app, scene.person, 'offline_access')
        return token
      },
      request: (current) => rotation(scene, current),
      isSuccess: isOk,
      afterwards: async (_, answers) => {
        const successors = new Set(answers.map((answer) => jsonOf(answer).refresh_token))
        token = String([...successors][0])
        const [lines] = await liveLines(token)
        if (successors.size !== 1 || lines?.live !== '1') wrong.push({ successors: successors.size, lines })
      },
    })
    const isReached = wrong.length === 0 && ledger.bySuccesses[8] === 200
    report('G3 one refresh token x8, inside the grace', told(ledger), 'all 8 usable, 1 live line', isReached)
    expect(wrong).toEqual([])
    expect(ledger).toMatchObject({ serverErrors: 0, bySuccesses: { 8: 200 } })
  }, 120_000)

  it('refuse a refresh token after the grace, and end its family', async () => {
    const { stores } = cluster.office.server
    const survivors: unknown[] = []
    const ledger = await race({
      clients: scene.clients,
      trials: 25,
      prepare: async () => {
        const first = await mintRefreshToken(cluster.office, scene.app, scene.person)
        const rotated = await (scene.clients[0] as HttpClient).send(rotation(scene, first))
        await stores.database.query(
          `UPDATE artifacts SET consumed_at = consumed_at - interval '11 s' WHERE key = $1 AND consumed_at IS NOT NULL`,
          [stores.sealing.digest(first)],
        )
        return { first, second: String(jsonOf(rotated).refresh_token), access: String(jsonOf(rotated).access_token) }
      },
      request: ({ first }) => rotation(scene, first),
      isSuccess: isOk,
      afterwards: async ({ second, access }) => {
        const [one, other] = scene.clients as [HttpClient, HttpClient]
        const answers = [
          await one.send(rotation(scene, second)),
          await other.send({ path: '/userinfo', headers: { authorization: `Bearer ${access}` } }),
        ]
        if (answers.map(({ status }) => status).join() !== '400,401') survivors.push(answers)
      },
    })
    const isReached = ledger.bySuccesses[0] === 25 && survivors.length === 0
    report('G3 one refresh token x8, after the grace', told(ledger), '0 successes, family dead', isReached)
    expect(survivors).toEqual([])
    expect(ledger).toMatchObject({ serverErrors: 0, bySuccesses: { 0: 25 }, losers: { 400: 200 } })
  }, 60_000)

  it('use one pushed authorization request once', async () => {
    expectExactlyOne('G4 one request_uri x8', await pushTogether(scene, 40), [400])
  }, 60_000)

  it('use one client assertion once', async () => {
    expectExactlyOne('G4 one assertion jti x8', await assertTogether(scene, 40), [401])
  }, 60_000)

  it('use one DPoP proof once', async () => {
    expectExactlyOne('G4 one DPoP jti x8', await proveTogether(scene, 40), [400])
  }, 60_000)
})

describe('six tabs of one browser', () => {
  it('that sign in again together keep one session with every application in it, and sign out together', async () => {
    const { office, issuer } = cluster
    const person = await office.makeAccount()
    const makeTab = async () => ({
      redirectUri,
      ...(await office.makeClient({ redirectUris: [redirectUri], isFirstParty: true })),
    })
    const apps = await Promise.all(Array.from({ length: 6 }, makeTab))
    const { agent } = await obtainCode(cluster, apps[0] as Application, person)
    for (let round = 0; round < 3; round += 1) {
      const pages = await Promise.all(
        apps.map((app) => agent.visit(authorizeUrl(issuer, app, { ...challenged, prompt: 'login' }))),
      )
      // The passwords one after another (a burst of them is held up by the throttle), then all tabs go on at once.
      const resumes: URL[] = []
      for (const page of pages) {
        const { action, fields } = formOf(page.text, '/sign-in')
        const body = new URLSearchParams({ ...fields, email: person.email, password: person.password })
        const answer = await agent.request(new URL(action, issuer), { method: 'POST', body })
        resumes.push(answer.location as URL)
      }
      const ends = await Promise.all(resumes.map((resume) => agent.visit(resume)))
      expect(ends.map(({ location }) => location?.searchParams.has('code'))).toEqual(apps.map(() => true))
    }
    const { database } = office.server.stores
    const sessions = await database.query<{ payload: { authorizations: object } }>(
      'SELECT payload FROM sessions WHERE sub = $1',
      [person.sub],
    )
    const known = Object.keys(sessions[0]?.payload.authorizations ?? {}).toSorted()
    const isReached = sessions.length === 1 && known.length === 6
    report('X8 six tabs', `${sessions.length} session, ${known.length} applications`, '1, 6', isReached)
    expect(sessions).toHaveLength(1)
    expect(known).toEqual(apps.map(({ clientId }) => clientId).toSorted())

    const thief = agent.clone()
    await agent.submit(await agent.visit(`${issuer}/sign-out`), '/sign-out/confirm', { logout: 'yes' })
    for (const holder of [agent, thief]) {
      const answer = await holder.request(
        authorizeUrl(issuer, apps[3] as Application, { ...challenged, prompt: 'none' }),
      )
      expect(answer.location?.searchParams.get('error')).toBe('login_required')
    }
    expect(await database.query('SELECT 1 FROM sessions WHERE sub = $1', [person.sub])).toEqual([])
    expect(await database.query('SELECT 1 FROM grants WHERE sub = $1 AND NOT offline', [person.sub])).toEqual([])
  }, 60_000)
})

describe('access that is taken away while it is used', () => {
  const trials = 60

  it('leaves nothing alive when an account is disabled during a refresh', async () => {
    const { office } = cluster
    const { stores, node } = office.server
    const [one, other] = scene.clients as [HttpClient, HttpClient]
    const alive: unknown[] = []
    let refreshed = 0
    let serverErrors = 0
    for (let trial = 0; trial < trials; trial += 1) {
      const token = await mintRefreshToken(office, scene.app, scene.person)
      const [answers] = await Promise.all([
        Promise.all([one, other, one, other].map((client) => client.send(rotation(scene, token)))),
        later((trial % 12) / 2).then(() => node.revocation.disableAccount(scene.person.sub)),
      ])
      // Only what is gone for good stays dead after this.
      await node.revocation.enableAccount(scene.person.sub)
      refreshed += answers.filter(isOk).length
      serverErrors += answers.filter(({ status }) => status >= 500).length
      const tokens = answers.filter(isOk).map(jsonOf)
      const uses = await Promise.all([
        one.send(rotation(scene, token)),
        ...tokens.map(({ refresh_token }) => other.send(rotation(scene, String(refresh_token)))),
        ...tokens.map(({ access_token }) =>
          one.send({ path: '/userinfo', headers: { authorization: `Bearer ${access_token}` } }),
        ),
      ])
      if (uses.some(isOk)) alive.push(uses)
      const rows = await stores.database.query('SELECT 1 FROM grants WHERE sub = $1', [scene.person.sub])
      if (rows.length > 0) alive.push(rows)
    }
    const value = `alive ${alive.length}, 5xx ${serverErrors}, refreshed before ${refreshed} of ${trials * 4}`
    report('X7 disable account vs refresh', value, 'alive 0, 5xx 0', alive.length + serverErrors === 0)
    expect(alive).toEqual([])
    expect(serverErrors).toBe(0)
    // Both orders were really met.
    expect(refreshed).toBeGreaterThan(0)
    expect(refreshed).toBeLessThan(trials * 4)
  }, 60_000)

  it('leaves nothing alive when a client is deleted while tokens are issued to it', async () => {
    const { office } = cluster
    const { stores, node } = office.server
    const [one, other] = scene.clients as [HttpClient, HttpClient]
    const audience = await office.makeApi({ tokenFormat: 'opaque' })
    const apis = { [audience]: ['things:read'] }
    const form = { grant_type: 'client_credentials' }
    const alive: unknown[] = []
    let issued = 0
    let serverErrors = 0
    for (let trial = 0; trial < trials; trial += 1) {
      const machine = await office.makeClient({ kind: 'machine', apis })
      const request = { path: '/token', headers: basic(machine), form }
      await Promise.all([one, other].map((client) => client.send(request)))
      const [answers] = await Promise.all([
        Promise.all([one, other, one, other].map((client) => client.send(request))),
        later((trial % 12) / 3).then(() => node.revocation.deleteClient(machine.clientId)),
      ])
      issued += answers.filter(isOk).length
      serverErrors += answers.filter(({ status }) => status >= 500).length
      const keys = answers.filter(isOk).map((answer) => stores.sealing.digest(String(jsonOf(answer).access_token)))
      const rows = await stores.database.query('SELECT 1 FROM artifacts WHERE key = ANY($1) OR client_id = $2', [
        keys,
        machine.clientId,
      ])
      if (rows.length > 0) alive.push(rows)
    }
    const value = `alive ${alive.length}, 5xx ${serverErrors}, issued before ${issued} of ${trials * 4}`
    report('X7 delete client vs token', value, 'alive 0, 5xx 0', alive.length + serverErrors === 0)
    expect(alive).toEqual([])
    expect(serverErrors).toBe(0)
    expect(issued).toBeGreaterThan(0)
    expect(issued).toBeLessThan(trials * 4)
  }, 60_000)
})

const later = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds))

describe('the same races on a storage that looks, then writes', () => {
  let naive: Cluster
  let naiveScene: Scene
  beforeAll(async () => {
    naive = await startCluster({ storage: 'naive' })
    naiveScene = await setScene(naive)
  }, 60_000)
  afterAll(() => naive?.stop(), 30_000)

  const naiveTrials = 20
  const caught: [string, typeof redeemTogether][] = [
    ['one code x8', redeemTogether],
    ['one request_uri x8', pushTogether],
    ['one assertion jti x8', assertTogether],
    ['one DPoP jti x8', proveTogether],
  ]
  it.each(caught)(
    'are caught: %s',
    async (name, attempt) => {
      const ledger = await attempt(naiveScene, naiveTrials)
      const value = `more than one success in ${ledger.broken} of ${naiveTrials}; ${told(ledger)}`
      report(`naive storage: ${name}`, value, 'must be above 0', ledger.broken > 0)
      expect(ledger.broken).toBeGreaterThan(0)
    },
    60_000,
  )
})
