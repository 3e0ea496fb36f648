// createGuard: which rule a request is held to, what is refused before a token is looked at, and identity as headers.
import {
  createGuard,
  createVerifier,
  identityHeaders,
  isIdentityHeader,
  koaAuth,
  type VerifiedToken,
} from '../../../src/verifier/verifier.ts'
import { AUDIENCE, claimsOf, type SigningKey, sign, signingKey, startIssuer } from '../test-issuer.ts'

let key: SigningKey
let origin: Awaited<ReturnType<typeof startIssuer>>
beforeAll(async () => {
  key = await signingKey('key')
  origin = await startIssuer([key])
})
afterAll(() => origin.stop())

const rules = [
  { paths: ['/open'], isPublic: true },
  { hosts: ['orders.example'], paths: ['/orders/**'], methods: ['GET'], scopes: ['orders:read'] },
  { paths: ['/admin/**'], roles: ['admin'] },
]
const guard = () => createGuard({ verifier: createVerifier({ issuer: origin.issuer, audience: AUDIENCE }), rules })
const ask = async (changes: Record<string, unknown>) => {
  const request = { host: 'orders.example', method: 'GET', path: '/orders/7', ...changes }
  const answer = await guard().check(request)
  return answer.ok ? (answer.token?.subject ?? 'nobody') : [answer.refusal.status, answer.refusal.code]
}
const bearer = async (changes = {}) => `Bearer ${await sign(key, claimsOf(origin.issuer, changes))}`

describe('a guard', () => {
  it('holds each request to the first rule that matches', async () => {
    expect(await ask({ authorization: await bearer() })).toBe('account-1')
    expect(await ask({ authorization: await bearer({ scope: 'other' }) })).toEqual([403, 'insufficient_scope'])
    expect(await ask({ path: '/admin', authorization: await bearer() })).toEqual([403, 'insufficient_scope'])
    expect(await ask({ path: '/admin', authorization: await bearer({ roles: ['admin'] }) })).toBe('account-1')
    expect(await ask({})).toEqual([401, 'missing_token'])
  })
  it('lets everybody pass where it is public, and looks at no token there', async () => {
    expect(await ask({ path: '/open' })).toBe('nobody')
    expect(await ask({ path: '/open', authorization: await bearer() })).toBe('nobody')
    expect(await ask({ path: '/open', authorization: 'Bearer x' })).toBe('nobody')
  })
  it('refuses what no rule is for, with a good token too and without a challenge', async () => {
    const authorization = await bearer()
    expect(await ask({ path: '/other', authorization })).toEqual([403, 'access_denied'])
    expect(await ask({ method: 'POST', authorization })).toEqual([403, 'access_denied'])
    expect(await ask({ host: 'mail.example', authorization })).toEqual([403, 'access_denied'])
    const answer = await guard().check({ host: '', method: 'GET', path: '/other' })
    expect(answer.ok ? {} : answer.refusal.headers).toEqual({})
  })
  it('refuses a path or a host that can be read in two ways, before the rules', async () => {
    for (const path of ['/open/../admin', '//open', '/open;x', 'http://orders.example/open', '/open#x', '*'])
      expect([path, await ask({ path })]).toEqual([path, [400, 'invalid_request']])
    for (const host of ['a,b', 'a@b', 'a/b', 'a b']) expect(await ask({ host })).toEqual([400, 'invalid_request'])
    expect(await ask({ host: '[::1]:80', path: '/open' })).toBe('nobody')
  })
  it('is a TypeError where a rule could not be meant', () => {
    const verifier = createVerifier({ issuer: origin.issuer, audience: AUDIENCE })
    const build = (rule: object) => () => createGuard({ verifier, rules: [{ paths: ['/x'], ...rule }] })
    for (const rule of [{ roles: [] }, { scopes: 'x' }, { acrValues: [] }, { maxAge: -1 }, { isPublic: 'false' }])
      expect(build(rule)).toThrow(TypeError)
    expect(() => koaAuth(verifier, { rules, scopes: ['x'] })).toThrow('With rules the middleware takes no other option')
  })
})

describe('identity headers', () => {
  const token = { subject: 'a', clientId: 'c', scopes: [], roles: [], acr: undefined } as unknown as VerifiedToken
  it('never let one value be read as two, or break a line', () => {
    const odd = { ...token, subject: 'a\r\nX: y', roles: ['a b', 'c,d', '50%', 'ü\ud800'], acr: '1' }
    expect(identityHeaders(odd)).toEqual({
      'X-Auth-Subject': 'a%0D%0AX:%20y',
      'X-Auth-Client-Id': 'c',
      'X-Auth-Roles': 'a%20b c%2Cd 50%25 %C3%BC%EF%BF%BD',
      'X-Auth-Acr': '1',
    })
    expect(identityHeaders(undefined)).toEqual({})
  })
  it('are known in every spelling', () => {
    for (const name of ['x-auth-subject', 'X_AUTH_SUBJECT', 'X-Auth_Client.Id', 'x-auth-ROLES'])
      expect(isIdentityHeader(name)).toBe(true)
    expect(isIdentityHeader('X-Auth-Token')).toBe(false)
  })
})

describe('prepare()', () => {
  it('fetches the keys once, and says when they cannot be had', async () => {
    const verifier = createVerifier({ issuer: origin.issuer, audience: AUDIENCE })
    await verifier.prepare()
    const before = origin.counts.jwks
    await verifier.prepare()
    expect(origin.counts.jwks).toBe(before)
    const lost = createVerifier({ issuer: 'http://127.0.0.1:1', audience: AUDIENCE })
    await expect(lost.prepare()).rejects.toMatchObject({ code: 'temporarily_unavailable', status: 503 })
  })
})
