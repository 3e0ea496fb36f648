// The applications that may use an account, as its owner sees them.
import { accountClientId } from '../../src/clients/account-client-registration.ts'
import { type Application, obtainCode, redeem, refresh } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'

const redirectUri = 'https://app.example.com/cb'
const orders = 'https://orders.example.com'
const stock = 'https://stock.example.com'

let gatehouse: TestServer

beforeAll(async () => {
  gatehouse = await startTestServer()
  for (const audience of [orders, stock])
    await gatehouse.makeApi({ audience, scopes: ['read', 'write'].map((scope) => ({ scope, description: scope })) })
})
afterAll(() => gatehouse.stop())

type NewClient = Parameters<TestServer['makeClient']>[0]
const makeApp = async (more: NewClient = {}): Promise<Application> => ({
  redirectUri,
  ...(await gatehouse.makeClient({
    redirectUris: [redirectUri],
    apis: { [orders]: ['read', 'write'], [stock]: ['read'] },
    ...more,
  })),
})
const listed = (sub: string) => gatehouse.server.stores.connections.listConnections(sub)

describe('the connected applications of an account', () => {
  it('tell what each may do: what was agreed to and what is held, the one used last first', async () => {
    const person = await gatehouse.makeAccount()
    const notes = await makeApp({ name: 'Northwind Notes' })
    const shop = await makeApp({ name: 'Our shop', isFirstParty: true })
    await obtainCode(gatehouse, notes, person, { scope: 'openid email read', resource: orders })
    await obtainCode(gatehouse, shop, person, { scope: 'openid' })
    await obtainCode(gatehouse, notes, person, { scope: 'openid read', resource: stock })
    const connections = await listed(person.sub)
    expect(connections).toEqual([
      {
        clientId: notes.clientId,
        name: 'Northwind Notes',
        scopes: ['openid', 'email'],
        resources: { [orders]: ['read'], [stock]: ['read'] },
        since: expect.any(Date),
        lastUsed: expect.any(Date),
      },
      expect.objectContaining({ clientId: shop.clientId, name: 'Our shop', scopes: ['openid'], resources: {} }),
    ])
    for (const { since, lastUsed } of connections) expect(since.getTime()).toBeLessThanOrEqual(lastUsed.getTime())
    expect(await listed((await gatehouse.makeAccount()).sub)).toEqual([])
  })

  it('are used by a refresh too', async () => {
    const person = await gatehouse.makeAccount()
    const [early, late] = [await makeApp({ isFirstParty: true }), await makeApp({ isFirstParty: true })]
    const tokens = await redeem(gatehouse.issuer, early, await obtainCode(gatehouse, early, person))
    await obtainCode(gatehouse, late, person)
    expect((await listed(person.sub)).map(({ clientId }) => clientId)).toEqual([late.clientId, early.clientId])
    expect((await refresh(gatehouse.issuer, early, String(tokens.refresh_token))).status).toBe(200)
    expect((await listed(person.sub)).map(({ clientId }) => clientId)).toEqual([early.clientId, late.clientId])
  })

  it('remain while the consent does, and are gone once it is withdrawn', async () => {
    const person = await gatehouse.makeAccount()
    const notes = await makeApp()
    const { agent } = await obtainCode(gatehouse, notes, person, { scope: 'openid read', resource: orders })
    await agent.submit(await agent.visit(`${gatehouse.issuer}/sign-out`), '/sign-out/confirm', { logout: 'yes' })
    expect(await listed(person.sub)).toMatchObject([{ clientId: notes.clientId, resources: { [orders]: ['read'] } }])
    await gatehouse.server.node.revocation.withdrawConsent(person.sub, notes.clientId)
    expect(await listed(person.sub)).toEqual([])
  })

  it('are without grants that have expired', async () => {
    const person = await gatehouse.makeAccount()
    await obtainCode(gatehouse, await makeApp({ isFirstParty: true }), person)
    expect(await listed(person.sub)).toHaveLength(1)
    const { database } = gatehouse.server.stores
    await database.query('UPDATE grants SET expires_at = clock_timestamp() WHERE sub = $1', [person.sub])
    expect(await listed(person.sub)).toEqual([])
  })

  it('are without the server’s own', async () => {
    const person = await gatehouse.makeAccount()
    const { consents } = gatehouse.server.stores
    await consents.add(person.sub, accountClientId, { scopes: ['openid'], claims: [], resources: {} })
    expect(await listed(person.sub)).toEqual([])
  })
})
