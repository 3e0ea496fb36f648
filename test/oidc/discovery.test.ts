// The documents through which applications find everything (OpenID Connect Discovery, RFC 8414), and the public keys.
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { send } from './requests.ts'

let gatehouse: TestServer

beforeAll(async () => {
  gatehouse = await startTestServer()
})
afterAll(() => gatehouse.stop())

const read = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  send(new URL(path, gatehouse.issuer), { method, headers })
const documents = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']

describe.each(documents)('%s', (path) => {
  it('names the issuer and every endpoint, each of which is there', async () => {
    const { body, headers } = await read(path)
    expect(headers.get('content-type')).toMatch(/^application\/json/)
    const at = (route: string) => `${gatehouse.issuer}${route}`
    expect(body).toMatchObject({
      issuer: gatehouse.issuer,
      authorization_endpoint: at('/authorize'),
      token_endpoint: at('/token'),
      userinfo_endpoint: at('/userinfo'),
      jwks_uri: at('/jwks'),
      introspection_endpoint: at('/introspect'),
      revocation_endpoint: at('/revoke'),
      pushed_authorization_request_endpoint: at('/par'),
      registration_endpoint: at('/register'),
      device_authorization_endpoint: at('/device_authorization'),
      end_session_endpoint: at('/sign-out'),
    })
    const endpoints = Object.entries(body).filter(([name]) => /_(endpoint|uri)$/.test(name))
    for (const [, url] of endpoints) {
      const post = await send(String(url), { method: 'POST', body: new URLSearchParams() })
      const get = await send(String(url))
      expect([String(url), [post.status, get.status].some((status) => status !== 404)]).toEqual([String(url), true])
    }
  })

  it('offers what the policy allows, and nothing else', async () => {
    const { body } = await read(path)
    const sorted = (name: string) => [...(body[name] as string[])].sort()
    expect(sorted('response_types_supported')).toEqual(['code'])
    expect(sorted('code_challenge_methods_supported')).toEqual(['S256'])
    expect(sorted('grant_types_supported')).toEqual([
      'authorization_code',
      'client_credentials',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:device_code',
    ])
    expect(sorted('token_endpoint_auth_methods_supported')).toEqual([
      'client_secret_basic',
      'client_secret_post',
      'none',
      'private_key_jwt',
    ])
    expect(sorted('subject_types_supported')).toEqual(['public'])
    expect(sorted('scopes_supported')).toEqual(['address', 'email', 'offline_access', 'openid', 'phone', 'profile'])
    const claims = `acr address amr auth_time birthdate email email_verified family_name gender given_name iss locale middle_name name
      nickname phone_number phone_number_verified picture preferred_username profile sid sub updated_at website zoneinfo`
    expect(sorted('claims_supported')).toEqual(claims.split(/\s+/))
    // In rising order.
    expect(body.acr_values_supported).toEqual(['urn:gatehouse:acr:1fa', 'urn:gatehouse:acr:2fa', 'phr'])
    expect(body.authorization_response_iss_parameter_supported).toBe(true)
    expect(body.request_parameter_supported ?? false).toBe(false)
    expect(body.request_uri_parameter_supported ?? false).toBe(false)
    expect(body.claims_parameter_supported).toBe(true)
    expect(sorted('id_token_signing_alg_values_supported')).toContain('RS256')
    expect(body).not.toHaveProperty('backchannel_authentication_endpoint')
  })

  it('does not offer any algorithm by which a client could sign with its secret', async () => {
    const { body } = await read(path)
    for (const [name, values] of Object.entries(body))
      if (name.endsWith('signing_alg_values_supported'))
        expect([name, (values as string[]).filter((alg) => alg === 'none' || alg.startsWith('HS'))]).toEqual([name, []])
  })
})

describe('both documents', () => {
  it('say the same', async () => {
    const [one, two] = [await read(documents[0] as string), await read(documents[1] as string)]
    expect(one.body).toEqual(two.body)
  })
})

describe.each([...documents, '/jwks'])('a copy of %s', (path) => {
  it('may be kept for five minutes, and checked by its ETag', async () => {
    const { headers } = await read(path)
    expect(headers.get('cache-control')).toBe('public, max-age=300')
    const etag = headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[\w-]+"$/)
    const again = await read(path, { 'if-none-match': etag })
    expect(again.status).toBe(304)
    expect(again.body).toEqual({ text: '' })
    expect(again.headers.get('etag')).toBe(etag)
    expect((await read(path, { 'if-none-match': `"other", W/${etag}` })).status).toBe(304)
    expect((await read(path, { 'if-none-match': '"other"' })).status).toBe(200)
  })

  it('may be asked for by its head alone', async () => {
    const get = await fetch(new URL(path, gatehouse.issuer))
    const length = String((await get.arrayBuffer()).byteLength)
    const head = await fetch(new URL(path, gatehouse.issuer), { method: 'HEAD' })
    expect([head.status, head.headers.get('etag'), head.headers.get('content-length')]).toEqual([
      200,
      get.headers.get('etag'),
      length,
    ])
    expect(await head.text()).toBe('')
  })

  it('may be asked for by its head before anybody has read it', async () => {
    const fresh = await startTestServer()
    const head = await fetch(new URL(path, fresh.issuer), { method: 'HEAD' })
    await fresh.stop()
    expect(head.status).toBe(200)
  })

  it.each(['POST', 'PUT', 'DELETE'])('cannot be changed: %s', async (method) => {
    expect([404, 405]).toContain((await read(path, {}, method)).status)
  })

  it('costs no statement', async () => {
    await read(path)
    gatehouse.statements.length = 0
    await Promise.all(Array.from({ length: 10 }, () => read(path)))
    expect(gatehouse.statements).toEqual([])
  })
})

describe('the signing keys', () => {
  it('have an id and a use, and no private part', async () => {
    const { body, headers } = await read('/jwks')
    expect(headers.get('content-type')).toMatch(/^application\/(jwk-set\+)?json/)
    const keys = body.keys as Record<string, unknown>[]
    expect(keys.map(({ alg }) => alg)).toEqual(expect.arrayContaining(['ES256', 'RS256']))
    for (const key of keys) {
      expect(key).toMatchObject({ kid: expect.any(String), use: 'sig', kty: expect.stringMatching(/^(EC|RSA|OKP)$/) })
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']) expect(key).not.toHaveProperty(secret)
    }
  })

  it('change their ETag with a rotation, the new key beside the old one (server-rotate-keys)', async () => {
    const before = await read('/jwks')
    await gatehouse.server.node.ensureAlgorithm('EdDSA')
    const after = await read('/jwks', { 'if-none-match': before.headers.get('etag') ?? '' })
    expect(after.status).toBe(200)
    expect(after.headers.get('etag')).not.toBe(before.headers.get('etag'))
    const kids = (answer: typeof before) => (answer.body.keys as { kid: string }[]).map(({ kid }) => kid)
    expect(kids(after)).toEqual(expect.arrayContaining(kids(before)))
    expect(kids(after)).toHaveLength(kids(before).length + 1)
  })
})
