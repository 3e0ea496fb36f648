// Where somebody is signed in: seen, ended one by one or all at once, and nobody else's (threats S7, T3).
import { type Application, obtainCode, redeem, refresh, type Tokens } from '../support/code-flow.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { type AccountWorld, type Person, startAccountWorld, textOf } from './account-world.ts'

const redirectUri = 'https://app.example.com/cb'
const firefox = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0'

let world: AccountWorld
let app: Application

beforeAll(async () => {
  world = await startAccountWorld()
  app = { redirectUri, ...(await world.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
})
afterAll(() => world.stop())

const isSignedIn = async (agent: Person['agent']) => (await agent.request(world.at('/account'))).status === 200
const sessionsOf = ({ sub }: Pick<Person, 'sub'>) => world.server.stores.sessions.listOfAccount(sub)
const endActions = (text: string) =>
  [...text.matchAll(/action="(\/account\/sessions\/[^"]+\/end)"/g)].map(([, url]) => url)

describe('the list of sessions', () => {
  it('names each browser, marks this one, and offers to end the others', async () => {
    const person = await world.newPerson()
    await world.signIn(person)
    await world.server.stores.database.query(
      `UPDATE sessions SET user_agent = $2 WHERE sub = $1 AND uid <> (SELECT uid FROM sessions WHERE sub = $1 ORDER BY created_at LIMIT 1)`,
      [person.sub, firefox],
    )
    const page = await world.visit(person, '/account/sessions')
    expect(textOf(page)).toContain('Firefox on Windows')
    expect(textOf(page).match(/This session/g)).toHaveLength(1)
    expect(endActions(page.text)).toHaveLength(1)
  })

  it('ends one, and the tokens of its applications', async () => {
    const person = await world.newPerson()
    const { agent, ...code } = await obtainCode(world, app, person)
    const tokens = await redeem(world.issuer, app, code)
    const page = await world.visit(person, '/account/sessions')
    const [end = ''] = endActions(page.text)
    expect(textOf(await person.agent.submit(page, end))).toContain('signed out')
    expect(await isSignedIn(agent)).toBe(false)
    expect(await isSignedIn(person.agent)).toBe(true)
    expect((await refresh(world.issuer, app, tokens.refresh_token ?? '')).error).toBe('invalid_grant')
  })

  it('ends nobody else’s, whatever uid is sent', async () => {
    const [person, other] = [await world.newPerson(), await world.newPerson()]
    const [session] = await sessionsOf(other)
    for (const path of [session?.uid ?? '', 'x', '%00', encodeURIComponent("' OR 1=1 --")]) {
      const answer = await world.post(person, `/account/sessions/${path}/end`)
      expect([400, 404]).toContain(answer.status)
    }
    expect(await isSignedIn(other.agent)).toBe(true)
    expect(await world.server.stores.activity.list(other.sub, { limit: 5 })).not.toContainEqual(
      expect.objectContaining({ type: 'session_ended' }),
    )
  })

  it('ends all others and what was granted in them, and says so in the activity', async () => {
    const person = await world.newPerson()
    const others = [await world.signIn(person), await world.signIn(person)]
    const { agent, ...code } = await obtainCode(world, app, person)
    const tokens = await redeem(world.issuer, app, code)
    await person.agent.submit(await world.visit(person, '/account/sessions'), '/end-others')
    expect(await Promise.all([...others, agent].map(isSignedIn))).toEqual([false, false, false])
    expect(await isSignedIn(person.agent)).toBe(true)
    expect((await refresh(world.issuer, app, tokens.refresh_token ?? '')).error).toBe('invalid_grant')
    const [entry] = await world.server.stores.activity.list(person.sub, { limit: 1 })
    expect(entry?.type).toBe('sessions_ended')
  })

  it('does not ask for a fresh sign-in: whoever fears for an account is not held up', async () => {
    const person = await world.newPerson()
    const other = await world.signIn(person)
    await world.ageSignIn(person, 3600)
    await world.post(person, '/account/sessions/end-others')
    expect(await isSignedIn(other)).toBe(false)
  })
})

describe('signing out everywhere else, while', () => {
  it('an application refreshes: nothing of it is alive afterwards', async () => {
    for (let trial = 0; trial < 15; trial += 1) {
      const person = await world.newPerson()
      const { agent: _, ...code } = await obtainCode(world, app, person)
      const tokens = await redeem(world.issuer, app, code)
      const [refreshed] = await Promise.all([
        refresh(world.issuer, app, tokens.refresh_token ?? ''),
        world.post(person, '/account/sessions/end-others'),
      ])
      expect([200, 400]).toContain(refreshed.status)
      for (const { refresh_token } of [tokens, refreshed] as Tokens[])
        if (refresh_token) expect((await refresh(world.issuer, app, refresh_token)).status).toBe(400)
    }
  })

  it('somebody finishes signing in: they are out, or were not let in', async () => {
    for (let trial = 0; trial < 15; trial += 1) {
      const person = await world.newPerson()
      const thief = createUserAgent()
      const page = await thief.visit(world.at('/account'))
      await Promise.all([
        thief.submit(page, '/sign-in', { email: person.email, password: person.password }),
        world.post(person, '/account/sessions/end-others'),
      ])
      const [left] = [await sessionsOf(person)]
      // Signed in wholly after it is another matter; then the sign-in was begun after it too.
      if (await isSignedIn(thief)) expect(left).toHaveLength(2)
      else expect(left).toHaveLength(1)
      expect(await isSignedIn(person.agent)).toBe(true)
    }
  })

  it('another session does the same: one of them is left, and it is not both', async () => {
    for (let trial = 0; trial < 15; trial += 1) {
      const person = await world.newPerson()
      const other = await world.signIn(person)
      await Promise.all(
        [person.agent, other].map((agent) =>
          agent.request(world.at('/account/sessions/end-others'), { method: 'POST' }),
        ),
      )
      expect((await sessionsOf(person)).length).toBeLessThanOrEqual(1)
    }
  })
})

describe('known browsers', () => {
  const note = (sub: string, remember = false) => {
    const { devices } = world.server.stores
    return devices.noteSignIn(undefined, sub, {
      address: '192.0.2.1',
      userAgent: firefox,
      remember,
      hasShownFactor: remember,
    })
  }
  const devicesOf = ({ sub }: Person) => world.server.stores.devices.list(sub)

  it('are listed, the trusted ones as such, and forgotten one by one', async () => {
    const person = await world.newPerson()
    await note(person.sub, true)
    const page = await world.visit(person, '/account/sessions')
    expect(textOf(page)).toContain('Trusted until')
    expect(textOf(page).match(/This browser/g)).toHaveLength(1)
    const remembered = (await devicesOf(person)).find(({ rememberedUntil }) => rememberedUntil)
    await person.agent.submit(page, `${remembered?.id}/forget`)
    expect((await devicesOf(person)).map(({ id }) => id)).not.toContain(remembered?.id)
    expect(await devicesOf(person)).toHaveLength(1)
  })

  it('are forgotten all', async () => {
    const person = await world.newPerson()
    await note(person.sub)
    await person.agent.submit(await world.visit(person, '/account/sessions'), '/forget-browsers')
    expect(await devicesOf(person)).toEqual([])
  })

  it('of somebody else stay known', async () => {
    const [person, other] = [await world.newPerson(), await world.newPerson()]
    const [device] = await devicesOf(other)
    const answer = await world.post(person, `/account/sessions/browser/${device?.id}/forget`)
    expect(answer.status).toBe(404)
    expect(await devicesOf(other)).toHaveLength(1)
  })
})
