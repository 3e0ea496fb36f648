// Codes, links and passwords that arrive at one instant at two server processes: single use stays single use, and no more is tried than may be (threats X3, X4, L4).
import { setTimeout as sleep } from 'node:timers/promises'
import type { InteractionResults } from 'oidc-provider'
import { codeOf, enrolApp } from '../support/authenticator-app.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { type Application, authorizeUrl, pkce } from '../support/code-flow.ts'
import { interactionUid, storeResult } from '../support/engine-sign-in.ts'
import { type Answer, createHttpClient, type HttpClient, type Request } from '../support/http-client.ts'
import { type RaceLedger, race, report } from '../support/race-harness.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

const redirectUri = 'https://app.example.com/callback'
const { challenge } = pkce()
const env = { GATEHOUSE_TRUSTED_PROXIES: '127.0.0.1/32' }

interface Account {
  sub: string
  email: string
  password: string
}
interface Scene {
  cluster: Cluster
  clients: HttpClient[]
  app: Application
  account: Account
  secret: string
}

async function setScene(cluster: Cluster): Promise<Scene> {
  const { office } = cluster
  const account = await office.makeAccount()
  return {
    cluster,
    clients: cluster.nodes.map(({ client }) => client),
    app: { redirectUri, ...(await office.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) },
    account,
    secret: await enrolApp(office, account),
  }
}

/** A half-finished sign-in, and the browser that it belongs to. */
interface Waiting {
  uid: string
  cookie: string
}

const cookiesFor = (agent: UserAgent, path: string) =>
  [...agent.cookies]
    .flatMap(([key, cookie]) => (path.startsWith(cookie.path) ? [`${key.split(' ')[0]}=${cookie.value}`] : []))
    .join('; ')

async function waitForSignIn({ cluster, app }: Scene, result: InteractionResults = {}): Promise<Waiting> {
  const agent = createUserAgent()
  const url = authorizeUrl(cluster.issuer, app, { code_challenge: challenge, code_challenge_method: 'S256' })
  const page = await agent.visit(url)
  const uid = interactionUid(page)
  await storeResult(cluster.office, page, result)
  return { uid, cookie: cookiesFor(agent, `/interaction/${uid}`) }
}

/** The password has been shown; what is missing is the second factor. */
async function waitForFactor(scene: Scene): Promise<Waiting> {
  const { sub } = scene.account
  const securityVersion = (await scene.cluster.office.server.stores.accounts.find(sub))?.securityVersion
  const progress = { sub, securityVersion, methods: [{ method: 'password', at: Math.floor(Date.now() / 1000) }] }
  return waitForSignIn(scene, { signIn: { progress } })
}

const post = ({ uid, cookie }: Waiting, path: string, form: Record<string, string>): Request => ({
  path: `/interaction/${uid}${path}`,
  headers: { cookie, 'sec-fetch-site': 'same-origin', accept: 'text/html' },
  form,
})
const goesOn = ({ status }: Answer) => status === 303
const contenders = 8

/** One code in eight sign-ins of one account; those that it did not open stay for the next trial. */
async function codeTogether(scene: Scene, trials: number, method: 'totp' | 'recovery_code') {
  const { office } = scene.cluster
  const { database } = office.server.stores
  const waiting = await Promise.all(Array.from({ length: contenders }, () => waitForFactor(scene)))
  let codes: string[] = []
  return race({
    clients: scene.clients,
    trials,
    contenders,
    prepare: async () => {
      await database.query('DELETE FROM sign_in_throttle')
      if (method === 'totp') {
        await database.query('UPDATE totp_authenticators SET last_step = 0 WHERE sub = $1', [scene.account.sub])
        return codeOf(scene.secret)
      }
      if (codes.length === 0) codes = await office.server.node.factors.recoveryCodes.regenerate(scene.account.sub)
      return String(codes.pop())
    },
    request: (code, contender) => post(waiting[contender] as Waiting, '/second-factor', { method, code }),
    isSuccess: goesOn,
    afterwards: async (_, answers) => {
      for (const [contender, answer] of answers.entries())
        if (goesOn(answer)) waiting[contender] = await waitForFactor(scene)
    },
  })
}

const linkTogether = (scene: Scene, trials: number) =>
  race({
    clients: scene.clients,
    trials,
    contenders,
    prepare: async () => {
      const { accounts, links } = scene.cluster.office.server.stores
      const waiting = await waitForSignIn(scene)
      const { sub } = scene.account
      const securityVersion = (await accounts.find(sub))?.securityVersion
      const details = { uid: waiting.uid }
      return { waiting, token: await links.create('sign-in-link', { sub, seconds: 600, securityVersion, details }) }
    },
    request: ({ waiting, token }) => post(waiting, `/link/${token}`, {}),
    isSuccess: goesOn,
  })

const mailedCodeTogether = (scene: Scene, trials: number) =>
  race({
    clients: scene.clients,
    trials,
    contenders: 4,
    prepare: async () => {
      const { sub } = scene.account
      const { server } = scene.cluster.office
      const waiting = await waitForSignIn(scene)
      const securityVersion = (await server.stores.accounts.find(sub))?.securityVersion
      const given = { purpose: 'sign-in-link' as const, scope: waiting.uid, sub, securityVersion, seconds: 600 }
      return { waiting, code: await server.node.factors.emailCodes.create(given) }
    },
    request: ({ waiting, code }) => post(waiting, '/link/code', { code }),
    isSuccess: goesOn,
  })

const resetTogether = (scene: Scene, trials: number) =>
  race({
    clients: scene.clients,
    trials,
    contenders,
    prepare: async () => {
      const { accounts, links } = scene.cluster.office.server.stores
      const { sub } = scene.account
      const securityVersion = (await accounts.find(sub))?.securityVersion
      return links.create('reset-password', { sub, seconds: 600, securityVersion })
    },
    request: (token, contender) => ({
      path: `/reset-password/${token}`,
      headers: { 'sec-fetch-site': 'same-origin', accept: 'text/html' },
      form: { password: `an entirely new passphrase ${contender}` },
    }),
    isSuccess: ({ status }) => status === 200,
  })

const told = ({ bySuccesses, losers, serverErrors, milliseconds }: RaceLedger) =>
  `successes per trial ${JSON.stringify(bySuccesses)}, losers ${JSON.stringify(losers)}, 5xx ${serverErrors}, ${milliseconds} ms`

function expectExactlyOne(goal: string, ledger: RaceLedger): void {
  const isReached = ledger.exactlyOne === ledger.trials && ledger.serverErrors === 0
  report(goal, told(ledger), `exactly 1 in ${ledger.trials} of ${ledger.trials}, 0 5xx`, isReached)
  expect(ledger).toMatchObject({ broken: 0, serverErrors: 0, exactlyOne: ledger.trials })
}

interface Guessed {
  statuses: Record<number, number>
  /** Told that they were wrong: nobody learns that without the password having been looked at. */
  evaluated: number
  /** In the account's own log, which takes no more than twenty an hour. */
  logged: number
  /** Seconds from the first to the last answer. */
  seconds: number
}

/** All at once, through both processes, each from an address of its own or all from one. */
async function guessTogether(scene: Scene, guesses: number, addressOf: (guess: number) => string): Promise<Guessed> {
  const { office, nodes, issuer } = scene.cluster
  const { database } = office.server.stores
  const account = await office.makeAccount()
  await database.query('DELETE FROM sign_in_throttle')
  const waiting = await waitForSignIn(scene)
  const clients = nodes.map(({ port }) => createHttpClient({ port, host: new URL(issuer).host, limit: 60_000 }))
  const statuses: Record<number, number> = {}
  const began = performance.now()
  await Promise.all(
    Array.from({ length: guesses }, async (_, guess) => {
      const request = post(waiting, '/sign-in', { email: account.email, password: `a wrong guess, number ${guess}` })
      const headers = { ...request.headers, 'x-forwarded-for': addressOf(guess) }
      const answer = await (clients[guess % clients.length] as HttpClient).send({ ...request, headers })
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
    }),
  )
  const seconds = (performance.now() - began) / 1000
  for (const client of clients) client.close()
  const evaluated = statuses[400] ?? 0
  return { statuses, evaluated, logged: await countLogged(scene, account.sub, Math.min(evaluated, 20)), seconds }
}

/** It is written after the answer. */
async function countLogged({ cluster }: Scene, sub: string, expected: number): Promise<number> {
  const { database } = cluster.office.server.stores
  let logged = 0
  for (let wait = 0; wait < 40; wait += 1) {
    const [row] = await database.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM account_activity WHERE sub = $1 AND type IN ('sign_in_failed', 'locked')`,
      [sub],
    )
    logged = row?.count ?? 0
    if (logged >= expected) break
    await sleep(50)
  }
  return logged
}

/** `free` at once; then one after a second, one after two more, after four more … */
const allowedWithin = (seconds: number, free: number) => free + Math.floor(Math.log2(seconds + 1))

const everywhere = (guess: number) => `198.51.${Math.floor(guess / 250)}.${(guess % 250) + 1}`

function expectWithinLimit(goal: string, { statuses, evaluated, logged, seconds }: Guessed, free: number): void {
  const allowed = allowedWithin(seconds, free)
  const faults = Object.entries(statuses).filter(([status]) => Number(status) >= 500 && status !== '503')
  const isReached = evaluated <= allowed && faults.length === 0
  const value = `evaluated ${evaluated} in ${seconds.toFixed(1)} s, statuses ${JSON.stringify(statuses)}`
  report(goal, value, `at most ${allowed} (${free} at once), 0 5xx but 503`, isReached)
  expect(evaluated).toBeLessThanOrEqual(allowed)
  expect(logged).toBe(Math.min(evaluated, 20))
  expect(evaluated).toBeGreaterThan(0)
  expect(faults).toEqual([])
}

let cluster: Cluster
let scene: Scene
beforeAll(async () => {
  cluster = await startCluster({ env })
  scene = await setScene(cluster)
}, 60_000)
afterAll(() => cluster?.stop(), 30_000)

describe('at one instant on two server processes', () => {
  it('one code of an app opens one of eight sign-ins', async () => {
    expectExactlyOne('X3 one TOTP code x8', await codeTogether(scene, 200, 'totp'))
  }, 120_000)

  it('one recovery code opens one of eight sign-ins', async () => {
    expectExactlyOne('X3 one recovery code x8', await codeTogether(scene, 50, 'recovery_code'))
  }, 60_000)

  it('one sign-in link signs in once', async () => {
    expectExactlyOne('L4 one sign-in link x8', await linkTogether(scene, 50))
  }, 60_000)

  it('one code from a sign-in mail signs in once', async () => {
    expectExactlyOne('L4 one sign-in code x4', await mailedCodeTogether(scene, 50))
  }, 60_000)

  it('one reset link sets one password', async () => {
    expectExactlyOne('L4 one reset link x8', await resetTogether(scene, 15))
  }, 60_000)

  it('a thousand wrong passwords from as many addresses are tried no more often than the account allows', async () => {
    expectWithinLimit('X4 1,000 guesses, 1,000 addresses', await guessTogether(scene, 1000, everywhere), 20)
  }, 90_000)

  it('three hundred wrong passwords from one address are tried no more often than the address may', async () => {
    expectWithinLimit('X4 300 guesses, one address', await guessTogether(scene, 300, () => '203.0.113.9'), 5)
  }, 90_000)
})

describe('the same on a server that looks, then writes', () => {
  let naive: Cluster
  let naiveScene: Scene
  beforeAll(async () => {
    naive = await startCluster({ storage: 'naive', env })
    naiveScene = await setScene(naive)
  }, 60_000)
  afterAll(() => naive?.stop(), 30_000)

  const trials = 10
  const caught: [string, (scene: Scene) => Promise<RaceLedger>][] = [
    ['one TOTP code x8', (given) => codeTogether(given, trials, 'totp')],
    ['one recovery code x8', (given) => codeTogether(given, trials, 'recovery_code')],
    ['one sign-in link x8', (given) => linkTogether(given, trials)],
    ['one sign-in code x4', (given) => mailedCodeTogether(given, trials)],
    ['one reset link x8', (given) => resetTogether(given, 8)],
  ]
  it.each(caught)(
    'is caught: %s',
    async (name, attempt) => {
      const ledger = await attempt(naiveScene)
      const value = `more than one success in ${ledger.broken} of ${ledger.trials}; ${told(ledger)}`
      report(`naive sign-in: ${name}`, value, 'must be above 0', ledger.broken > 0)
      expect(ledger.broken).toBeGreaterThan(0)
    },
    60_000,
  )

  it('is caught: guesses pass the limit together', async () => {
    const { evaluated, seconds } = await guessTogether(naiveScene, 300, everywhere)
    const allowed = allowedWithin(seconds, 20)
    report('naive sign-in: 300 guesses', `evaluated ${evaluated}`, `must be above ${allowed}`, evaluated > allowed)
    expect(evaluated).toBeGreaterThan(allowed)
  }, 90_000)
})
