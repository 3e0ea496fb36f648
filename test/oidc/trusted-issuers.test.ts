// JWTs of issuers outside as subject tokens: whom they must name, how they are verified, and where keys are fetched.
import type { lookup } from 'node:dns'
import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { createOutwardFetch } from '../../src/oidc/grants/outward-fetch.ts'
import { createTrustedJwts } from '../../src/oidc/grants/trusted-jwts.ts'
import { isInnerAddress, outwardUriProblem } from '../../src/oidc/policy/outward-uri.ts'
import { type ExchangeWorld, exchangeWorld, type Service, stock, subjectFields, typeOf } from './exchange-world.ts'

const partner = 'https://partner.example'
const mailing = 'https://mailing.example'

let world: ExchangeWorld
let service: Service
let key: CryptoKey
let jwks: { keys: object[] }

beforeAll(async () => {
  world = await exchangeWorld()
  service = await world.makeService()
  const pair = await generateKeyPair('ES256')
  key = pair.privateKey
  jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'p1', alg: 'ES256' }] }
  await world.trust({ issuer: partner, jwks })
  await world.trust({ issuer: mailing, jwks, audience: 'urn:us', subjectClaim: 'email' })
  for (const subjectIssuer of [partner, mailing])
    await world.allow({ clientId: service.clientId, subjectIssuer, audience: stock, scopes: ['read', 'write'] })
})
afterAll(() => world.gatehouse.stop())

const now = () => Math.floor(Date.now() / 1000)
const sign = (claims: JWTPayload = {}, header: { typ?: string; kid?: string } = {}, by = key) =>
  new SignJWT({
    iss: partner,
    aud: world.issuer,
    sub: world.person.sub,
    scope: 'read other',
    iat: now(),
    exp: now() + 60,
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', kid: 'p1', ...header })
    .sign(by)
const exchange = (token: string, more: Record<string, string> = {}) =>
  world.exchange(service, { ...subjectFields(token, stock, more), subject_token_type: typeOf('jwt') })

describe('the JWT of a trusted issuer', () => {
  it('is exchanged for a token of the account that it names, with its own scopes and no longer than it lives', async () => {
    const { status, body } = await exchange(await sign())
    expect([status, body.scope]).toEqual([200, 'read'])
    expect(body.expires_in).toBeLessThanOrEqual(60)
    expect((await world.introspect(service, body.access_token)).body).toMatchObject({
      active: true,
      sub: world.person.sub,
      act: { sub: service.clientId },
    })
    expect(body).not.toHaveProperty('acr')
  })

  it('names the account by a verified address, where that was declared', async () => {
    const { node } = world.gatehouse.server
    const about = (claims: JWTPayload) => sign({ iss: mailing, aud: 'urn:us', sub: 'theirs', ...claims })
    const email = world.person.email
    expect((await exchange(await about({ email, email_verified: true }))).status).toBe(400)
    await node.registrations.accounts.update(world.person.sub, { isEmailVerified: true })
    expect((await exchange(await about({ email, email_verified: true }))).status).toBe(200)
    for (const claims of [
      { email },
      { email, email_verified: 'true' },
      { email: 'x@y.example', email_verified: true },
      {},
    ])
      expect((await exchange(await about(claims))).body.error).toBe('invalid_request')
  })

  it.each<[string, () => Promise<string>]>([
    ['of an issuer that was not declared', () => sign({ iss: 'https://nobody.example' })],
    ['without an issuer', () => sign({ iss: undefined as never })],
    ['for somebody else', () => sign({ aud: 'https://other.example' })],
    ['for nobody', () => sign({ aud: undefined as never })],
    ['about nobody here', () => sign({ sub: 'nobody' })],
    ['about a machine', () => sign({ sub: service.clientId })],
    ['that has expired', () => sign({ exp: now() - 1 })],
    ['that never expires', () => sign({ exp: undefined as never })],
    ['not valid yet', () => sign({ nbf: now() + 600 })],
    ['of a type for something else', () => sign({}, { typ: 'logout+jwt' })],
    ['by another key', async () => sign({}, {}, (await generateKeyPair('ES256')).privateKey)],
    ['by a key that it does not have', () => sign({}, { kid: 'p2' })],
    ['that lets somebody else act only', () => sign({ may_act: { sub: 'client_other' } })],
    ['that lets nobody act who could be named', () => sign({ may_act: {} })],
    [
      'signed by the public key as if it were a secret',
      () =>
        new SignJWT({ iss: partner, aud: world.issuer, sub: world.person.sub, iat: now(), exp: now() + 60 })
          .setProtectedHeader({ alg: 'HS256', kid: 'p1' })
          .sign(new TextEncoder().encode(JSON.stringify(jwks.keys[0]))),
    ],
  ])('is refused %s', async (_, make) => {
    const { status, body } = await exchange(await make())
    expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_request' })
  })

  it('may name the service as the one who may act', async () => {
    expect((await exchange(await sign({ may_act: { sub: service.clientId } }))).status).toBe(200)
  })

  it('needs a policy of its own', async () => {
    const stranger = await world.makeService()
    await world.allow({ clientId: stranger.clientId, subjectClientId: service.clientId, audience: stock })
    const fields = { ...subjectFields(await sign(), stock), subject_token_type: typeOf('jwt') }
    expect((await world.exchange(stranger, fields)).body.error).toBe('invalid_request')
  })

  it('is nothing any more once the account is disabled, and once its issuer is not trusted any longer', async () => {
    const who = await world.gatehouse.makeAccount()
    const token = await sign({ sub: who.sub })
    expect((await exchange(token)).status).toBe(200)
    await world.gatehouse.server.node.revocation.disableAccount(who.sub)
    expect((await exchange(token)).status).toBe(400)
    const own = await sign()
    await world.gatehouse.server.node.registrations.trustedIssuers.remove(partner)
    world.gatehouse.server.stores.exchangeRules.clear()
    expect((await exchange(own)).status).toBe(400)
  })
})

describe('declaring an issuer', () => {
  const create = (input: object) =>
    world.gatehouse.server.node.registrations.trustedIssuers.create({
      issuer: 'https://new.example',
      ...input,
    } as never)

  it.each<[string, object, string]>([
    ['without keys', {}, 'jwksUri'],
    ['with keys twice', { jwks: { keys: [] }, jwksUri: 'https://new.example/jwks' }, 'jwksUri'],
    ['with a key set without keys', { jwks: { keys: [] } }, 'jwks'],
    ['with a private key', { jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'd' }] } }, 'jwks'],
    ['with keys within the own network', { jwksUri: 'https://10.0.0.1/jwks' }, 'jwksUri'],
    ['with keys on this machine', { jwksUri: 'https://localhost/jwks' }, 'jwksUri'],
    ['with keys over plain http', { jwksUri: 'http://new.example/jwks' }, 'jwksUri'],
    ['that is no URL', { issuer: 'partner', jwksUri: 'https://new.example/jwks' }, 'issuer'],
    ['with another claim', { jwksUri: 'https://new.example/jwks', subjectClaim: 'upn' }, 'subjectClaim'],
  ])('is refused %s', async (_, input, field) => {
    expect(await create(input)).toMatchObject({ ok: false, problems: [{ field }] })
  })

  it('is refused for this server itself, and twice', async () => {
    expect(await create({ issuer: world.issuer, jwks })).toMatchObject({ ok: false, problems: [{ field: 'issuer' }] })
    expect(await create({ jwksUri: 'https://new.example/jwks' })).toMatchObject({ ok: true })
    expect(await create({ jwks })).toEqual({ ok: false, reason: 'taken' })
  })
})

describe('keys at an address', () => {
  const trustedAt = (jwksUri: string) => ({
    issuer: partner,
    audience: 'urn:us',
    jwksUri,
    jwks: undefined,
    subjectClaim: 'sub' as const,
    createdAt: new Date(),
  })
  const accounts = {
    find: async (sub: string) => ({ sub, disabledAt: undefined }) as never,
    findByEmail: async () => undefined,
  }
  const token = () => sign({ aud: 'urn:us' })

  it('are fetched once and kept', async () => {
    let fetched = 0
    const fetch = async () => {
      fetched += 1
      return Response.json(jwks)
    }
    const jwts = createTrustedJwts({
      findIssuer: async () => trustedAt('https://partner.example/jwks'),
      accounts,
      fetch,
    })
    for (const _ of [1, 2, 3]) expect(await jwts.read(await token())).toMatchObject({ ok: true, issuer: partner })
    expect(fetched).toBe(1)
  })

  it('that cannot be had refuse the token, and say so', async () => {
    const jwts = createTrustedJwts({
      findIssuer: async () => trustedAt('https://partner.example/jwks'),
      accounts,
      fetch: createOutwardFetch({ lookUp: resolvingTo('127.0.0.1') }),
    })
    expect(await jwts.read(await token())).toEqual({
      ok: false,
      cause: 'the keys of its issuer cannot be had: its name leads into a private network',
    })
  })
})

const resolvingTo = (...addresses: string[]) =>
  ((_: string, __: object, done: (error: null, found: object[]) => void) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )) as unknown as typeof lookup

describe('an address', () => {
  it.each([
    ['8.8.8.8', false],
    ['93.184.216.34', false],
    ['2606:2800:220:1::1', false],
    ['127.0.0.1', true],
    ['172.31.255.255', true],
    ['172.32.0.0', false],
    ['100.64.0.1', true],
    ['224.0.0.1', true],
    ['::', true],
    ['fe80::1', true],
    ['::ffff:8.8.8.8', true],
    ['64:ff9b::a00:1', true],
  ])('%s is one of the own network: %s', (address, isInner) => {
    expect(isInnerAddress(address)).toBe(isInner)
    const host = address.includes(':') ? `[${address}]` : address
    expect(outwardUriProblem(`https://${host}/jwks`) !== undefined).toBe(isInner)
  })
})

describe('fetching from outside', () => {
  const signal = (milliseconds = 2000) => AbortSignal.timeout(milliseconds)

  it.each<[string, (answer: ServerResponse) => void, string]>([
    ['more than a key set may have', (answer) => answer.end('x'.repeat(300_000)), 'more than 262144 bytes'],
    ['nothing in time', () => undefined, 'no answer in time'],
    ['half of it and then nothing', (answer) => answer.write('{"keys":['), 'no answer in time'],
    ['another place', (answer) => answer.writeHead(302, { location: 'https://other.example' }).end(), 'status 302'],
    ['an error', (answer) => answer.writeHead(500).end(), 'status 500'],
  ])('takes no answer that is %s', async (_, respond, why) => {
    const server = createServer((__, answer) => respond(answer)).listen(0, '127.0.0.1')
    await new Promise((done) => server.once('listening', done))
    const { port } = server.address() as AddressInfo
    const ask = ((___: string, options: object, done: () => void) =>
      request({ ...options, port, host: '127.0.0.1', lookup: undefined, agent: undefined }, done)) as never
    const fetch = createOutwardFetch({ ask })
    await expect(fetch('https://partner.example/jwks', { signal: signal(300) })).rejects.toThrow(why)
    server.closeAllConnections()
    server.close()
  })

  it.each([['127.0.0.1'], ['10.1.2.3'], ['169.254.169.254'], ['::1'], ['fd00::1'], ['::ffff:127.0.0.1']])(
    'never calls %s, whatever name leads there',
    async (address) => {
      for (const addresses of [[address], ['93.184.216.34', address]]) {
        const fetch = createOutwardFetch({ lookUp: resolvingTo(...addresses) })
        await expect(fetch('https://partner.example/jwks', { signal: signal() })).rejects.toThrow('private network')
      }
    },
  )

  it('never opens a connection to a server of the own network', async () => {
    let connections = 0
    const server = createServer().listen(0, '127.0.0.1')
    server.on('connection', () => {
      connections += 1
    })
    await new Promise((done) => server.once('listening', done))
    const { port } = server.address() as AddressInfo
    const fetch = createOutwardFetch()
    for (const url of [
      `https://127.0.0.1:${port}/`,
      `https://localhost:${port}/`,
      `http://127.0.0.1:${port}/`,
      'https://[::1]/',
    ])
      await expect(fetch(url, { signal: signal() })).rejects.toThrow('cannot be had')
    expect(connections).toBe(0)
    server.close()
  })
})
