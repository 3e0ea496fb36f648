// One token for another, as policies allow (RFC 8693): for whom, for what, with which rights, and what is refused.
import { calculateJwkThumbprint, createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { depthOf } from '../../src/oidc/grants/exchange-decision.ts'
import { actorOf } from '../../src/oidc/grants/subject-claims.ts'
import type { Application } from '../support/code-flow.ts'
import {
  billing,
  type ExchangeWorld,
  exchangeWorld,
  keyHolder,
  orders,
  type Service,
  stock,
  subjectFields,
  typeOf,
} from './exchange-world.ts'
import { post, send } from './requests.ts'

let world: ExchangeWorld
let app: Application
let service: Service

beforeAll(async () => {
  world = await exchangeWorld()
  app = world.app
  service = await world.makeService()
  await world.allow({ clientId: service.clientId, subjectAudience: orders, audience: stock, scopes: ['read', 'count'] })
})
afterAll(() => world.gatehouse.stop())

const claimsOf = (body: Record<string, unknown>) => decodeJwt(String(body.access_token))

describe('an exchange that a policy allows', () => {
  it('answers a JWT for the other API, in which the service acts for the person', async () => {
    const token = await world.accessToken(orders, app)
    const { status, body, headers } = await world.exchange(service, subjectFields(token, stock))
    expect({ status, body }).toMatchObject({
      status: 200,
      body: {
        issued_token_type: typeOf('access_token'),
        token_type: 'Bearer',
        expires_in: expect.any(Number),
        scope: 'read',
      },
    })
    expect(headers.get('cache-control')).toContain('no-store')
    expect(body).not.toHaveProperty('refresh_token')
    const keys = createRemoteJWKSet(new URL('/jwks', world.issuer))
    const { payload } = await jwtVerify(String(body.access_token), keys, {
      issuer: world.issuer,
      audience: stock,
      typ: 'at+jwt',
    })
    expect(payload).toMatchObject({
      sub: world.person.sub,
      client_id: service.clientId,
      aud: stock,
      scope: 'read',
      act: { sub: service.clientId },
      acr: 'urn:gatehouse:acr:1fa',
      amr: ['pwd'],
      auth_time: expect.any(Number),
    })
    expect(payload.act).toEqual({ sub: service.clientId })
    expect(Number(payload.exp) - Number(payload.iat)).toBe(300)
  })
})

const exchanged = async (by: Service, token: string, audience: string, more: Record<string, string> = {}) => {
  const { status, body } = await world.exchange(by, subjectFields(token, audience, more))
  if (status !== 200) throw new Error(JSON.stringify(body))
  return String(body.access_token)
}
/** The error of a refusal, with its cause, which development tells. */
const refusal = async (answer: Promise<{ status: number; body: Record<string, unknown> }>) => {
  const { status, body } = await answer
  expect(body).not.toHaveProperty('access_token')
  return { status, error: body.error, cause: body.error_description }
}

describe('what a token may be exchanged for', () => {
  it('is nothing without a policy, even for a client that may exchange', async () => {
    const stranger = await world.makeService()
    const token = await world.accessToken(orders, app)
    expect(await refusal(world.exchange(stranger, subjectFields(token, stock)))).toEqual({
      status: 400,
      error: 'invalid_target',
      cause: `no token can be had for this target (no policy lets ${stranger.clientId} exchange anything for ${stock})`,
    })
  })

  it('is nothing for a client that was not given the grant type, or cannot be', async () => {
    const machine = await world.gatehouse.makeClient({ kind: 'machine', apis: { [orders]: ['read'] } })
    const token = await world.accessToken(orders, app)
    expect(await world.exchange(machine, subjectFields(token, stock))).toMatchObject({
      status: 400,
      body: { error: 'unauthorized_client' },
    })
    await expect(
      world.gatehouse.makeClient({ kind: 'spa', tokenExchange: true, redirectUris: ['https://a.example/'] }),
    ).rejects.toThrow('tokenExchange')
  })

  it('is nothing for another API than the policy says, nor for a token of another API', async () => {
    const token = await world.accessToken(orders, app)
    expect(await refusal(world.exchange(service, subjectFields(token, billing)))).toMatchObject({
      status: 400,
      error: 'invalid_target',
    })
    expect(await refusal(world.exchange(service, subjectFields(token, 'https://nobody.example')))).toMatchObject({
      status: 400,
      error: 'invalid_target',
    })
    const other = await world.accessToken(billing, app)
    const { status, error, cause } = await refusal(world.exchange(service, subjectFields(other, stock)))
    expect([status, error]).toEqual([400, 'invalid_request'])
    expect(cause).toContain(
      `no policy lets ${service.clientId} exchange this token for ${stock}: access_token issued to`,
    )
  })

  it('is never the admin API', async () => {
    const { exchangePolicies } = world.gatehouse.server.node.registrations
    const admin = `${world.issuer}/admin/api`
    const made = await exchangePolicies.create({ clientId: service.clientId, subjectAudience: orders, audience: admin })
    expect(made).toMatchObject({ ok: false, problems: [{ field: 'audience' }] })
  })

  it('has the scopes that token, policy and API have in common, and only those asked for', async () => {
    const token = await world.accessToken(orders, app)
    const narrow = await world.accessToken(orders, app, 'openid write')
    expect(claimsOf((await world.exchange(service, subjectFields(token, stock, { scope: 'read' }))).body).scope).toBe(
      'read',
    )
    const { status, body } = await world.exchange(service, subjectFields(narrow, stock))
    expect([status, body.scope, claimsOf(body).scope]).toEqual([200, undefined, undefined])
    const ask = (scope: string, by = token) => refusal(world.exchange(service, subjectFields(by, stock, { scope })))
    expect(await ask('write')).toMatchObject({
      status: 400,
      error: 'invalid_scope',
      cause: expect.stringContaining('policy does not grant'),
    })
    expect(await ask('count')).toMatchObject({
      status: 400,
      error: 'invalid_scope',
      cause: expect.stringContaining('subject token does not'),
    })
    expect(await ask('destroy')).toMatchObject({
      status: 400,
      error: 'invalid_scope',
      cause: expect.stringContaining('has no scope destroy'),
    })
    expect(await ask('read', narrow)).toMatchObject({ status: 400, error: 'invalid_scope' })
    expect(await ask('openid')).toMatchObject({ status: 400, error: 'invalid_scope' })
  })

  it('lives no longer than policy, API and subject token allow', async () => {
    const short = await world.makeService()
    await world.allow({ clientId: short.clientId, subjectAudience: stock, audience: orders, maxTtl: 3600, maxDepth: 2 })
    const token = await exchanged(service, await world.accessToken(orders, app), stock)
    const before = decodeJwt(token)
    const { body } = await world.exchange(short, subjectFields(token, orders))
    expect(body.expires_in).toBeLessThanOrEqual(300)
    expect(claimsOf(body).exp).toBeLessThanOrEqual(Number(before.exp))
  })

  it('loses a scope that the API no longer has', async () => {
    const { apis } = world.gatehouse.server.node.registrations
    const audience = 'https://shrinking.example.com'
    const scopes = [{ scope: 'read', description: '' }]
    await world.gatehouse.makeApi({ audience, scopes })
    const one = await world.makeService()
    await world.allow({ clientId: one.clientId, subjectAudience: orders, audience, scopes: ['read'] })
    const token = await world.accessToken(orders, app)
    expect((await world.exchange(one, subjectFields(token, audience))).body.scope).toBe('read')
    await apis.update(audience, { scopes: [] })
    world.gatehouse.server.stores.apiCache.clear()
    expect((await world.exchange(one, subjectFields(token, audience))).body.scope).toBeUndefined()
  })
})

describe('who acts for whom', () => {
  it('is told along the chain, as deep as the policies allow', async () => {
    const [second, third] = [await world.makeService(), await world.makeService()]
    await world.allow({
      clientId: second.clientId,
      subjectAudience: stock,
      audience: orders,
      scopes: ['read'],
      maxDepth: 2,
    })
    await world.allow({ clientId: third.clientId, subjectClientId: second.clientId, audience: stock, maxDepth: 2 })
    const first = await exchanged(service, await world.accessToken(orders, app), stock)
    const next = await exchanged(second, first, orders)
    expect(decodeJwt(next)).toMatchObject({
      sub: world.person.sub,
      client_id: second.clientId,
      act: { sub: second.clientId, act: { sub: service.clientId } },
    })
    expect(await refusal(world.exchange(third, subjectFields(next, stock)))).toEqual({
      status: 400,
      error: 'invalid_request',
      cause:
        'the exchange is not possible as it was asked for (3 parties would act one for another, the policy allows 2)',
    })
  })

  it('may be shown by an actor token of the client’s own', async () => {
    const token = await world.accessToken(orders, app)
    const own = await world.machineToken(service)
    const actor = { actor_token: own, actor_token_type: typeOf('access_token') }
    const { body } = await world.exchange(service, subjectFields(token, stock, actor))
    expect(claimsOf(body).act).toEqual({ sub: service.clientId })
    const other = await world.makeService()
    const foreign = { ...actor, actor_token: await world.machineToken(other) }
    expect(await refusal(world.exchange(service, subjectFields(token, stock, foreign)))).toMatchObject({
      status: 400,
      error: 'invalid_request',
      cause: expect.stringContaining('issued to another client'),
    })
    const junk = { ...actor, actor_token: 'junk' }
    expect(await refusal(world.exchange(service, subjectFields(token, stock, junk)))).toMatchObject({
      status: 400,
      error: 'invalid_request',
    })
    const lonely = { actor_token: own }
    expect(await refusal(world.exchange(service, subjectFields(token, stock, lonely)))).toMatchObject({
      status: 400,
      error: 'invalid_request',
    })
  })

  it('may be a person, where that person’s ID token is the actor token', async () => {
    const support = await world.gatehouse.makeAccount()
    const desk = { ...(await world.makeApp()) }
    await world.gatehouse.server.node.registrations.clients.update(desk.clientId, { tokenExchange: true })
    await world.allow({ clientId: desk.clientId, subjectClientId: app.clientId, audience: stock, scopes: ['read'] })
    const { id_token } = await world.tokensOf({ scope: 'openid' }, { client: desk, who: support })
    const token = await world.accessToken(orders, app)
    const actor = { actor_token: String(id_token), actor_token_type: typeOf('id_token') }
    const { body } = await world.exchange(desk as Service, subjectFields(token, stock, actor))
    expect(claimsOf(body)).toMatchObject({ sub: world.person.sub, act: { sub: support.sub } })
  })

  it('is not told in an impersonation, which takes no actor token, and keeps who acted before', async () => {
    const imposter = await world.makeService()
    const policy = { clientId: imposter.clientId, audience: stock, mode: 'impersonation' as const }
    await world.allow({ ...policy, subjectAudience: orders, scopes: ['read'] })
    await world.allow({ ...policy, subjectClientId: service.clientId, audience: orders, maxDepth: 1 })
    const token = await world.accessToken(orders, app)
    const { body } = await world.exchange(imposter, subjectFields(token, stock))
    expect(claimsOf(body)).not.toHaveProperty('act')
    expect(claimsOf(body)).toMatchObject({ sub: world.person.sub, client_id: imposter.clientId })
    const actor = { actor_token: await world.machineToken(imposter), actor_token_type: typeOf('access_token') }
    expect(await refusal(world.exchange(imposter, subjectFields(token, stock, actor)))).toMatchObject({
      status: 400,
      error: 'invalid_request',
    })
    const delegated = await exchanged(service, token, stock)
    expect(decodeJwt(await exchanged(imposter, delegated, orders)).act).toEqual({ sub: service.clientId })
  })

  it('is counted and cut, however deep somebody else’s token is', () => {
    let act: object = { sub: 'a' }
    for (let depth = 0; depth < 10_000; depth += 1) act = { sub: 'a', act }
    expect(depthOf(actorOf(act))).toBe(33)
    expect(actorOf({ sub: 7 })).toBeUndefined()
  })
})

describe('the subject token', () => {
  it('may be a refresh token, which is not used up by it', async () => {
    const bank = await world.makeService()
    await world.allow({ clientId: bank.clientId, subjectClientId: app.clientId, audience: stock, scopes: ['read'] })
    const scope = 'openid read offline_access'
    const { refresh_token: token } = await world.tokensOf(
      { scope, prompt: 'consent', resource: orders },
      { client: app },
    )
    const fields = { ...subjectFields(String(token), stock), subject_token_type: typeOf('refresh_token') }
    for (const _ of [1, 2]) {
      const { status, body } = await world.exchange(bank, fields)
      expect([status, body.scope, claimsOf(body).sub]).toEqual([200, 'read', world.person.sub])
    }
    expect(
      await refusal(world.exchange(bank, { ...fields, subject_token_type: typeOf('access_token') })),
    ).toMatchObject({
      status: 400,
      error: 'invalid_request',
      cause: expect.stringContaining('there is no such access_token'),
    })
    const basicApp = { authorization: `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}` }
    const next = await post(
      world.issuer,
      '/token',
      { grant_type: 'refresh_token', refresh_token: String(token) },
      basicApp,
    )
    expect(next.status).toBe(200)
    expect((await world.exchange(bank, fields)).status).toBe(200)
    const { database } = world.gatehouse.server.stores
    await database.query(
      "UPDATE artifacts SET consumed_at = consumed_at - interval '1 minute' WHERE consumed_at IS NOT NULL",
    )
    expect(await refusal(world.exchange(bank, fields))).toMatchObject({ status: 400, error: 'invalid_request' })
    fields.subject_token = String(next.body.refresh_token)
    expect((await world.exchange(bank, fields)).status).toBe(200)
    await post(world.issuer, '/revoke', { token: String(next.body.refresh_token) }, basicApp)
    expect(await refusal(world.exchange(bank, fields))).toMatchObject({ status: 400, error: 'invalid_request' })
  })

  it('may be an ID token, which grants no scope', async () => {
    const bank = await world.makeService()
    await world.allow({ clientId: bank.clientId, subjectClientId: app.clientId, audience: stock, scopes: ['read'] })
    const { id_token: token, access_token: access } = await world.tokensOf(
      { scope: 'openid read', resource: orders },
      { client: app },
    )
    const fields = { ...subjectFields(String(token), stock), subject_token_type: typeOf('id_token') }
    const { status, body } = await world.exchange(bank, fields)
    expect([status, body.scope, claimsOf(body).sub]).toEqual([200, undefined, world.person.sub])
    expect(await refusal(world.exchange(bank, { ...fields, scope: 'read' }))).toMatchObject({
      status: 400,
      error: 'invalid_scope',
    })
    // Each token under its own name only.
    expect(await refusal(world.exchange(bank, { ...fields, subject_token: String(access) }))).toMatchObject({
      status: 400,
      error: 'invalid_request',
    })
    expect(
      await refusal(world.exchange(bank, { ...fields, subject_token_type: typeOf('access_token') })),
    ).toMatchObject({ status: 400, error: 'invalid_request' })
  })

  it('may be a machine’s, which stays the subject', async () => {
    const caller = await world.gatehouse.makeClient({ kind: 'machine', apis: { [orders]: ['read'] } })
    const { status, body } = await world.exchange(service, subjectFields(await world.machineToken(caller), stock))
    expect(status).toBe(200)
    expect(claimsOf(body)).toMatchObject({ sub: caller.clientId, client_id: service.clientId, scope: 'read' })
    expect((await world.introspect(service, body.access_token)).body).toMatchObject({
      active: true,
      sub: caller.clientId,
    })
    await world.gatehouse.server.node.revocation.disableClient(caller.clientId)
    expect((await world.introspect(service, body.access_token)).body).toEqual({ active: false })
  })

  it.each([
    ['a word', 'junk'],
    ['three parts', 'a.b.c'],
    ['dots', '..'],
    ['long', 'x'.repeat(5000)],
    ['longer than any', 'x'.repeat(20_000)],
  ])('is refused when it is nothing: %s', async (_, token) => {
    for (const kind of ['access_token', 'refresh_token', 'id_token', 'jwt']) {
      const fields = { ...subjectFields(token, stock), subject_token_type: typeOf(kind) }
      expect(await refusal(world.exchange(service, fields))).toMatchObject({ status: 400, error: 'invalid_request' })
    }
  })

  it('is refused when it was altered or has lost its signature', async () => {
    const token = await world.accessToken(orders, app)
    const [header, payload, signature = ''] = token.split('.')
    const altered = `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url')
    for (const wrong of [altered, `${header}.${payload}.`, `${none}.${payload}.`])
      expect(await refusal(world.exchange(service, subjectFields(wrong, stock)))).toMatchObject({
        status: 400,
        error: 'invalid_request',
      })
  })

  it.each(['disableAccount', 'deleteAccount'] as const)('is nothing after %s', async (change) => {
    const who = await world.gatehouse.makeAccount()
    const { access_token: token, id_token: id } = await world.tokensOf(
      { scope: 'openid read', resource: orders },
      { client: app, who },
    )
    const bank = await world.makeService()
    await world.allow({ clientId: bank.clientId, subjectClientId: app.clientId, audience: stock })
    const ask = (value: unknown, kind: string) =>
      world.exchange(bank, { ...subjectFields(String(value), stock), subject_token_type: typeOf(kind) })
    expect([(await ask(token, 'access_token')).status, (await ask(id, 'id_token')).status]).toEqual([200, 200])
    await world.gatehouse.server.node.revocation[change](who.sub)
    expect(await refusal(ask(token, 'access_token'))).toMatchObject({ status: 400, error: 'invalid_request' })
    expect(await refusal(ask(id, 'id_token'))).toMatchObject({ status: 400, error: 'invalid_request' })
  })

  it('is nothing once its client is disabled', async () => {
    const gone = await world.makeApp()
    const token = await world.accessToken(orders, gone)
    await world.gatehouse.server.node.revocation.disableClient(gone.clientId)
    expect(await refusal(world.exchange(service, subjectFields(token, stock)))).toMatchObject({
      status: 400,
      error: 'invalid_request',
    })
  })
})

describe('an opaque token got by exchange', () => {
  let clerk: Service
  beforeAll(async () => {
    clerk = await world.makeService()
    const policy = { clientId: clerk.clientId, audience: billing, scopes: ['read'] }
    await world.allow({ ...policy, subjectAudience: orders })
    await world.allow({ ...policy, subjectAudience: billing, maxDepth: 2 })
  })
  const isActive = async (token: unknown) => (await world.introspect(clerk, token)).body.active

  it('says at introspection what a JWT would', async () => {
    const token = await exchanged(clerk, await world.accessToken(orders, app), billing)
    expect(token).not.toContain('.')
    expect((await world.introspect(clerk, token)).body).toMatchObject({
      active: true,
      sub: world.person.sub,
      client_id: clerk.clientId,
      aud: billing,
      scope: 'read',
      act: { sub: clerk.clientId },
      acr: 'urn:gatehouse:acr:1fa',
    })
    expect((await world.introspect(service, token)).body).toEqual({ active: false })
  })

  it('is revoked alone by its holder, and leaves the subject token as it was', async () => {
    const subject = await world.accessToken(billing, app)
    const token = await exchanged(clerk, subject, billing)
    await post(
      world.issuer,
      '/revoke',
      { token },
      { authorization: `Basic ${Buffer.from(`${clerk.clientId}:${clerk.clientSecret}`).toString('base64')}` },
    )
    expect(await isActive(token)).toBe(false)
    expect((await world.introspect(app as Service, subject)).body.active).toBe(true)
  })

  it('ends with the grant of its subject token, through two exchanges', async () => {
    const { access_token: subject, refresh_token: refresh } = await world.tokensOf(
      { scope: 'openid read offline_access', prompt: 'consent', resource: billing },
      { client: app },
    )
    const once = await exchanged(clerk, String(subject), billing)
    const twice = await exchanged(clerk, once, billing)
    expect([await isActive(once), await isActive(twice)]).toEqual([true, true])
    const headers = { authorization: `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}` }
    expect((await post(world.issuer, '/revoke', { token: String(refresh) }, headers)).status).toBe(200)
    expect([await isActive(once), await isActive(twice)]).toEqual([false, false])
    expect(await refusal(world.exchange(clerk, subjectFields(twice, billing)))).toMatchObject({
      status: 400,
      error: 'invalid_request',
    })
  })

  it.each(['disableAccount', 'deleteAccount'] as const)('is nothing after %s, also without a grant', async (change) => {
    const who = await world.gatehouse.makeAccount()
    const tokens = async (resource: string) =>
      String((await world.tokensOf({ scope: 'openid read', resource }, { client: app, who })).access_token)
    // A JWT has no grant that is known.
    const free = await exchanged(clerk, await tokens(orders), billing)
    const tied = await exchanged(clerk, await tokens(billing), billing)
    expect([await isActive(free), await isActive(tied)]).toEqual([true, true])
    await world.gatehouse.server.node.revocation[change](who.sub)
    expect([await isActive(free), await isActive(tied)]).toEqual([false, false])
  })

  it.each(['disableClient', 'deleteClient'] as const)('goes with the client that got it: %s', async (change) => {
    const temporary = await world.makeService()
    await world.allow({ clientId: temporary.clientId, subjectAudience: billing, audience: billing })
    const token = await exchanged(temporary, await world.accessToken(billing, app), billing)
    await world.gatehouse.server.node.registrations.apis.update(billing, { introspectionClients: [clerk.clientId] })
    world.gatehouse.server.stores.apiCache.clear()
    expect(await isActive(token)).toBe(true)
    await world.gatehouse.server.node.revocation[change](temporary.clientId)
    expect(await isActive(token)).toBe(false)
    // It is gone, not hidden.
    if (change === 'disableClient') await world.gatehouse.server.node.revocation.enableClient(temporary.clientId)
    expect(await isActive(token)).toBe(false)
  })

  it('opens nothing at userinfo', async () => {
    const token = await exchanged(clerk, await world.accessToken(orders, app), billing)
    const headers = { authorization: `Bearer ${token}` }
    const { status, body } = await send(new URL('/userinfo', world.issuer), { headers })
    expect([status, body.error]).toEqual([403, 'insufficient_scope'])
  })
})

describe('a token bound to a key', () => {
  it('is exchanged with a proof by that key only, and what comes out is bound to it', async () => {
    const [holder, thief] = [await keyHolder(world.issuer), await keyHolder(world.issuer)]
    const token = await exchanged(service, await world.accessToken(orders, app), stock)
    const second = await world.makeService()
    await world.allow({ clientId: second.clientId, subjectAudience: stock, audience: billing, maxDepth: 2 })
    await world.allow({ clientId: second.clientId, subjectAudience: orders, audience: stock })
    const first = await world.exchange(second, subjectFields(await world.accessToken(orders, app), stock), {
      dpop: await holder.proof(),
    })
    expect(first.body.token_type).toBe('DPoP')
    const jkt = await calculateJwkThumbprint(holder.jwk)
    expect(claimsOf(first.body).cnf).toEqual({ jkt })
    const bound = String(first.body.access_token)
    const ask = async (proof?: string) =>
      world.exchange(second, subjectFields(bound, billing), proof === undefined ? {} : { dpop: proof })
    expect(await refusal(ask())).toMatchObject({
      status: 400,
      error: 'invalid_request',
      cause: expect.stringContaining('bound to a key'),
    })
    expect(await refusal(ask(await thief.proof()))).toMatchObject({ status: 400, error: 'invalid_request' })
    const proof = await holder.proof()
    const { status, body } = await ask(proof)
    expect([status, body.token_type]).toEqual([200, 'DPoP'])
    expect((await world.introspect(second, body.access_token)).body.cnf).toEqual({ jkt })
    // Once only, and well made.
    expect(await refusal(ask(proof))).toMatchObject({ status: 400, error: 'invalid_request' })
    expect(await refusal(ask(await holder.proof({ htm: 'GET' })))).toMatchObject({
      status: 400,
      error: 'invalid_dpop_proof',
    })
    expect(await refusal(ask('junk'))).toMatchObject({ status: 400, error: 'invalid_dpop_proof' })
    expect(token).toBeTruthy()
  })

  it('takes the nonce that the server hands out', async () => {
    const holder = await keyHolder(world.issuer)
    const token = await world.accessToken(orders, app)
    const first = await world.exchange(service, subjectFields(token, stock), { dpop: await holder.proof() })
    const nonce = first.headers.get('dpop-nonce')
    expect(nonce).toBeTruthy()
    const again = await world.exchange(service, subjectFields(token, stock), { dpop: await holder.proof({ nonce }) })
    expect(again.status).toBe(200)
    const madeUp = { dpop: await holder.proof({ nonce: 'made up' }) }
    expect((await world.exchange(service, subjectFields(token, stock), madeUp)).body.error).toBe('use_dpop_nonce')
  })
})

describe('the request', () => {
  it.each<[string, (fields: Record<string, string>) => Record<string, string> | [string, string][], string]>([
    ['without a subject token', ({ subject_token: _, ...rest }) => rest, 'invalid_request'],
    ['without its type', ({ subject_token_type: _, ...rest }) => rest, 'invalid_request'],
    ['without both', ({ audience = '' }) => ({ audience }), 'invalid_request'],
    ['of an unknown type', (fields) => ({ ...fields, subject_token_type: typeOf('saml2') }), 'invalid_request'],
    [
      'for another kind of token',
      (fields) => ({ ...fields, requested_token_type: typeOf('refresh_token') }),
      'invalid_request',
    ],
    ['without a target', ({ audience: _, ...rest }) => rest, 'invalid_target'],
    ['with two targets', (fields) => ({ ...fields, resource: orders }), 'invalid_target'],
    ['with a target given twice', (fields) => [...Object.entries(fields), ['audience', orders]], 'invalid_target'],
    [
      'with a subject token given twice',
      (fields) => [...Object.entries(fields), ['subject_token', 'x']],
      'invalid_request',
    ],
    [
      'with a refresh token as actor',
      (fields) => ({ ...fields, actor_token: 'x', actor_token_type: typeOf('refresh_token') }),
      'invalid_request',
    ],
    [
      'with an actor type alone',
      (fields) => ({ ...fields, actor_token_type: typeOf('access_token') }),
      'invalid_request',
    ],
  ])('is refused %s', async (_, change, error) => {
    const fields = subjectFields(await world.accessToken(orders, app), stock)
    expect(await refusal(world.exchange(service, change(fields)))).toMatchObject({ status: 400, error })
  })

  it('may name the target as resource, and twice the same', async () => {
    const { audience: _, ...rest } = subjectFields(await world.accessToken(orders, app), stock)
    const both = { ...rest, requested_token_type: typeOf('access_token'), resource: stock, audience: stock }
    expect([
      (await world.exchange(service, { ...rest, resource: stock })).status,
      (await world.exchange(service, both)).status,
    ]).toEqual([200, 200])
  })

  it('needs the client’s secret', async () => {
    const fields = subjectFields(await world.accessToken(orders, app), stock)
    expect((await world.exchange({ ...service, clientSecret: 'wrong' }, fields)).status).toBe(401)
  })

  it('leaves its cause in the log, and no token', async () => {
    const { logged } = world.gatehouse
    expect(logged.some((line) => line.includes('no policy lets') && line.includes('"cause"'))).toBe(true)
    const token = await world.accessToken(orders, app)
    await world.exchange(service, subjectFields(token, billing))
    expect(logged.join('')).not.toContain(token)
  })
})

describe('discovery', () => {
  it('tells of the grant type once there is a policy, and no longer when there is none', async () => {
    const fresh = await exchangeWorld()
    const types = async () =>
      (await send(new URL('/.well-known/openid-configuration', fresh.issuer))).body.grant_types_supported
    const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
    expect(await types()).not.toContain(grant)
    const one = await fresh.makeService()
    const policy = await fresh.allow({ clientId: one.clientId, subjectAudience: orders, audience: stock })
    await fresh.gatehouse.server.stores.exchangeRules.warm()
    expect(await types()).toContain(grant)
    await fresh.gatehouse.server.node.registrations.exchangePolicies.remove(policy.id)
    // Heard of from the database.
    for (let tries = 0; tries < 50 && ((await types()) as string[]).includes(grant); tries += 1)
      await new Promise((done) => setTimeout(done, 20))
    expect(await types()).not.toContain(grant)
    await fresh.gatehouse.stop()
  })
})
