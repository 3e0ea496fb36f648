// Transaction tokens in a service: the same decision as for access tokens, for a kind of token that is never mistaken for another.
import { createVerifier, type Verifier, VerifierError, type VerifyOptions } from '../../src/verifier/verifier.ts'
import { epoch, type SigningKey, sign, signingKey, startIssuer, testClock } from './test-issuer.ts'

const domain = 'urn:example:inside'

let issuer: Awaited<ReturnType<typeof startIssuer>>
let key: SigningKey
let verifier: Verifier

beforeAll(async () => {
  key = await signingKey('k1')
  issuer = await startIssuer([key])
  verifier = createVerifier({ issuer: issuer.issuer, audience: domain })
})
afterAll(() => issuer.stop())

const claims = (changes: Record<string, unknown> = {}) => ({
  iss: issuer.issuer,
  aud: domain,
  sub: 'account-1',
  txn: 'transaction-1',
  req_wl: 'client_edge,client_orders',
  scope: 'orders:buy',
  tctx: { article: '4711' },
  rctx: { req_ip: '192.0.2.1' },
  iat: epoch(),
  exp: epoch() + 30,
  ...changes,
})
const make = (changes: Record<string, unknown> = {}, header: Record<string, unknown> = {}, by = key) =>
  sign(by, claims(changes), { typ: 'txntoken+jwt', ...header })
const refusal = async (header: string | string[] | undefined, options?: VerifyOptions) => {
  const error = await verifier.verifyTransactionToken(header, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof VerifierError)) throw new Error(`no refusal: ${error}`)
  return error
}

describe('a transaction token', () => {
  it('tells the transaction, its subject, purpose, context and chain', async () => {
    expect(await verifier.verifyTransactionToken(await make(), { requiredScopes: ['orders:buy'] })).toMatchObject({
      transactionId: 'transaction-1',
      subject: 'account-1',
      scopes: ['orders:buy'],
      workloads: ['client_edge', 'client_orders'],
      transactionContext: { article: '4711' },
      requestContext: { req_ip: '192.0.2.1' },
    })
    const bare = await verifier.verifyTransactionToken([
      await make({ tctx: undefined, rctx: 'x', req_wl: 'client_edge' }),
    ])
    expect(bare).toMatchObject({ workloads: ['client_edge'], transactionContext: {}, requestContext: {} })
  })

  it.each<[string, () => Promise<string>]>([
    ['of another domain', () => make({ aud: 'urn:example:elsewhere' })],
    ['of another issuer', () => make({ iss: 'https://other.example' })],
    ['that has expired', () => make({ exp: epoch() - 6 })],
    ['that never expires', () => make({ exp: undefined })],
    ['without a transaction', () => make({ txn: undefined })],
    ['without a purpose', () => make({ scope: '' })],
    ['that nobody asked for', () => make({ req_wl: undefined })],
    ['about nobody', () => make({ sub: undefined })],
    ['that is an access token', () => make({ client_id: 'c', jti: 'j' }, { typ: 'at+jwt' })],
    ['that is an ID token', () => make({}, { typ: 'JWT' })],
    ['of no type', () => make({}, { typ: undefined })],
    ['by another key', async () => make({}, {}, await signingKey('k1'))],
    [
      'that was altered',
      async () => {
        const [header, , signature] = (await make()).split('.')
        return `${header}.${Buffer.from(JSON.stringify(claims({ scope: 'all' }))).toString('base64url')}.${signature}`
      },
    ],
    ['without a signature', async () => `${(await make()).split('.').slice(0, 2).join('.')}.`],
    ['that is none', async () => 'junk'],
  ])('is refused %s', async (_, token) => {
    expect(await refusal(await token())).toMatchObject({ code: 'invalid_token', status: 401 })
  })

  it('is refused by the same decision as an access token: too little scope', async () => {
    const error = await refusal(await make(), { requiredScopes: ['orders:buy', 'orders:cancel'] })
    expect(error).toMatchObject({
      code: 'insufficient_scope',
      status: 403,
      message: expect.stringContaining('orders:cancel'),
    })
    expect(await refusal(await make(), { acrValues: ['phr'] })).toMatchObject({
      code: 'insufficient_user_authentication',
    })
  })

  it('is one, in its header', async () => {
    const token = await make()
    for (const none of [undefined, '', ' ', []]) expect(await refusal(none)).toMatchObject({ code: 'missing_token' })
    for (const two of [[token, token], `${token}, ${token}`])
      expect(await refusal(two)).toMatchObject({ code: 'invalid_request', status: 400 })
    await expect(verifier.verifyTransactionToken(7 as never)).rejects.toThrow(TypeError)
  })

  it('is no access token', async () => {
    const both = { client_id: 'client_edge', jti: 'token-1' }
    await expect(verifier.verify(await make(both))).rejects.toMatchObject({ code: 'invalid_token' })
    await expect(verifier.authorize(`Bearer ${await make(both)}`)).rejects.toMatchObject({ code: 'invalid_token' })
  })

  it('is worth nothing when it is replayed after its minute', async () => {
    const clock = testClock()
    const later = createVerifier({ issuer: issuer.issuer, audience: domain, now: clock.now })
    const token = await make()
    expect((await later.verifyTransactionToken(token)).transactionId).toBe('transaction-1')
    clock.advance(36)
    await expect(later.verifyTransactionToken(token)).rejects.toMatchObject({ code: 'invalid_token' })
  })
})
