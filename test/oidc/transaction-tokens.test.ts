// One short token that goes along with a transaction through all services (draft-ietf-oauth-transaction-tokens).
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { signJwt } from '../../src/keys/sign-jwt.ts'
import { createVerifier } from '../../src/verifier/verifier.ts'
import type { Application } from '../support/code-flow.ts'
import {
  type ExchangeWorld,
  exchangeWorld,
  keyHolder,
  orders,
  type Service,
  stock,
  subjectFields,
  typeOf,
} from './exchange-world.ts'
import { send } from './requests.ts'

const domain = 'urn:example:inside'
const elsewhere = 'urn:example:elsewhere'

let world: ExchangeWorld
let app: Application
let edge: Service
let middle: Service
let last: Service
let token: string

beforeAll(async () => {
  world = await exchangeWorld()
  app = world.app
  const scopes = ['read', 'write'].map((scope) => ({ scope, description: '' }))
  for (const audience of [domain, elsewhere]) await world.gatehouse.makeApi({ audience, scopes })
  ;[edge, middle, last] = [await world.makeService(), await world.makeService(), await world.makeService()]
  const policy = { audience: domain, tokenType: 'txn_token' as const, scopes: ['read', 'write'] }
  await world.allow({ ...policy, clientId: edge.clientId, subjectAudience: orders, maxTtl: 30 })
  await world.allow({ ...policy, clientId: edge.clientId, subjectClientId: app.clientId })
  await world.allow({ ...policy, clientId: middle.clientId, subjectAudience: domain, maxDepth: 2 })
  await world.allow({ ...policy, clientId: last.clientId, subjectAudience: domain, maxDepth: 2 })
  await world.allow({ ...policy, clientId: last.clientId, audience: elsewhere, subjectAudience: domain, maxDepth: 8 })
  await world.allow({
    clientId: last.clientId,
    subjectAudience: domain,
    audience: stock,
    scopes: ['read'],
    maxDepth: 8,
  })
  token = await world.accessToken(orders, app)
})
afterAll(() => world.gatehouse.stop())

const begin = (more: Record<string, string> = {}, by = edge) =>
  world.exchange(by, {
    ...subjectFields(token, domain),
    requested_token_type: typeOf('txn_token'),
    scope: 'read write',
    ...more,
  })
const replace = (by: Service, txn: string, more: Record<string, string> = {}) =>
  begin({ subject_token: txn, subject_token_type: typeOf('txn_token'), scope: 'read', ...more }, by)
const begun = async (more: Record<string, string> = {}) => String((await begin(more)).body.access_token)
const refusal = async (answer: ReturnType<typeof begin>) => {
  const { status, body } = await answer
  expect(body).not.toHaveProperty('access_token')
  return [status, body.error]
}

describe('a transaction token', () => {
  it('says whom the transaction is for, what for, in which circumstances, and who asked', async () => {
    const context = { req_ip: '192.0.2.1', authn: 'urn:ietf:rfc:6749' }
    const details = { action: 'BUY', quantity: 100, of: { ticker: 'X' } }
    const { status, body, headers } = await begin({
      request_context: JSON.stringify(context),
      request_details: JSON.stringify(details),
    })
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        access_token: expect.any(String),
        issued_token_type: typeOf('txn_token'),
        token_type: 'N_A',
        expires_in: 30,
        scope: 'read write',
      },
    })
    expect(headers.get('cache-control')).toContain('no-store')
    const txn = String(body.access_token)
    expect(decodeProtectedHeader(txn)).toMatchObject({ typ: 'txntoken+jwt', alg: 'ES256' })
    const keys = createRemoteJWKSet(new URL('/jwks', world.issuer))
    const { payload } = await jwtVerify(txn, keys, { issuer: world.issuer, audience: domain, typ: 'txntoken+jwt' })
    expect(payload).toEqual({
      iss: world.issuer,
      aud: domain,
      sub: world.person.sub,
      txn: expect.stringMatching(/^[0-9a-f-]{36}$/),
      scope: 'read write',
      req_wl: edge.clientId,
      tctx: details,
      rctx: context,
      iat: expect.any(Number),
      exp: Number(payload.iat) + 30,
    })
    expect(decodeJwt(await begun()).txn).not.toBe(payload.txn)
  })

  it('is narrowed by those who replace it: the transaction stays, the chain grows, the life does not', async () => {
    const first = await begun({ request_details: '{"action":"BUY"}', request_context: '{"req_ip":"192.0.2.1"}' })
    const { body } = await replace(middle, first, { request_details: '{"checked":true}' })
    const [one, two] = [decodeJwt(first), decodeJwt(String(body.access_token))]
    expect(two).toMatchObject({
      txn: one.txn,
      sub: one.sub,
      aud: one.aud,
      scope: 'read',
      req_wl: `${edge.clientId},${middle.clientId}`,
      tctx: { action: 'BUY', checked: true },
      rctx: { req_ip: '192.0.2.1' },
    })
    expect(two.exp).toBeLessThanOrEqual(Number(one.exp))
    expect(await refusal(replace(last, String(body.access_token)))).toEqual([400, 'invalid_request'])
  })

  it('is not widened: neither by scope, nor by context, nor into another domain', async () => {
    const narrow = await begun({ scope: 'read', request_details: '{"action":"BUY","of":{"a":1}}' })
    expect(await refusal(replace(middle, narrow, { scope: 'write' }))).toEqual([400, 'invalid_scope'])
    expect(await refusal(replace(middle, narrow, { request_details: '{"action":"SELL"}' }))).toEqual([
      400,
      'invalid_request',
    ])
    expect(await refusal(replace(middle, narrow, { request_details: '{"of":{"a":1,"b":2}}' }))).toEqual([
      400,
      'invalid_request',
    ])
    expect((await replace(middle, narrow, { request_details: '{"action":"BUY"}' })).status).toBe(200)
    expect(await refusal(replace(last, narrow, { audience: elsewhere }))).toEqual([400, 'invalid_target'])
  })

  it('is exchanged for nothing else, and is no access token anywhere', async () => {
    const txn = await begun()
    const more = { audience: stock, requested_token_type: typeOf('access_token') }
    expect(await refusal(replace(last, txn, more))).toEqual([400, 'invalid_request'])
    for (const kind of ['access_token', 'id_token', 'jwt', 'refresh_token'])
      expect(await refusal(replace(middle, txn, { subject_token_type: typeOf(kind) }))).toEqual([
        400,
        'invalid_request',
      ])
    expect((await world.introspect(edge, txn)).body).toEqual({ active: false })
    const headers = { authorization: `Bearer ${txn}` }
    expect((await send(new URL('/userinfo', world.issuer), { headers })).status).toBe(401)
    expect((await send(new URL('/admin/api/v1/clients', world.issuer), { headers })).status).toBe(401)
  })

  it('is refused altered, and when somebody else made it', async () => {
    const txn = await begun()
    const [header, payload, signature = ''] = txn.split('.')
    const changed = Buffer.from(JSON.stringify({ ...decodeJwt(txn), scope: 'read write destroy' })).toString(
      'base64url',
    )
    const flipped = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
    for (const wrong of [
      `${header}.${changed}.${signature}`,
      `${header}.${payload}.${flipped}`,
      `${header}.${payload}.`,
      'junk',
    ])
      expect(await refusal(replace(middle, wrong))).toEqual([400, 'invalid_request'])
    expect(await refusal(replace(middle, await world.accessToken(orders, app)))).toEqual([400, 'invalid_request'])
  })

  it('is refused when it is of another type, whatever it says', async () => {
    const keys = world.gatehouse.server.node.currentKeys()
    if (!keys) throw new Error('no keys')
    const claims = decodeJwt(await begun())
    for (const [typ, status] of [
      ['txntoken+jwt', 200],
      ['at+jwt', 400],
      ['JWT', 400],
    ] as const)
      expect((await replace(middle, await signJwt(keys, 'ES256', { typ }, claims))).status).toBe(status)
  })

  it('is refused after it has expired', async () => {
    const quick = await world.makeService()
    await world.allow({
      clientId: quick.clientId,
      subjectAudience: orders,
      audience: domain,
      tokenType: 'txn_token',
      scopes: ['read'],
      maxTtl: 1,
    })
    const txn = String((await begin({ scope: 'read' }, quick)).body.access_token)
    await new Promise((done) => setTimeout(done, 2100))
    expect(await refusal(replace(middle, txn))).toEqual([400, 'invalid_request'])
  })

  it('is refused once its account is disabled', async () => {
    const who = await world.gatehouse.makeAccount()
    const { access_token: own } = await world.tokensOf({ scope: 'openid read', resource: orders }, { client: app, who })
    const txn = await begun({ subject_token: String(own), scope: 'read' })
    expect((await replace(middle, txn)).status).toBe(200)
    await world.gatehouse.server.node.revocation.disableAccount(who.sub)
    expect(await refusal(replace(middle, txn))).toEqual([400, 'invalid_request'])
  })

  it('keeps who acted before the transaction began', async () => {
    const caller = await world.makeService()
    await world.allow({ clientId: caller.clientId, subjectAudience: orders, audience: orders, scopes: ['read'] })
    const { body } = await world.exchange(caller, subjectFields(token, orders))
    const delegated = { subject_token: String(body.access_token), scope: 'read' }
    expect(await refusal(begin(delegated))).toEqual([400, 'invalid_request'])
    const deep = await world.makeService()
    const policy = { audience: domain, tokenType: 'txn_token' as const, scopes: ['read'], maxDepth: 3 }
    await world.allow({ ...policy, clientId: deep.clientId, subjectAudience: orders })
    await world.allow({ ...policy, clientId: deep.clientId, subjectAudience: domain })
    const txn = String((await begin(delegated, deep)).body.access_token)
    expect(decodeJwt(txn)).toMatchObject({ req_wl: deep.clientId, act: { sub: caller.clientId } })
    const next = decodeJwt(String((await replace(deep, txn)).body.access_token))
    expect(next).toMatchObject({ req_wl: `${deep.clientId},${deep.clientId}`, act: { sub: caller.clientId } })
  })
})

describe('three services in a row', () => {
  it('each check it by the library, and each see the same transaction and all who came before', async () => {
    const verifier = createVerifier({ issuer: world.issuer, audience: domain })
    const first = await begun({ request_details: '{"article":"4711"}' })
    const atOrders = await verifier.verifyTransactionToken(first, { requiredScopes: ['read', 'write'] })
    const second = String((await replace(middle, first)).body.access_token)
    const atStock = await verifier.verifyTransactionToken(second, { requiredScopes: ['read'] })
    expect(atStock).toMatchObject({
      transactionId: atOrders.transactionId,
      subject: world.person.sub,
      scopes: ['read'],
      workloads: [edge.clientId, middle.clientId],
      transactionContext: { article: '4711' },
    })
    await expect(verifier.verifyTransactionToken(second, { requiredScopes: ['write'] })).rejects.toMatchObject({
      code: 'insufficient_scope',
    })
    await expect(verifier.verify(second)).rejects.toMatchObject({ code: 'invalid_token' })
    await expect(verifier.verifyTransactionToken(token)).rejects.toMatchObject({ code: 'invalid_token' })
  })
})

describe('asking for a transaction token', () => {
  it.each<[string, Record<string, string>, string]>([
    ['without a purpose', { scope: '' }, 'invalid_scope'],
    ['for a purpose that the token before does not have', { scope: 'destroy' }, 'invalid_scope'],
    ['for a domain that is not there', { audience: 'urn:example:nowhere' }, 'invalid_target'],
    ['for an API that is no domain of its policies', { audience: stock }, 'invalid_target'],
    ['with a context that is no JSON', { request_context: '{' }, 'invalid_request'],
    ['with a context that is a list', { request_context: '[]' }, 'invalid_request'],
    ['with a context that is null', { request_details: 'null' }, 'invalid_request'],
    ['with a context without end', { request_details: JSON.stringify({ a: 'x'.repeat(4096) }) }, 'invalid_request'],
    ['with an actor', { actor_token: 'x', actor_token_type: typeOf('access_token') }, 'invalid_request'],
  ])('is refused %s', async (_, more, error) => {
    expect(await refusal(begin(more))).toEqual([400, error])
  })

  it('is refused for a refresh token, whatever the policies', async () => {
    const { refresh_token } = await world.tokensOf({ scope: 'openid read', resource: orders }, { client: app })
    const more = { subject_token: String(refresh_token), subject_token_type: typeOf('refresh_token'), scope: 'read' }
    expect(await refusal(begin(more))).toEqual([400, 'invalid_request'])
  })

  it('is refused where only access tokens may be had, and the other way round', async () => {
    const plain = await world.makeService()
    await world.allow({ clientId: plain.clientId, subjectAudience: orders, audience: domain, scopes: ['read'] })
    expect(await refusal(begin({ scope: 'read' }, plain))).toEqual([400, 'invalid_target'])
    expect(await refusal(begin({ requested_token_type: typeOf('access_token') }))).toEqual([400, 'invalid_target'])
  })

  it('needs the proof of a bound token', async () => {
    const holder = await keyHolder(world.issuer)
    const caller = await world.makeService()
    await world.allow({
      clientId: caller.clientId,
      subjectAudience: orders,
      audience: orders,
      scopes: ['read'],
      mode: 'impersonation',
    })
    const headers = { dpop: await holder.proof() }
    const bound = String((await world.exchange(caller, subjectFields(token, orders), headers)).body.access_token)
    expect(await refusal(begin({ subject_token: bound, scope: 'read' }))).toEqual([400, 'invalid_request'])
  })
})
