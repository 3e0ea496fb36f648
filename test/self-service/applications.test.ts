// Connected applications: what they may do, in words, and how to take it back (threat N4).
import { type Application, authorizeUrl, obtainCode, pkce, redeem, refresh } from '../support/code-flow.ts'
import { type AccountWorld, type Person, startAccountWorld, textOf } from './account-world.ts'

const redirectUri = 'https://app.example.com/cb'

let world: AccountWorld
let app: Application
let audience: string

beforeAll(async () => {
  world = await startAccountWorld()
  audience = await world.makeApi({
    name: 'Invoices',
    scopes: [{ scope: 'invoices:read', description: 'Read your invoices' }],
  })
  app = {
    redirectUri,
    ...(await world.makeClient({
      redirectUris: [redirectUri],
      name: 'Northwind Notes',
      apis: { [audience]: ['invoices:read'] },
    })),
  }
})
afterAll(() => world.stop())

const connect = async (person: Person) => {
  const code = await obtainCode(world, app, person, {
    agent: person.agent,
    scope: 'openid email offline_access invoices:read',
    resource: audience,
    prompt: 'consent',
  } as never)
  return redeem(world.issuer, app, code)
}

describe('a connected application', () => {
  it('is listed with what it may do, in words', async () => {
    const person = await world.newPerson()
    expect(textOf(await world.visit(person, '/account/applications'))).toContain('No application uses your account')
    await connect(person)
    const text = textOf(await world.visit(person, '/account/applications'))
    expect(text).toContain('Northwind Notes')
    expect(text).toContain('See your e-mail address')
    expect(text).toContain('Invoices Read your invoices')
    expect(text).not.toContain('Your account Since')
    expect(textOf(await world.visit(person, '/account'))).toContain('1 application uses your account')
  })

  it('is disconnected: its tokens are dead, and it is asked for again', async () => {
    const person = await world.newPerson()
    const tokens = await connect(person)
    const page = await world.visit(person, '/account/applications')
    expect(textOf(await person.agent.submit(page, '/withdraw'))).toContain('is disconnected')
    expect((await refresh(world.issuer, app, tokens.refresh_token ?? '')).error).toBe('invalid_grant')
    const again = await person.agent.visit(
      authorizeUrl(world.issuer, app, { code_challenge: pkce().challenge, code_challenge_method: 'S256' }),
    )
    expect(again.text).toContain('/consent"')
    const [entry] = await world.server.stores.activity.list(person.sub, { limit: 1 })
    expect(entry).toMatchObject({ type: 'consent_withdrawn', details: { application: 'Northwind Notes' } })
  })

  it('of somebody else stays connected, and what is not connected is not there', async () => {
    const [person, other] = [await world.newPerson(), await world.newPerson()]
    const tokens = await connect(other)
    for (const clientId of [app.clientId, 'gatehouse-account', 'nobody', '..%2F..'])
      expect((await world.post(person, `/account/applications/${clientId}/withdraw`)).status).toBe(404)
    expect((await refresh(world.issuer, app, tokens.refresh_token ?? '')).status).toBe(200)
  })

  it('cannot put markup into the page', async () => {
    const hostile = await world.makeClient({
      redirectUris: [redirectUri],
      name: '<img src=x onerror=alert(1)>',
      isFirstParty: true,
    })
    const person = await world.newPerson()
    await obtainCode(world, { ...hostile, redirectUri }, person, { agent: person.agent } as never)
    const page = await world.visit(person, '/account/applications')
    expect(page.text).not.toContain('<img src=x')
    expect(page.text).toContain('&lt;img src=x')
  })
})
