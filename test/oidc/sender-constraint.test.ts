// Tokens that only the holder of a key can use: what a proof must look like (threat T9; RFC 9449).
import { createHash, createHmac, randomUUID } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { type Application, obtainCode } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { basic, post, send } from './requests.ts'

const redirectUri = 'https://app.example.com/cb'

let gatehouse: TestServer
let app: Application
let person: { email: string; password: string }
let key: CryptoKey
let jwk: JWK
let privateJwk: JWK

beforeAll(async () => {
  gatehouse = await startTestServer()
  person = await gatehouse.makeAccount()
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
  const pair = await generateKeyPair('ES256', { extractable: true })
  key = pair.privateKey
  jwk = await exportJWK(pair.publicKey)
  privateJwk = await exportJWK(pair.privateKey)
})
afterAll(() => gatehouse.stop())

const now = () => Math.floor(Date.now() / 1000)
const hash = (token: string) => createHash('sha256').update(token).digest('base64url')

interface Proof {
  header?: Record<string, unknown>
  claims?: Record<string, unknown>
  by?: CryptoKey
}
const proof = (path: string, method: string, { header = {}, claims = {}, by = key }: Proof = {}) =>
  new SignJWT({ jti: randomUUID(), htm: method, htu: `${gatehouse.issuer}${path}`, iat: now(), ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header })
    .sign(by)

const exchange = async (dpop: string | undefined, params: Record<string, string> = {}) => {
  const code = await obtainCode(gatehouse, app, person, { scope: 'openid email', ...params })
  const fields = {
    grant_type: 'authorization_code',
    code: code.code,
    code_verifier: code.verifier,
    redirect_uri: redirectUri,
  }
  return post(gatehouse.issuer, '/token', fields, {
    authorization: basic(app),
    ...(dpop === undefined ? {} : { dpop }),
  })
}
const bound = async () => {
  const { body } = await exchange(await proof('/token', 'POST'))
  return { access: String(body.access_token), refresh: String(body.refresh_token) }
}
const info = async (token: string, dpop: string | undefined, scheme = 'DPoP') =>
  send(new URL('/userinfo', gatehouse.issuer), {
    headers: { authorization: `${scheme} ${token}`, ...(dpop === undefined ? {} : { dpop }) },
  })
const refreshWith = async (token: string, dpop: string | undefined) =>
  post(
    gatehouse.issuer,
    '/token',
    { grant_type: 'refresh_token', refresh_token: token },
    { authorization: basic(app), ...(dpop === undefined ? {} : { dpop }) },
  )

describe('a proof of possession at the token endpoint', () => {
  it('binds the token to the key', async () => {
    const { status, body } = await exchange(await proof('/token', 'POST'))
    expect([status, body.token_type]).toEqual([200, 'DPoP'])
  })

  const wrong: [string, () => Promise<string>][] = [
    [
      'unsigned',
      async () => {
        const [, payload] = (await proof('/token', 'POST')).split('.')
        return `${Buffer.from(JSON.stringify({ alg: 'none', typ: 'dpop+jwt', jwk })).toString('base64url')}.${payload}.`
      },
    ],
    [
      'signed by HMAC',
      async () => {
        const header = { alg: 'HS256', typ: 'dpop+jwt', jwk: { kty: 'oct', k: 'AAAA' } }
        const [, payload] = (await proof('/token', 'POST')).split('.')
        const input = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}`
        return `${input}.${createHmac('sha256', Buffer.from('AAAA', 'base64url')).update(input).digest('base64url')}`
      },
    ],
    ['for another address', () => proof('/token', 'POST', { claims: { htu: 'https://other.example.com/token' } })],
    ['for another path', () => proof('/userinfo', 'POST')],
    ['for another method', () => proof('/token', 'GET')],
    ['ten minutes old', () => proof('/token', 'POST', { claims: { iat: now() - 600 } })],
    ['ten minutes ahead', () => proof('/token', 'POST', { claims: { iat: now() + 600 } })],
    ['without an id', () => proof('/token', 'POST', { claims: { jti: undefined } })],
    ['without a time', () => proof('/token', 'POST', { claims: { iat: undefined } })],
    ['of another type', () => proof('/token', 'POST', { header: { typ: 'jwt' } })],
    ['with the private key in it', () => proof('/token', 'POST', { header: { jwk: privateJwk } })],
    ['without a key', () => proof('/token', 'POST', { header: { jwk: undefined } })],
    [
      'signed with another key than it shows',
      async () => proof('/token', 'POST', { by: (await generateKeyPair('ES256')).privateKey }),
    ],
    ['with a nonce that was made up', () => proof('/token', 'POST', { claims: { nonce: 'made up' } })],
    ['that is no JWT', async () => 'junk'],
  ]
  it.each(wrong)('is refused %s', async (_, make) => {
    const { status, body } = await exchange(await make())
    expect(status).toBe(400)
    expect(body.error).toMatch(/^(invalid_dpop_proof|use_dpop_nonce)$/)
    expect(body).not.toHaveProperty('access_token')
  })

  it('is accepted once', async () => {
    const dpop = await proof('/token', 'POST')
    expect((await exchange(dpop)).status).toBe(200)
    const again = await exchange(dpop)
    expect(again.status).toBe(400)
    expect(again.body).not.toHaveProperty('access_token')
  })

  it('must be of the key that the authorization request named (dpop_jkt)', async () => {
    const other = await generateKeyPair('ES256', { extractable: true })
    const jkt = await calculateJwkThumbprint(await exportJWK(other.publicKey))
    const params = { dpop_jkt: jkt }
    expect(await exchange(await proof('/token', 'POST'), params)).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    })
    expect(await exchange(undefined, params)).toMatchObject({ status: 400 })
    const right = await proof('/token', 'POST', {
      by: other.privateKey,
      header: { jwk: await exportJWK(other.publicKey) },
    })
    expect((await exchange(right, params)).status).toBe(200)
  })
})

describe('a bound token', () => {
  it('is accepted with a fresh proof that names it', async () => {
    const { access } = await bound()
    const dpop = await proof('/userinfo', 'GET', { claims: { ath: hash(access) } })
    expect((await info(access, dpop)).status).toBe(200)
    expect((await info(access, dpop)).status).toBe(401)
  })

  it('is nothing as a bearer token, or without a proof', async () => {
    const { access } = await bound()
    expect((await info(access, undefined, 'Bearer')).status).toBe(401)
    const dpop = await proof('/userinfo', 'GET', { claims: { ath: hash(access) } })
    expect((await info(access, dpop, 'Bearer')).status).toBeGreaterThanOrEqual(400)
    expect((await info(access, undefined)).status).toBeGreaterThanOrEqual(400)
  })

  it.each([
    ['another token’s hash', { claims: { ath: createHash('sha256').update('x').digest('base64url') } }],
    ['no hash', {}],
  ])('is refused with a proof that has %s', async (_, options) => {
    const { access } = await bound()
    expect((await info(access, await proof('/userinfo', 'GET', options))).status).toBe(401)
  })

  it('is refused with a proof of another key', async () => {
    const { access } = await bound()
    const other = await generateKeyPair('ES256', { extractable: true })
    const dpop = await proof('/userinfo', 'GET', {
      by: other.privateKey,
      header: { jwk: await exportJWK(other.publicKey) },
      claims: { ath: hash(access) },
    })
    expect((await info(access, dpop)).status).toBe(401)
  })
})

describe('the refresh token of a public client', () => {
  it('is bound to the key as well', async () => {
    const native: Application = {
      redirectUri: 'com.example.app:/cb',
      ...(await gatehouse.makeClient({ kind: 'native', redirectUris: ['com.example.app:/cb'], isFirstParty: true })),
    }
    const code = await obtainCode(gatehouse, native, person)
    const client = { client_id: native.clientId }
    const { body } = await post(
      gatehouse.issuer,
      '/token',
      {
        ...client,
        grant_type: 'authorization_code',
        code: code.code,
        code_verifier: code.verifier,
        redirect_uri: native.redirectUri,
      },
      { dpop: await proof('/token', 'POST') },
    )
    const fields = { ...client, grant_type: 'refresh_token', refresh_token: String(body.refresh_token) }
    expect((await post(gatehouse.issuer, '/token', fields)).status).toBe(400)
    const other = await generateKeyPair('ES256', { extractable: true })
    const stolen = await proof('/token', 'POST', {
      by: other.privateKey,
      header: { jwk: await exportJWK(other.publicKey) },
    })
    expect((await post(gatehouse.issuer, '/token', fields, { dpop: stolen })).status).toBe(400)
    const own = await proof('/token', 'POST')
    expect((await post(gatehouse.issuer, '/token', fields, { dpop: own })).status).toBe(200)
  })

  it('of a confidential client is bound by the client’s own authentication', async () => {
    const { refresh } = await bound()
    expect((await refreshWith(refresh, await proof('/token', 'POST'))).status).toBe(200)
  })
})
