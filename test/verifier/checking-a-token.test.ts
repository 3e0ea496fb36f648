// Which tokens a service accepts, and what it says about the others.
import { createHmac } from 'node:crypto'
import { CompactEncrypt, type CryptoKey, exportSPKI, importJWK } from 'jose'
import { createVerifier, type Verifier, VerifierError, type VerifierOptions } from '../../src/verifier/verifier.ts'
import { AUDIENCE, claimsOf, epoch, type SigningKey, sign, signingKey, startIssuer } from './test-issuer.ts'

const keys: Record<string, SigningKey> = {}
let origin: Awaited<ReturnType<typeof startIssuer>>
let verifier: Verifier
let foreign: SigningKey

beforeAll(async () => {
  for (const alg of ['ES256', 'RS256', 'PS256', 'EdDSA', 'ES384']) keys[alg] = await signingKey(`${alg}-1`, alg)
  foreign = await signingKey('ES256-1')
  origin = await startIssuer(Object.values(keys))
  verifier = createVerifier({ issuer: origin.issuer, audience: AUDIENCE })
})
afterAll(() => origin.stop())

const keyOf = (alg: string): SigningKey => {
  const key = keys[alg]
  if (!key) throw new Error(`no key ${alg}`)
  return key
}
const token = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}, alg = 'ES256') =>
  sign(keyOf(alg), claimsOf(origin.issuer, claims), header)
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const unsigned = (header: Record<string, unknown>, claims: Record<string, unknown> = {}) =>
  `${encode(header)}.${encode(claimsOf(origin.issuer, claims))}.`
const hmac = (secret: string | Buffer) => {
  const input = unsigned({ alg: 'HS256', typ: 'at+jwt', kid: 'ES256-1' }).slice(0, -1)
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}
const swapped = async (claims: Record<string, unknown>) => {
  const [header, , signature] = (await token()).split('.')
  return `${header}.${encode(claimsOf(origin.issuer, claims))}.${signature}`
}
async function refusal(promise: Promise<unknown>): Promise<VerifierError> {
  const error = await promise.then(
    () => new Error('was accepted'),
    (reason: unknown) => reason,
  )
  if (error instanceof VerifierError) return error
  throw error
}

describe('a good access token', () => {
  const good: [string, () => Promise<string>][] = [
    ['signed with ES256', () => token()],
    ['signed with RS256', () => token({}, {}, 'RS256')],
    ['signed with PS256', () => token({}, {}, 'PS256')],
    ['signed with EdDSA', () => token({}, {}, 'EdDSA')],
    ['with the type in capitals', () => token({}, { typ: 'AT+JWT' })],
    ['with the full media type', () => token({}, { typ: 'application/at+jwt' })],
    ['for several audiences', () => token({ aud: ['https://other.example', AUDIENCE] })],
    ['without scopes', () => token({ scope: undefined })],
    ['with an empty scope', () => token({ scope: '' })],
    ['with unknown claims and parameters', () => token({ roles: ['owner'], act: { sub: 'x' } }, { foo: 1 })],
    ['expired within the clock tolerance', () => token({ exp: epoch() - 3 })],
    ['valid from within the clock tolerance', () => token({ nbf: epoch() + 3 })],
    ['issued by a clock 30 seconds ahead', () => token({ iat: epoch() + 30 })],
    ['without kid where one key fits', () => token({}, { kid: undefined })],
    ['with an embedded foreign key, which is ignored', () => token({}, { jwk: foreign.jwk })],
    ['with a jku, which is never fetched', () => token({}, { jku: `${origin.issuer}/evil` })],
    ['with an x5u, which is never fetched', () => token({}, { x5u: `${origin.issuer}/evil` })],
  ]
  it.each(good)('is accepted %s', async (_, make) => {
    await expect(verifier.verify(await make())).resolves.toMatchObject({ subject: 'account-1', clientId: 'client-1' })
    expect(origin.counts.other).toBe(0)
  })

  it('is handed over with its claims, times in seconds', async () => {
    const exp = epoch() + 100
    const authenticated = { acr: 'phr', amr: ['hwk', 'user'], auth_time: exp - 200 }
    expect(await verifier.verify(await token({ exp, roles: ['owner'], ...authenticated }))).toEqual({
      subject: 'account-1',
      clientId: 'client-1',
      scopes: ['orders:read', 'orders:write'],
      roles: ['owner'],
      audience: [AUDIENCE],
      expiresAt: exp,
      tokenId: 'token-1',
      acr: 'phr',
      amr: ['hwk', 'user'],
      authenticatedAt: exp - 200,
      claims: expect.objectContaining({ roles: ['owner'], iss: origin.issuer }),
    })
  })
})

describe('a bad access token', () => {
  const bad: [string, () => string | Promise<string>, RegExp][] = [
    ['alg none', () => unsigned({ alg: 'none', typ: 'at+jwt' }), /algorithm is 'none'/],
    ['alg None', () => unsigned({ alg: 'None', typ: 'at+jwt' }), /algorithm is 'None'/],
    ['alg missing', () => unsigned({ typ: 'at+jwt' }), /algorithm is missing/],
    ['alg a list', () => unsigned({ alg: ['ES256'], typ: 'at+jwt' }), /algorithm is/],
    ['HS256 with the public key as secret', async () => hmac(await pem('RS256')), /algorithm is 'HS256'/],
    ['HS256 with the public JWK as secret', () => hmac(JSON.stringify(keyOf('ES256').jwk)), /algorithm is 'HS256'/],
    ['HS256 with an empty secret', () => hmac(''), /algorithm is 'HS256'/],
    ['an algorithm that is not allowed', () => token({}, {}, 'ES384'), /algorithm is 'ES384'/],
    ['an ID token', () => token({ nonce: 'n' }, { typ: 'JWT' }), /typ\) is 'JWT'.*An ID token is not an access token/],
    ['no type', () => token({}, { typ: undefined }), /typ\) is missing.*An ID token/],
    ['a logout token', () => token({}, { typ: 'logout+jwt' }), /typ\) is 'logout\+jwt'.*RFC 9068\)\.$/],
    ['a DPoP proof', () => token({}, { typ: 'dpop+jwt' }), /typ\) is 'dpop\+jwt'/],
    ['a type that only contains the right one', () => token({}, { typ: 'at+jwt ' }), /typ\) is/],
    ['type of another kind', () => token({}, { typ: 7 }), /typ\) is '7'/],
    ['critical extension', () => withCrit(['exp'], { exp: 1 }), /extensions \(crit\)/],
    ['critical b64', () => withCrit(['b64'], { b64: false }), /extensions \(crit\)/],
    ['critical empty list', () => withCrit([]), /extensions \(crit\)/],
    [
      'another issuer',
      () => token({ iss: 'https://evil.example' }),
      /issuer is 'https:\/\/evil.example', this service expects/,
    ],
    ['the issuer with a slash', () => token({ iss: `${origin.issuer}/` }), /issuer is/],
    ['no issuer', () => token({ iss: undefined }), /issuer is missing/],
    ['the issuer in a list', () => token({ iss: [origin.issuer] }), /issuer is/],
    [
      'another audience',
      () => token({ aud: 'https://mail.example' }),
      /audience is 'https:\/\/mail.example', this service expects 'https:\/\/orders.example'/,
    ],
    ['other audiences', () => token({ aud: ['a', 'b'] }), /audience is '\["a","b"\]'/],
    ['no audience', () => token({ aud: undefined }), /audience is missing/],
    ['an empty list of audiences', () => token({ aud: [] }), /audience is/],
    ['an audience that only starts right', () => token({ aud: `${AUDIENCE}.evil` }), /audience is/],
    ['an audience in a nested list', () => token({ aud: [[AUDIENCE]] }), /audience is/],
    ['expired', () => token({ exp: epoch() - 60 }), /expired 6\d seconds ago/],
    ['expired just beyond the tolerance', () => token({ exp: epoch() - 6 }), /expired/],
    ['no expiry', () => token({ exp: undefined }), /'exp' is missing/],
    ['an expiry in words', () => token({ exp: 'tomorrow' }), /'exp' is missing or is not a time/],
    ['an endless expiry', () => withJson('"exp":1e999'), /'exp' is missing or is not a time/],
    ['valid from later', () => token({ nbf: epoch() + 60 }), /not valid for another/],
    ['valid from in words', () => token({ nbf: 'now' }), /'nbf' is not a time/],
    ['issued in the far future', () => token({ iat: epoch() + 120 }), /seconds in the future: check the clocks/],
    ['no time of issue', () => token({ iat: undefined }), /'iat' is missing/],
    ['no subject', () => token({ sub: undefined }), /'sub' is missing/],
    ['an empty subject', () => token({ sub: '' }), /'sub' is missing/],
    ['a numeric subject', () => token({ sub: 1 }), /'sub' is missing or is not a string/],
    ['no client', () => token({ client_id: undefined }), /'client_id' is missing/],
    ['no id', () => token({ jti: undefined }), /'jti' is missing/],
    ['scopes as a list', () => token({ scope: ['orders:read'] }), /'scope' is not a string/],
    ['bound to a DPoP key', () => token({ cnf: { jkt: 'x' } }), /bound to its client's key \(cnf\)/],
    ['bound to a certificate', () => token({ cnf: { 'x5t#S256': 'x' } }), /cnf/],
    ['unknown kid', () => token({}, { kid: 'gone' }), /publishes no key .* kid, which is 'gone'/],
    ['a kid that is a path', () => token({}, { kid: '../../etc/passwd' }), /kid, which is '..\/..\/etc\/passwd'/],
    ['a kid that is SQL', () => token({}, { kid: "' OR 1=1" }), /publishes no key/],
    ['a kid that is a number', () => token({}, { kid: 1 }), /kid, which is '1'/],
    ["another key's kid", () => token({}, { kid: 'RS256-1' }), /kid, which is 'RS256-1'/],
    ["a stranger's key under our kid", () => sign(foreign, claimsOf(origin.issuer)), /signature is not by/],
    [
      "a stranger's key, embedded",
      () => sign(foreign, claimsOf(origin.issuer), { jwk: foreign.jwk }),
      /signature is not by/,
    ],
    [
      "a stranger's key, by jku",
      () => sign(foreign, claimsOf(origin.issuer), { jku: `${origin.issuer}/evil` }),
      /signature is not by/,
    ],
    ['no signature', async () => `${(await token()).split('.').slice(0, 2).join('.')}.`, /signature is not by/],
    ['a cut signature', async () => (await token()).slice(0, -8), /signature is not by/],
    ['a signature of an impossible length', async () => (await token()).slice(0, -9), /not a JWT by RFC 7519/],
    ['other claims under the signature', () => swapped({ sub: 'admin' }), /signature is not by/],
    ['cut after the claims', async () => (await token()).split('.').slice(0, 2).join('.'), /not a compact JWS/],
    ['encrypted (JWE)', () => encrypted(), /encrypted \(JWE\)/],
    ['opaque', () => 'Zm9vYmFyYmF6', /not a JWT; an opaque token/],
    ['empty', () => '', /not a JWT/],
    ['100 KB long', () => token({ pad: 'x'.repeat(100_000) }), /longer than 16384/],
    ['100 KB of dots', () => '.'.repeat(100_000), /longer than/],
    ['four parts', async () => `${await token()}.x`, /not a compact JWS/],
    ['white space inside', async () => (await token()).replace('.', '. '), /not a compact JWS/],
    ['a line break at the end', async () => `${await token()}\n`, /not a compact JWS/],
    ['plain base64', async () => `${await token()}==`, /not a compact JWS/],
    ['header not JSON', () => `eHg.${encode({})}.x`, /malformed/],
    ['header a list', () => `${encode([])}.${encode({})}.x`, /malformed/],
    ['claims not an object', () => `${encode({ alg: 'ES256', typ: 'at+jwt' })}.${encode([1])}.x`, /malformed/],
    ['claims null', () => `${encode({ alg: 'ES256', typ: 'at+jwt' })}.${encode(null)}.x`, /malformed/],
    [
      'claims not UTF-8',
      () => `${encode({ alg: 'ES256', typ: 'at+jwt' })}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.x`,
      /malformed/,
    ],
  ]
  it.each(bad)('is refused: %s', async (_, make, message) => {
    const error = await refusal(verifier.verify(await make()))
    expect(error.message).toMatch(message)
    expect(error).toMatchObject({ code: 'invalid_token', status: 401 })
    expect(error.challenge).toMatch(
      /^Bearer realm="https:\/\/orders.example", error="invalid_token", error_description="[ !#-[\]-~]+"$/,
    )
    expect(origin.counts.other).toBe(0)
  })

  it('fetches no key for a token that its claims already refuse', async () => {
    const { jwks } = origin.counts
    const fresh = createVerifier({ issuer: origin.issuer, audience: AUDIENCE })
    await refusal(fresh.verify(await token({ iss: 'https://evil.example' })))
    expect(origin.counts.jwks).toBe(jwks)
  })

  it('is described without what would break a header', async () => {
    const error = await refusal(verifier.verify(await token({ aud: 'a"b\\c\r\nX-Evil: 1 ü' })))
    expect(error.challenge).toContain("The token's audience is 'a'b'c??X-Evil: 1 ?'")
    expect(() => new Headers(error.headers)).not.toThrow()
    const odd = createVerifier({ issuer: origin.issuer, audience: 'b\u00fccher "x"' })
    expect((await refusal(odd.authorize(undefined))).challenge).toBe('Bearer realm="b?cher \'x\'"')
  })

  const pem = async (alg: string) => exportSPKI((await importJWK(keyOf(alg).jwk, alg)) as CryptoKey)
  const encrypted = async () =>
    new CompactEncrypt(Buffer.from(await token()))
      .setProtectedHeader({ alg: 'dir', enc: 'A128GCM', typ: 'at+jwt' })
      .encrypt(new Uint8Array(16))
  // jose refuses to sign what it does not understand, so these are signed as plain text.
  const signText = async (header: Record<string, unknown>, json: string) => {
    const input = `${encode(header)}.${Buffer.from(json).toString('base64url')}`
    const { privateKey } = keyOf('ES256')
    const algorithm = { name: 'ECDSA', hash: 'SHA-256' }
    const signature = await crypto.subtle.sign(algorithm, privateKey, Buffer.from(input))
    return `${input}.${Buffer.from(signature).toString('base64url')}`
  }
  const plain = { alg: 'ES256', typ: 'at+jwt', kid: 'ES256-1' }
  const withCrit = (crit: string[], more: Record<string, unknown> = {}) =>
    signText({ ...plain, crit, ...more }, JSON.stringify(claimsOf(origin.issuer)))
  const withJson = (member: string) =>
    signText(plain, `${JSON.stringify(claimsOf(origin.issuer, { exp: undefined })).slice(0, -1)},${member}}`)
})

describe('scopes', () => {
  it('are demanded by the verifier and by the request, together', async () => {
    const strict = createVerifier({ issuer: origin.issuer, audience: AUDIENCE, requiredScopes: ['orders:read'] })
    await expect(strict.verify(await token())).resolves.toBeDefined()
    const needs = { requiredScopes: ['orders:delete', 'orders:read'] }
    const error = await refusal(strict.verify(await token(), needs))
    expect(error).toMatchObject({ code: 'insufficient_scope', status: 403 })
    expect(error.message).toBe(
      "The request needs the scope 'orders:delete', the token has 'orders:read orders:write' only.",
    )
    expect(error.challenge).toMatch(/error="insufficient_scope", .*, scope="orders:read orders:delete"$/)
    expect(error.body).toEqual({ error: 'insufficient_scope', error_description: error.message })
  })

  it('are compared whole and in their own case', async () => {
    for (const scope of ['orders', 'Orders:read', 'orders:read-all']) {
      const error = await refusal(verifier.verify(await token({ scope }), { requiredScopes: ['orders:read'] }))
      expect(error.code).toBe('insufficient_scope')
    }
    const none = await refusal(verifier.verify(await token({ scope: undefined }), { requiredScopes: ['orders:read'] }))
    expect(none.message).toMatch(/the token has no scope\.$/)
  })

  it('are looked at only once the token is known to be genuine', async () => {
    const forged = await sign(foreign, claimsOf(origin.issuer, { scope: '' }))
    expect((await refusal(verifier.verify(forged, { requiredScopes: ['x'] }))).code).toBe('invalid_token')
  })
})

describe('an Authorization header', () => {
  const accepted: [string, (token: string) => string | string[]][] = [
    ['in its usual form', (t) => `Bearer ${t}`],
    ['with the scheme in small letters', (t) => `bearer ${t}`],
    ['with the scheme in capitals', (t) => `BEARER ${t}`],
    ['with two spaces', (t) => `Bearer  ${t}`],
    ['with white space around', (t) => ` Bearer ${t} `],
    ['given as a list of one', (t) => [`Bearer ${t}`]],
  ]
  it.each(accepted)('is accepted %s', async (_, header) => {
    await expect(verifier.authorize(header(await token()))).resolves.toMatchObject({ tokenId: 'token-1' })
  })

  const missing: [string, (token: string) => string | string[] | undefined][] = [
    ['when there is none', () => undefined],
    ['when it is empty', () => ''],
    ['when the list is empty', () => []],
    ['for the scheme Basic', () => 'Basic Zm9vOmJhcg=='],
    ['for the scheme DPoP', (t) => `DPoP ${t}`],
    ['for a token without scheme', (t) => t],
  ]
  it.each(missing)('is answered without an error code %s', async (_, header) => {
    const error = await refusal(verifier.authorize(header(await token()), { requiredScopes: ['orders:read'] }))
    expect(error).toMatchObject({ code: 'missing_token', status: 401 })
    expect(error.challenge).toBe('Bearer realm="https://orders.example", scope="orders:read"')
  })

  const malformed: [string, (token: string) => string | string[]][] = [
    ['with two tokens', (t) => `Bearer ${t} ${t}`],
    ['with two credentials', (t) => `Bearer ${t}, Bearer ${t}`],
    ['without token', () => 'Bearer'],
    ['with a space for a token', () => 'Bearer   '],
    ['with a comma', (t) => `Bearer,${t}`],
    ['with a tab', (t) => `Bearer \t${t}`],
    ['with a parameter', (t) => `Bearer token="${t}"`],
    ['sent twice', (t) => [`Bearer ${t}`, `Bearer ${t}`]],
  ]
  it.each(malformed)('is a bad request %s', async (_, header) => {
    const error = await refusal(verifier.authorize(header(await token())))
    expect(error).toMatchObject({ code: 'invalid_request', status: 400 })
    expect(error.challenge).toContain('error="invalid_request"')
  })
})

describe('wrong use of the library', () => {
  const good = { issuer: 'https://id.example', audience: AUDIENCE }
  const wrong: [string, unknown][] = [
    ['no options', undefined],
    ['no issuer', { audience: AUDIENCE }],
    ['an issuer that is not a URL', { ...good, issuer: 'id.example' }],
    ['an issuer with a query', { ...good, issuer: 'https://id.example?x' }],
    ['no audience', { issuer: good.issuer }],
    ['an empty audience', { ...good, audience: '' }],
    ['a list of audiences', { ...good, audience: [AUDIENCE] }],
    ['scopes as a string', { ...good, requiredScopes: 'orders:read' }],
    ['two scopes in one', { ...good, requiredScopes: ['a b'] }],
    ['alg none', { ...good, algorithms: ['none'] }],
    ['a shared-secret algorithm', { ...good, algorithms: ['ES256', 'HS256'] }],
    ['no algorithm', { ...good, algorithms: [] }],
    ['a negative tolerance', { ...good, clockTolerance: -1 }],
    ['a tolerance in milliseconds', { ...good, clockTolerance: 5000 }],
    ['NaN', { ...good, cooldown: Number.NaN }],
    ['a file as jwksUri', { ...good, jwksUri: 'file:///etc/passwd' }],
    ['a misspelt option', { ...good, requiredScope: ['a'] }],
  ]
  it.each(wrong)('is a TypeError at once: %s', (_, options) => {
    expect(() => createVerifier(options as VerifierOptions)).toThrow(TypeError)
  })

  it('is a TypeError at the call', async () => {
    await expect(verifier.verify(undefined as unknown as string)).rejects.toThrow(TypeError)
    await expect(verifier.authorize(7 as unknown as string)).rejects.toThrow(TypeError)
    await expect(verifier.verify('x', { requiredScopes: 'a' as unknown as string[] })).rejects.toThrow(TypeError)
    await expect(verifier.verify('x', { scopes: ['a'] } as object)).rejects.toThrow("no option 'scopes'")
  })
})
