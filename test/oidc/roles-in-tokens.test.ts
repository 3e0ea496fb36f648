// Roles, groups, entitlements and own claims in tokens (RFC 9068 section 2.2.3.1): only where an API asks, and as they are now.
import { decodeJwt } from 'jose'
import type { TokenClaims } from '../../src/apis/token-claims.ts'
import type { Application } from '../support/code-flow.ts'
import { refresh } from '../support/code-flow.ts'
import {
  billing,
  type ExchangeWorld,
  exchangeWorld,
  orders,
  type Service,
  stock,
  subjectFields,
} from './exchange-world.ts'

let world: ExchangeWorld
let app: Application
let service: Service
let who: { email: string; password: string; sub: string }

beforeAll(async () => {
  world = await exchangeWorld()
  app = world.app
  service = await world.makeService()
  who = await world.gatehouse.makeAccount({ roles: ['support', 'sales'] })
  const telling: TokenClaims = {
    roles: ['support'],
    rules: [{ claim: 'groups', value: 'sellers', role: 'sales' }],
    claims: { zone: 'account.profile.zoneinfo' },
  }
  for (const audience of [stock, billing]) await ask(audience, telling)
  await world.gatehouse.server.node.registrations.accounts.update(who.sub, { profile: { zoneinfo: 'Europe/Paris' } })
  for (const audience of [stock, billing])
    await world.allow({ clientId: service.clientId, subjectAudience: orders, audience, scopes: ['read'] })
})
afterAll(() => world.gatehouse.stop())

const ask = async (audience: string, tokenClaims: TokenClaims) => {
  const updated = await world.gatehouse.server.node.registrations.apis.update(audience, { tokenClaims })
  if (!updated.ok) throw new Error(JSON.stringify(updated))
  world.gatehouse.server.stores.apiCache.clear()
}
const tokensFor = (resource: string, scope = 'openid read') => world.tokensOf({ scope, resource }, { client: app, who })
const told = ({ roles, groups, entitlements, zone }: Record<string, unknown>) => ({ roles, groups, entitlements, zone })
const everything = { roles: ['support'], groups: ['sellers'], entitlements: undefined, zone: 'Europe/Paris' }
const nothing = { roles: undefined, groups: undefined, entitlements: undefined, zone: undefined }

describe('an access token', () => {
  it('tells roles, groups and claims where its API asks for them', async () => {
    expect(told(decodeJwt(String((await tokensFor(stock)).access_token)))).toEqual(everything)
    const { access_token } = await tokensFor(billing)
    expect(told((await world.introspect(app as Service, access_token)).body)).toEqual(everything)
  })

  it('tells none where the API asks for nothing', async () => {
    expect(told(decodeJwt(String((await tokensFor(orders)).access_token)))).toEqual(nothing)
  })

  it('tells none in an ID token, at userinfo, and of a machine', async () => {
    const { id_token } = await tokensFor(stock)
    expect(told(decodeJwt(String(id_token)))).toEqual(nothing)
    const machine = await world.gatehouse.makeClient({ kind: 'machine', apis: { [stock]: ['read'] } })
    expect(told(decodeJwt(await world.machineToken(machine)))).toEqual(nothing)
  })

  it('got by exchange tells what its own API asks for', async () => {
    const token = String((await tokensFor(orders)).access_token)
    const jwt = await world.exchange(service, subjectFields(token, stock))
    const claims = decodeJwt(String(jwt.body.access_token))
    expect([told(claims), claims.act]).toEqual([everything, { sub: service.clientId }])
    const { body } = await world.exchange(service, subjectFields(token, billing))
    expect(told((await world.introspect(service, body.access_token)).body)).toEqual(everything)
  })

  it('cannot be made to say something else by a claim of the API', async () => {
    const { apis } = world.gatehouse.server.node.registrations
    for (const name of ['sub', 'act', 'scope', 'cnf', 'acr'])
      expect(await apis.update(stock, { tokenClaims: { claims: { [name]: 'account.email' } } })).toMatchObject({
        ok: false,
      })
  })
})

describe('a refresh', () => {
  it('tells the roles as they are now', async () => {
    const { accounts } = world.gatehouse.server.node.registrations
    const tokens = await tokensFor(stock)
    const next = await refresh(world.issuer, app, String(tokens.refresh_token))
    expect(told(decodeJwt(String(next.access_token)))).toEqual(everything)
    await accounts.update(who.sub, { roles: ['sales'] })
    const later = await refresh(world.issuer, app, String(next.refresh_token))
    expect(told(decodeJwt(String(later.access_token)))).toEqual({ ...everything, roles: undefined })
    await accounts.update(who.sub, { roles: ['support', 'sales'] })
  })

  it('tells what the API asks for now', async () => {
    const tokens = await tokensFor(stock)
    await ask(stock, { roles: 'all', rules: [] })
    const next = await refresh(world.issuer, app, String(tokens.refresh_token))
    expect(told(decodeJwt(String(next.access_token)))).toEqual({
      ...everything,
      roles: ['support', 'sales'],
      groups: undefined,
    })
    await ask(stock, { roles: [], rules: [], claims: {} })
    const last = await refresh(world.issuer, app, String(next.refresh_token))
    expect(told(decodeJwt(String(last.access_token)))).toEqual(nothing)
  })
})
