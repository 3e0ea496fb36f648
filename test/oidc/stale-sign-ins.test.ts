// A sign-in that is finished, or half finished, while the account changes: it must not become a session (threats L6, L10, S7).
import type { Application } from '../support/code-flow.ts'
import { finishInteraction, finishSignIn, interactionUid, storeResult } from '../support/engine-sign-in.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type Page, type UserAgent } from '../support/user-agent.ts'
import { pkceUrl } from './requests.ts'

const redirectUri = 'https://app.example.com/cb'

let gatehouse: TestServer
let app: Application
let stranger: Application

beforeAll(async () => {
  gatehouse = await startTestServer()
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
  stranger = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri] })) }
})
afterAll(() => gatehouse.stop())

type Person = Awaited<ReturnType<TestServer['makeAccount']>>

const ask = (agent: UserAgent, client = app) => agent.visit(pkceUrl(gatehouse.issuer, client))
const versionOf = async ({ sub }: Person) =>
  Number((await gatehouse.server.stores.accounts.find(sub))?.securityVersion ?? Number.NaN)
const loginOf = async (person: Person) => ({ accountId: person.sub, securityVersion: await versionOf(person) })
const sessionsOf = ({ sub }: Person) => gatehouse.server.stores.sessions.listOfAccount(sub)
const isCode = ({ location }: Page) => location?.searchParams.has('code') ?? false

const changes: [string, (person: Person) => Promise<unknown>][] = [
  [
    'the password was changed',
    ({ sub }) => gatehouse.server.stores.passwordStore.set(sub, { hash: 'x', isShort: false, historySize: 0 }),
  ],
  ['everything was signed out', ({ sub }) => gatehouse.server.node.revocation.endEverything(sub)],
  ['all other sessions were signed out', ({ sub }) => gatehouse.server.node.revocation.endOtherSessions(sub, 'none')],
  ['the account was disabled', ({ sub }) => gatehouse.server.node.revocation.disableAccount(sub)],
  [
    'the account was disabled and enabled again',
    async ({ sub }) => {
      await gatehouse.server.node.revocation.disableAccount(sub)
      await gatehouse.server.node.revocation.enableAccount(sub)
    },
  ],
  ['the account was deleted', ({ sub }) => gatehouse.server.node.revocation.deleteAccount(sub)],
]

describe('a finished sign-in that waits to be resumed', () => {
  it('becomes a session while nothing has changed', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    expect(isCode(await finishSignIn(gatehouse, agent, await ask(agent), await loginOf(person)))).toBe(true)
    expect(await sessionsOf(person)).toHaveLength(1)
  })

  it.each(changes)('is over once %s, and says what to do', async (_, change) => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const returnTo = await storeResult(gatehouse, await ask(agent), { login: await loginOf(person) })
    await change(person)
    const page = await agent.visit(returnTo)
    expect([page.status, page.location]).toEqual([400, undefined])
    expect(page.text).toContain('This sign-in is over')
    expect(page.text).toContain('Go back to the application and try again')
    expect(page.text).toContain('Begin again with a new authorization request.')
    expect(await sessionsOf(person)).toEqual([])
    expect(isCode(await agent.visit(returnTo))).toBe(false)
    expect(isCode(await ask(agent))).toBe(false)
  })

  it('from a release that knew no versions is accepted', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const page = await ask(agent)
    await gatehouse.server.stores.securityVersions.raise(person.sub)
    expect(isCode(await finishSignIn(gatehouse, agent, page, { accountId: person.sub }))).toBe(true)
  })

  it.each(['1', 1.5, null, -1, Number.MAX_SAFE_INTEGER])('with a version of %j is over', async (securityVersion) => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const page = await ask(agent)
    await expect(
      finishSignIn(gatehouse, agent, page, { accountId: person.sub, securityVersion }).then(({ status }) => status),
    ).resolves.toBe(400)
  })

  it('is looked at again after the consent that follows it', async () => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    const consent = await finishSignIn(gatehouse, agent, await ask(agent, stranger), await loginOf(person))
    expect(consent.text).toContain('/consent"')
    await gatehouse.server.stores.securityVersions.raise(person.sub)
    expect(isCode(await agent.submit(consent, '/consent', { decision: 'allow' }))).toBe(false)
  })
})

describe('a half-finished sign-in', () => {
  it.each([
    ['in a fresh browser', false],
    ['in one with an earlier session', true],
  ])('that is resumed gives no session and is asked from the start: %s', async (_, hasSession) => {
    const person = await gatehouse.makeAccount()
    const agent = createUserAgent()
    if (hasSession) await finishSignIn(gatehouse, agent, await ask(agent), await loginOf(await gatehouse.makeAccount()))
    const before = [...agent.cookies].filter(([key]) => key.startsWith('gatehouse-session'))
    const page = await agent.visit(pkceUrl(gatehouse.issuer, app, { prompt: 'login' }))
    const progress = { accountId: person.sub, methods: [{ method: 'password', at: 1 }], securityVersion: 1 }
    const again = await finishInteraction(gatehouse, agent, page, { progress })
    expect([isCode(again), again.status]).toEqual([false, 200])
    expect(interactionUid(again)).not.toBe(interactionUid(page))
    const fresh = await gatehouse.server.node.engine.provider().Interaction.find(interactionUid(again))
    expect(fresh?.prompt.name).toBe('login')
    expect(fresh?.result).toBeUndefined()
    expect(await sessionsOf(person)).toEqual([])
    if (!hasSession) expect([...agent.cookies.keys()].filter((key) => key.startsWith('gatehouse-session'))).toEqual([])
    else expect(before).toHaveLength(2)
    // The first one is used up.
    expect((await agent.request(new URL(`/interaction/${interactionUid(page)}`, gatehouse.issuer))).status).toBe(400)
  })
})
