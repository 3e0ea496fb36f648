// How applications prove who they are (threats CA1 to CA7; RFC 6749 section 2.3, RFC 7523).
import { createHmac, createSign, KeyObject, randomUUID } from 'node:crypto'
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { basic, machineToken, post, rawRequest } from './requests.ts'

type Credentials = { clientId: string; clientSecret: string }
type Claims = { [Name in keyof JWTPayload]?: JWTPayload[Name] | undefined }
type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

let gatehouse: TestServer
let audience: string
let machine: Credentials
let keys: KeyPair
let signer: Credentials

beforeAll(async () => {
  gatehouse = await startTestServer()
  audience = await gatehouse.makeApi()
  machine = await gatehouse.makeClient({ kind: 'machine', apis: { [audience]: ['things:read'] } })
  keys = await generateKeyPair('RS256', { extractable: true })
  signer = await gatehouse.makeClient({
    kind: 'machine',
    apis: { [audience]: ['things:read'] },
    tokenEndpointAuthMethod: 'private_key_jwt',
    jwks: { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k1', use: 'sig' }] },
  })
})
afterAll(() => gatehouse.stop())

const grant = { grant_type: 'client_credentials' }
const token = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
  post(gatehouse.issuer, '/token', { ...grant, ...fields }, headers)

describe('a client secret', () => {
  it('may come in the header or in the body', async () => {
    expect(await token({}, { authorization: basic(machine) })).toMatchObject({ status: 200 })
    expect(await token({ client_id: machine.clientId, client_secret: machine.clientSecret })).toMatchObject({
      status: 200,
    })
  })

  it('is refused with a challenge when it is wrong in the header', async () => {
    const answer = await token({}, { authorization: basic({ ...machine, clientSecret: 'wrong' }) })
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=/)
    expect(answer.headers.get('cache-control')).toContain('no-store')
  })

  it('is refused without one when it is wrong in the body', async () => {
    const answer = await token({ client_id: machine.clientId, client_secret: 'wrong' })
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
    expect(answer.headers.get('www-authenticate')).toBeNull()
  })

  const bad: [string, () => [Record<string, string>, Record<string, string>], number][] = [
    ['one character is missing', () => [{}, { authorization: basic(shortened()) }], 401],
    ['one character is different', () => [{}, { authorization: basic(altered()) }], 401],
    ['it is missing', () => [{ client_id: machine.clientId }, {}], 401],
    ['it is empty in the body', () => [{ client_id: machine.clientId, client_secret: '' }, {}], 401],
    ['it is empty in the header', () => [{}, { authorization: basic({ ...machine, clientSecret: '' }) }], 400],
    ['the header has no colon', () => [{}, { authorization: `Basic ${btoa(machine.clientId)}` }], 400],
    ['the header is no base64', () => [{}, { authorization: 'Basic %%%' }], 400],
    ['the header has another scheme', () => [{}, { authorization: `Bearer ${machine.clientSecret}` }], 400],
    ['the client is unknown', () => [{}, { authorization: basic({ ...machine, clientId: 'client_unknown' }) }], 401],
    ['nobody says who it is', () => [{ client_secret: machine.clientSecret }, {}], 400],
    [
      'it comes in the header and in the body',
      () => [{ client_id: machine.clientId, client_secret: machine.clientSecret }, { authorization: basic(machine) }],
      400,
    ],
    [
      'header and body name different clients',
      () => [{ client_id: signer.clientId }, { authorization: basic(machine) }],
      400,
    ],
    ['the client signs assertions instead', () => [{ client_id: signer.clientId, client_secret: 'x' }, {}], 401],
    [
      'it is the placeholder that the engine sees',
      () => [{}, { authorization: basic({ ...machine, clientSecret: 'stored as a digest' }) }],
      401,
    ],
  ]
  const shortened = () => ({ ...machine, clientSecret: machine.clientSecret.slice(0, -1) })
  const altered = () => ({
    ...machine,
    clientSecret: `${machine.clientSecret.slice(0, -1)}${machine.clientSecret.endsWith('A') ? 'B' : 'A'}`,
  })

  it.each(bad)('is no good when %s', async (_, request, status) => {
    const answer = await token(...request())
    expect(answer).toMatchObject({ status, body: { error: status === 401 ? 'invalid_client' : 'invalid_request' } })
    expect(answer.body).not.toHaveProperty('access_token')
  })

  it('is not read from the query', async () => {
    const answer = await post(
      gatehouse.issuer,
      `/token?client_id=${machine.clientId}&client_secret=${machine.clientSecret}`,
      grant,
    )
    expect(answer.status).toBe(400)
    expect(answer.body).not.toHaveProperty('access_token')
  })

  it('says the same for an unknown client and a wrong secret', async () => {
    const answers = await Promise.all([
      token({ client_id: machine.clientId, client_secret: 'wrong' }),
      token({ client_id: 'client_unknown', client_secret: 'wrong' }),
    ])
    expect(answers.map(({ status, body }) => [status, body.error])).toEqual([
      [401, 'invalid_client'],
      [401, 'invalid_client'],
    ])
  })
})

describe('a client that is disabled or deleted', () => {
  it('is unknown at once', async () => {
    const disabled = await gatehouse.makeClient({ kind: 'machine', apis: { [audience]: [] } })
    expect(await machineToken(gatehouse.issuer, disabled)).toMatchObject({ status: 200 })
    await gatehouse.server.node.revocation.disableClient(disabled.clientId)
    expect(await machineToken(gatehouse.issuer, disabled)).toMatchObject({ status: 401 })
    await gatehouse.server.node.revocation.enableClient(disabled.clientId)
    expect(await machineToken(gatehouse.issuer, disabled)).toMatchObject({ status: 200 })
    await gatehouse.server.node.revocation.deleteClient(disabled.clientId)
    expect(await machineToken(gatehouse.issuer, disabled)).toMatchObject({ status: 401 })
  })
})

describe('rotating a secret', () => {
  const rotate = async (client: Credentials, overlapSeconds: number) => {
    const rotated = await gatehouse.server.node.registrations.clients.rotateSecret(client.clientId, { overlapSeconds })
    if (!rotated.ok) throw new Error(rotated.reason)
    gatehouse.server.stores.clientCache.forget(client.clientId)
    return { ...client, clientSecret: rotated.clientSecret }
  }

  it('leaves the old one good until its deadline, and not a moment longer', async () => {
    const old = await gatehouse.makeClient({ kind: 'machine', apis: { [audience]: [] } })
    const renewed = await rotate(old, 1)
    expect(await machineToken(gatehouse.issuer, old)).toMatchObject({ status: 200 })
    expect(await machineToken(gatehouse.issuer, renewed)).toMatchObject({ status: 200 })
    await new Promise((resolve) => setTimeout(resolve, 1200))
    expect(await machineToken(gatehouse.issuer, old)).toMatchObject({ status: 401 })
    expect(await machineToken(gatehouse.issuer, renewed)).toMatchObject({ status: 200 })
  })

  it('can end the old one at once', async () => {
    const old = await gatehouse.makeClient({ kind: 'machine', apis: { [audience]: [] } })
    const renewed = await rotate(old, 0)
    expect(await machineToken(gatehouse.issuer, old)).toMatchObject({ status: 401 })
    expect(await machineToken(gatehouse.issuer, renewed)).toMatchObject({ status: 200 })
  })
})

describe('a secret in the database', () => {
  it('is a digest and nothing else', async () => {
    const rows = await gatehouse.server.stores.database.query<{ row: string }>(
      'SELECT row_to_json(s)::text AS row FROM client_secrets s UNION ALL SELECT row_to_json(c)::text FROM clients c',
    )
    expect(rows.length).toBeGreaterThan(2)
    expect(rows.filter(({ row }) => row.includes(machine.clientSecret))).toEqual([])
  })
})

describe('guessing secrets', () => {
  it('is stopped for one client and address, and leaves the others alone', async () => {
    const victim = await gatehouse.makeClient({ kind: 'machine', apis: { [audience]: [] } })
    const guess = () => token({ client_id: victim.clientId, client_secret: 'guess' })
    const statuses: number[] = []
    for (let round = 0; round < 13; round += 1)
      statuses.push(...(await Promise.all(Array.from({ length: 40 }, guess))).map(({ status }) => status))
    expect(statuses.filter((status) => status === 401)).toHaveLength(500)
    expect(statuses.filter((status) => status === 429)).toHaveLength(20)
    const stopped = await guess()
    expect(stopped.status).toBe(429)
    expect(Number(stopped.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await machineToken(gatehouse.issuer, machine)).toMatchObject({ status: 200 })
  })

  it('is not counted for requests that succeed', async () => {
    const client = await gatehouse.makeClient({ kind: 'machine', apis: { [audience]: [] } })
    const statuses: number[] = []
    for (let round = 0; round < 13; round += 1) {
      const answers = await Promise.all(Array.from({ length: 40 }, () => machineToken(gatehouse.issuer, client)))
      statuses.push(...answers.map(({ status }) => status))
    }
    expect(statuses.filter((status) => status !== 200)).toEqual([])
  })
})

describe('an assertion', () => {
  const now = () => Math.floor(Date.now() / 1000)
  const claims = (more: Claims = {}): Claims => ({
    iss: signer.clientId,
    sub: signer.clientId,
    aud: gatehouse.issuer,
    jti: randomUUID(),
    iat: now(),
    exp: now() + 60,
    ...more,
  })
  const signed = (payload: Claims, { key = keys.privateKey, alg = 'RS256', kid = 'k1' } = {}) =>
    new SignJWT(payload as JWTPayload).setProtectedHeader({ alg, kid }).sign(key)
  const present = (client_assertion: string) => token({ client_assertion, client_assertion_type: assertionType })
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

  it('signed with the registered key is accepted, for the issuer and for the token endpoint', async () => {
    expect(await present(await signed(claims()))).toMatchObject({ status: 200 })
    expect(await present(await signed(claims({ aud: `${gatehouse.issuer}/token` })))).toMatchObject({ status: 200 })
  })

  it('is accepted from a clock that is a little fast', async () => {
    expect(await present(await signed(claims({ nbf: now() + 8, iat: now() + 8 })))).toMatchObject({ status: 200 })
  })

  it('is accepted once', async () => {
    const assertion = await signed(claims())
    const answers = await Promise.all(Array.from({ length: 8 }, () => present(assertion)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(7)
    expect(await present(assertion)).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
  })

  it('is accepted once on all nodes', async () => {
    const other = await startTestServer({ beside: gatehouse })
    const assertion = await signed(claims())
    expect(await present(assertion)).toMatchObject({ status: 200 })
    const { port } = other.server.http.address() as { port: number }
    const answer = await rawRequest(port, '/token', {
      method: 'POST',
      headers: { host: new URL(gatehouse.issuer).host, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        ...grant,
        client_assertion: assertion,
        client_assertion_type: assertionType,
      }).toString(),
    })
    await other.stop()
    expect(answer.status).toBe(401)
  })

  const wrong: [string, Claims][] = [
    ['without an end', { exp: undefined }],
    ['five minutes after its end', { exp: Math.floor(Date.now() / 1000) - 300 }],
    ['a minute before its time', { nbf: Math.floor(Date.now() / 1000) + 90 }],
    ['for another audience', { aud: 'https://other.example.com' }],
    ['for the audience with a slash', { aud: 'ISSUER/' }],
    ['for no audience', { aud: undefined }],
    ['of another issuer', { iss: 'client_other' }],
    ['without an issuer', { iss: undefined }],
    ['of another subject', { sub: 'client_other' }],
    ['without a subject', { sub: undefined }],
    ['without an id', { jti: undefined }],
  ]
  it.each(wrong)('is refused %s', async (_, more) => {
    const aud = typeof more.aud === 'string' ? { aud: more.aud.replace('ISSUER', gatehouse.issuer) } : {}
    const answer = await present(await signed(claims({ ...more, ...aud })))
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
  })

  const forged: [string, () => Promise<string>][] = [
    ['unsigned', async () => `${encoded({ alg: 'none' })}.${encoded(claims())}.`],
    [
      'signed by HMAC with the public key (algorithm confusion)',
      async () => {
        const input = `${encoded({ alg: 'HS256', kid: 'k1' })}.${encoded(claims())}`
        const mac = createHmac('sha256', await exportSPKI(keys.publicKey))
          .update(input)
          .digest('base64url')
        return `${input}.${mac}`
      },
    ],
    [
      'signed with somebody else’s key',
      async () => signed(claims(), { key: (await generateKeyPair('RS256')).privateKey }),
    ],
    [
      'signed with a key that it brings along',
      async () => {
        const own = await generateKeyPair('RS256')
        const jwk = await exportJWK(own.publicKey)
        return new SignJWT(claims() as JWTPayload).setProtectedHeader({ alg: 'RS256', jwk }).sign(own.privateKey)
      },
    ],
    [
      'that names the address of a key',
      async () => {
        const own = await generateKeyPair('RS256')
        const jku = `${gatehouse.issuer}/jwks`
        return new SignJWT(claims() as JWTPayload).setProtectedHeader({ alg: 'RS256', jku }).sign(own.privateKey)
      },
    ],
    [
      'with a key id like a path',
      async () => signed(claims(), { kid: '../../x', key: (await generateKeyPair('RS256')).privateKey }),
    ],
    [
      'with a key id like SQL',
      async () => signed(claims(), { kid: "' OR 1=1", key: (await generateKeyPair('RS256')).privateKey }),
    ],
    [
      'with a critical header that nobody understands',
      async () => {
        const header = encoded({ alg: 'RS256', kid: 'k1', crit: ['x'], x: 1 })
        const input = `${header}.${encoded(claims())}`
        const key = KeyObject.from(keys.privateKey)
        return `${input}.${createSign('RSA-SHA256').update(input).sign(key).toString('base64url')}`
      },
    ],
    [
      'signed by RSA with SHA-512, which is not offered',
      async () => {
        const input = `${encoded({ alg: 'RS512', kid: 'k1' })}.${encoded(claims())}`
        const key = KeyObject.from(keys.privateKey)
        return `${input}.${createSign('RSA-SHA512').update(input).sign(key).toString('base64url')}`
      },
    ],
  ]
  it.each(forged)('is refused %s', async (_, forge) => {
    expect(await present(await forge())).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
  })

  it.each(['', 'junk', 'a.b.c', '..', `${'a'.repeat(5000)}.b.c`])('is refused as junk: %p', async (junk) => {
    const answer = await present(junk)
    expect([400, 401]).toContain(answer.status)
  })

  it('of another type is refused', async () => {
    const answer = await token({ client_assertion: await signed(claims()), client_assertion_type: 'saml' })
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  })

  it('cannot stand in for the secret of a client that has one', async () => {
    const answer = await present(await signed(claims({ iss: machine.clientId, sub: machine.clientId })))
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
  })
})

describe('a public client', () => {
  it('is known by its client_id alone, and is given no token of its own', async () => {
    const spa = await gatehouse.makeClient({ kind: 'spa', redirectUris: ['https://spa.example.com/cb'] })
    expect(await token({ client_id: spa.clientId })).toMatchObject({
      status: 400,
      body: { error: 'unauthorized_client' },
    })
  })

  it('with a secret is no client at all', async () => {
    const spa = await gatehouse.makeClient({ kind: 'spa', redirectUris: ['https://spa.example.com/cb'] })
    expect(await token({ client_id: spa.clientId, client_secret: 'x' })).toMatchObject({ status: 401 })
  })
})

describe('a grant type', () => {
  it.each([
    ['password', 'unsupported_grant_type'],
    ['unknown', 'unsupported_grant_type'],
    ['implicit', 'unsupported_grant_type'],
    ['urn:ietf:params:oauth:grant-type:jwt-bearer', 'unsupported_grant_type'],
    ['urn:ietf:params:oauth:grant-type:token-exchange', 'unauthorized_client'],
    ['authorization_code', 'unauthorized_client'],
    ['refresh_token', 'unauthorized_client'],
    ['urn:ietf:params:oauth:grant-type:device_code', 'unauthorized_client'],
  ])('that the client may not use is refused: %s', async (grant_type, error) => {
    const answer = await token(
      { grant_type, username: 'a', password: 'b', code: 'c' },
      { authorization: basic(machine) },
    )
    expect(answer).toMatchObject({ status: 400, body: { error } })
  })

  it('must be there', async () => {
    const answer = await post(gatehouse.issuer, '/token', {}, { authorization: basic(machine) })
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  })
})
