// A server process that is killed at any moment, or told to stop: nobody is logged out, and nobody who was being answered is cut off.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, type NodeProcess, startCluster } from '../support/cluster.ts'
import { type Application, authorizeUrl, obtainCode, pkce } from '../support/code-flow.ts'
import { startCommitTrap } from '../support/commit-trap.ts'
import { type Answer, basic, type HttpClient, jsonOf, type Request } from '../support/http-client.ts'
import { mintRefreshToken } from '../support/minted-tokens.ts'
import { report } from '../support/race-harness.ts'

const redirectUri = 'https://app.example.com/callback'
const { verifier, challenge } = pkce()

let cluster: Cluster
let survivor: NodeProcess
let app: Application
let person: { sub: string; email: string; password: string }
let cookie: string

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1 })
  survivor = cluster.nodes[0] as NodeProcess
  person = await cluster.office.makeAccount()
  app = { redirectUri, ...(await cluster.office.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
  const { agent } = await obtainCode(cluster, app, person)
  cookie = [...agent.cookies]
    .flatMap(([key, entry]) => (entry.path === '/' ? [`${key.split(' ')[0]}=${entry.value}`] : []))
    .join('; ')
}, 60_000)
afterAll(() => cluster?.stop(), 30_000)

const rotation = (token: string): Request => ({
  path: '/token',
  headers: basic(app),
  form: { grant_type: 'refresh_token', refresh_token: token },
})

const redemption = (code: string): Request => ({
  path: '/token',
  headers: basic(app),
  form: { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: redirectUri },
})

/** As an application does whose person is signed in at the server: nobody is asked anything. */
async function silentCode(client: HttpClient): Promise<string> {
  const params = { code_challenge: challenge, code_challenge_method: 'S256', prompt: 'none' }
  const { pathname, search } = authorizeUrl(cluster.issuer, app, params)
  const answer = await client.send({ path: pathname + search, headers: { cookie } })
  const code = new URL(String(answer.headers.location)).searchParams.get('code')
  if (!code) throw new Error(`no code without asking: ${answer.headers.location}`)
  return code
}

// Seeded, so that a failure can be run again.
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

const attempt = (client: HttpClient, request: Request): Promise<Answer | undefined> =>
  client.send(request).catch(() => undefined)

describe('a server process that is killed while it answers', () => {
  it('logs nobody out who tries once more on another one', async () => {
    const trials = 30
    const random = createRandom(7)
    const tokens = await Promise.all(Array.from({ length: 3 }, () => mintRefreshToken(cluster.office, app, person)))
    const spare = await Promise.all(Array.from({ length: 4 }, () => mintRefreshToken(cluster.office, app, person)))
    const loggedOut: unknown[] = []
    const counts = { answered: 0, lostBefore: 0, lostAfter: 0, silent: 0 }
    const { database, sealing } = cluster.office.server.stores
    const isConsumed = async (token: string) => {
      const rows = await database.query('SELECT 1 FROM artifacts WHERE key = $1 AND consumed_at IS NOT NULL', [
        sealing.digest(token),
      ])
      return rows.length > 0
    }

    const refreshThrough = async (victim: NodeProcess, index: number) => {
      const before = tokens[index] as string
      const first = await attempt(victim.client, rotation(before))
      if (first?.status === 200) counts.answered += 1
      else counts[(await isConsumed(before)) ? 'lostAfter' : 'lostBefore'] += 1
      const answer = first?.status === 200 ? first : await survivor.client.send(rotation(before))
      if (answer.status !== 200) loggedOut.push({ first: first?.status, retry: answer.text })
      tokens[index] = String(jsonOf(answer).refresh_token)
    }
    const redeemThrough = async (victim: NodeProcess, code: string) => {
      const first = await attempt(victim.client, redemption(code))
      if (first?.status === 200) return
      const retry = await survivor.client.send(redemption(code))
      if (retry.status === 200) return
      // The code was used up and the answer lost: codes know no grace, but the session still stands.
      counts.silent += 1
      const again = await survivor.client.send(redemption(await silentCode(survivor.client)))
      if (again.status !== 200) loggedOut.push({ retry: retry.text, again: again.text })
    }

    const rehearse = async (victim: NodeProcess) => {
      let milliseconds = 0
      for (let burst = 0; burst < 2; burst += 1) {
        const began = performance.now()
        const answers = await Promise.all(spare.map((token) => victim.client.send(rotation(token))))
        milliseconds = performance.now() - began
        for (const [index, answer] of answers.entries()) spare[index] = String(jsonOf(answer).refresh_token)
      }
      return milliseconds
    }

    const victims: NodeProcess[] = []
    for (let trial = 0; trial < trials; trial += 1) {
      // A few at a time, and not while requests are under way: a start takes a whole core.
      if (victims.length === 0) victims.push(...(await Promise.all(Array.from({ length: 5 }, () => cluster.addNode()))))
      const victim = victims.pop() as NodeProcess
      const [, code] = await Promise.all([victim.client.warm(4), silentCode(survivor.client)])
      // How long a burst takes this process, once it is warm: the moment lies anywhere in one, or just after it.
      const usual = await rehearse(victim)
      const kill = sleep(random() * 1.4 * usual).then(() => victim.child.kill('SIGKILL'))
      await Promise.all([redeemThrough(victim, code), ...tokens.map((_, index) => refreshThrough(victim, index)), kill])
      expect(await victim.exited).toBe('SIGKILL')
    }
    const last = await Promise.all(tokens.map((token) => survivor.client.send(rotation(token))))
    const halfWritten = await database.query(
      `SELECT model FROM artifacts a WHERE model IN ('RefreshToken', 'AccessToken', 'AuthorizationCode')
         AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.key = a.grant_key)`,
    )
    const forked = await database.query(
      `SELECT 1 FROM artifacts WHERE model = 'RefreshToken' AND consumed_at IS NULL
         AND grant_key IN (SELECT grant_key FROM artifacts WHERE key = ANY($1)) GROUP BY grant_key HAVING count(*) > 1`,
      [tokens.map(sealing.digest)],
    )
    const value = `${loggedOut.length} logged out; ${JSON.stringify(counts)}`
    report(`G10 kill -9 x${trials}`, value, '0 logged out', loggedOut.length === 0)
    expect(loggedOut).toEqual([])
    expect(last.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(halfWritten).toEqual([])
    expect(forked).toEqual([])
    // The moments were spread: some answers came, some were lost.
    expect(counts.answered).toBeGreaterThan(0)
    expect(counts.lostBefore + counts.lostAfter).toBeGreaterThan(0)
  }, 120_000)
})

describe('a server process that is killed when its transaction has been committed, and before it can say so', () => {
  const trials = 6
  const killAtCommit = async (request: () => Promise<Request>): Promise<void> => {
    const trap = await startCommitTrap(cluster.url)
    const node = await cluster.addNode({ DATABASE_URL: trap.url })
    await node.client.warm(1)
    const prepared = await request()
    trap.arm(() => node.child.kill('SIGKILL'))
    expect(await attempt(node.client, prepared)).toBeUndefined()
    expect(await node.exited).toBe('SIGKILL')
    trap.stop()
  }

  it('has rotated a refresh token, and the other one gives the same successor', async () => {
    const { database, sealing } = cluster.office.server.stores
    for (let trial = 0; trial < trials; trial += 1) {
      const token = await mintRefreshToken(cluster.office, app, person)
      await killAtCommit(async () => rotation(token))
      const [row] = await database.query<{ consumed_at: Date | null }>(
        'SELECT consumed_at FROM artifacts WHERE key = $1',
        [sealing.digest(token)],
      )
      expect(row?.consumed_at).not.toBeNull()
      const retry = await survivor.client.send(rotation(token))
      expect(retry.status).toBe(200)
      expect((await survivor.client.send(rotation(String(jsonOf(retry).refresh_token)))).status).toBe(200)
    }
    report('G10 killed between COMMIT and answer, refresh', `${trials} of ${trials} go on`, trials, true)
  }, 60_000)

  it('has used up a code; the next one comes without anybody being asked', async () => {
    for (let trial = 0; trial < 2; trial += 1) {
      const code = await silentCode(survivor.client)
      await killAtCommit(async () => redemption(code))
      expect((await survivor.client.send(redemption(code))).status).toBe(400)
      expect((await survivor.client.send(redemption(await silentCode(survivor.client)))).status).toBe(200)
    }
  }, 60_000)
})

describe('a server process that is told to stop under load', () => {
  it('answers what has begun, and is gone within ten seconds with exit code 0', async () => {
    const seconds: number[] = []
    let answered = 0
    for (let round = 0; round < 3; round += 1) {
      const node = await cluster.addNode()
      const parallel = 24
      await node.client.warm(parallel)
      const tokens = await Promise.all(
        Array.from({ length: parallel }, () => mintRefreshToken(cluster.office, app, person)),
      )
      const answers = tokens.map((token) => node.client.send(rotation(token)))
      // The first answer shows that the server has begun; the rest is still in its hands.
      await Promise.race(answers)
      const began = performance.now()
      node.child.kill('SIGTERM')
      const statuses = (await Promise.all(answers)).map(({ status }) => status)
      expect(statuses).toEqual(tokens.map(() => 200))
      answered += statuses.length
      expect(await node.exited).toBe(0)
      seconds.push((performance.now() - began) / 1000)
    }
    const longest = Math.max(...seconds)
    report('PR2 SIGTERM x3 under load', `${answered} of 72 answered, gone in ${longest.toFixed(2)} s`, '72, 10 s', true)
    expect(longest).toBeLessThan(10)
  }, 90_000)

  it('says that it is not ready to whoever still asks, and takes no new connection', async () => {
    const node = await cluster.addNode()
    await node.client.warm(2)
    node.child.kill('SIGTERM')
    expect(await node.exited).toBe(0)
    await expect(node.client.send({ path: '/readyz' })).rejects.toThrow()
    expect(node.logged.join('\n')).toContain('"msg":"stopping"')
  }, 30_000)
})
