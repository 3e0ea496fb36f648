// What a service may demand of the sign-in behind a token, and the challenge by which a client learns of it (RFC 9470).
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { fastify } from 'fastify'
import Koa from 'koa'
import {
  createVerifier,
  expressAuth,
  fastifyAuth,
  koaAuth,
  type MiddlewareOptions,
  type VerifierError,
  type VerifierOptions,
  type VerifyOptions,
} from '../../src/verifier/verifier.ts'
import { AUDIENCE, claimsOf, epoch, type SigningKey, sign, signingKey, startIssuer } from './test-issuer.ts'

const [one, two, phr] = ['urn:gatehouse:acr:1fa', 'urn:gatehouse:acr:2fa', 'phr']

let key: SigningKey
let origin: Awaited<ReturnType<typeof startIssuer>>

beforeAll(async () => {
  key = await signingKey('key')
  origin = await startIssuer([key])
})
afterAll(() => origin.stop())

const token = (changes: Record<string, unknown> = {}) => sign(key, claimsOf(origin.issuer, changes))
const verifierWith = (more: Partial<VerifierOptions> = {}) =>
  createVerifier({ issuer: origin.issuer, audience: AUDIENCE, ...more })
const check = async (claims: Record<string, unknown>, own: Partial<VerifierOptions>, more?: VerifyOptions) =>
  verifierWith(own)
    .verify(await token(claims), more)
    .then(
      () => 'accepted',
      (error: VerifierError) => error.code,
    )
const refused = 'insufficient_user_authentication'

describe('a demand for a level', () => {
  const rows: [unknown, Partial<VerifierOptions>, VerifyOptions | undefined, string][] = [
    [two, { acrValues: [two, phr] }, undefined, 'accepted'],
    [phr, { acrValues: [two, phr] }, undefined, 'accepted'],
    [one, { acrValues: [two, phr] }, undefined, refused],
    [undefined, { acrValues: [one] }, undefined, refused],
    // Names are compared, not levels: the verifier serves any issuer.
    [phr, { acrValues: [two] }, undefined, refused],
    [[two], { acrValues: [two] }, undefined, refused],
    [`${one} ${two}`, { acrValues: [two] }, undefined, refused],
    [two, {}, { acrValues: [two] }, 'accepted'],
    [one, {}, { acrValues: [two] }, refused],
    [phr, { acrValues: [two, phr] }, { acrValues: [phr] }, 'accepted'],
    [two, { acrValues: [two, phr] }, { acrValues: [phr] }, refused],
    [one, { acrValues: [two, phr] }, { acrValues: [one, two] }, refused],
    [two, { acrValues: [two, phr] }, { acrValues: [one, two] }, 'accepted'],
    [undefined, {}, {}, 'accepted'],
  ]
  it.each(rows)('acr %j for %j and %j: %s', async (acr, own, more, outcome) => {
    expect(await check({ acr }, own, more)).toBe(outcome)
  })
})

describe('a demand for a recent sign-in', () => {
  const rows: [unknown, Partial<VerifierOptions>, VerifyOptions | undefined, string][] = [
    [-100, { maxAge: 300 }, undefined, 'accepted'],
    [-302, { maxAge: 300 }, undefined, 'accepted'],
    [-310, { maxAge: 300 }, undefined, refused],
    [-310, { maxAge: 300, clockTolerance: 60 }, undefined, 'accepted'],
    [-301, { maxAge: 300, clockTolerance: 0 }, undefined, refused],
    [-2, { maxAge: 0 }, undefined, 'accepted'],
    [-20, { maxAge: 0 }, undefined, refused],
    [10, { maxAge: 300 }, undefined, 'accepted'],
    [undefined, { maxAge: 300 }, undefined, refused],
    ['yesterday', { maxAge: 1_000_000_000 }, undefined, refused],
    [null, { maxAge: 1_000_000_000_000 }, undefined, refused],
    [-100, { maxAge: 300 }, { maxAge: 60 }, refused],
    [-100, { maxAge: 60 }, { maxAge: 300 }, refused],
    [-100, {}, { maxAge: 300 }, 'accepted'],
    [undefined, {}, undefined, 'accepted'],
  ]
  it.each(rows)('auth_time now%p for %j and %j: %s', async (offset, own, more, outcome) => {
    expect(await check({ auth_time: typeof offset === 'number' ? epoch() + offset : offset }, own, more)).toBe(outcome)
  })
})

describe('the refusal', () => {
  const refusal = async (claims: Record<string, unknown>, own: Partial<VerifierOptions>): Promise<VerifierError> =>
    verifierWith(own)
      .verify(await token(claims))
      .then(
        () => {
          throw new Error('was accepted')
        },
        (error: VerifierError) => error,
      )

  it('names what the client must ask the issuer for', async () => {
    const own = { acrValues: [phr, two], maxAge: 300 }
    const { status, challenge, body, headers } = await refusal({ acr: one, auth_time: epoch() }, own)
    const description = `The token's authentication level (acr) is '${one}', the request needs ${phr} or ${two}.`
    expect([status, body]).toEqual([401, { error: refused, error_description: description }])
    expect(challenge).toBe(
      `Bearer realm="${AUDIENCE}", error="${refused}", error_description="${description}", acr_values="${phr} ${two}", max_age="300"`,
    )
    expect(headers).toEqual({ 'WWW-Authenticate': challenge })
  })

  it('names only what was demanded, and the scopes beside it', async () => {
    const old = await refusal({ auth_time: epoch() - 1000 }, { maxAge: 0, requiredScopes: ['orders:read'] })
    expect(old.message).toMatch(
      /^The person signed in 100\d seconds ago, the request needs a sign-in of the last 0 seconds\.$/,
    )
    expect(old.challenge).toMatch(/, max_age="0", scope="orders:read"$/)
    expect(old.challenge).not.toContain('acr_values')
    const low = await refusal({ acr: one }, { acrValues: [phr] })
    expect(low.challenge).toMatch(/, acr_values="phr"$/)
    expect((await refusal({}, { maxAge: 10 })).message).toContain('does not say when its person signed in')
  })

  it('comes only for a token that is good otherwise', async () => {
    const forged = `${(await token({ acr: one })).slice(0, -8)}AAAAAAAA`
    const error = await verifierWith({ acrValues: [phr] })
      .verify(forged)
      .catch((reason: VerifierError) => reason)
    expect(error).toMatchObject({ code: 'invalid_token' })
    expect((error as VerifierError).challenge).not.toContain('acr_values')
  })
})

describe('a demand that makes no sense is a TypeError', () => {
  it.each([
    { acrValues: [] },
    { acrValues: 'phr' },
    { acrValues: ['two words'] },
    { acrValues: ['a"b'] },
    { acrValues: [7] },
    { maxAge: -1 },
    { maxAge: 1.5 },
    { maxAge: '300' },
    { maxAge: Number.NaN },
    { maxAge: Number.POSITIVE_INFINITY },
    { maxAge: null },
  ])('%j', async (wrong) => {
    expect(() => verifierWith(wrong as object)).toThrow(TypeError)
    await expect(verifierWith().verify('x', wrong as object)).rejects.toThrow(TypeError)
  })

  it('two lists that nothing satisfies', async () => {
    await expect(verifierWith({ acrValues: [two] }).verify('x', { acrValues: [phr] })).rejects.toThrow(/in common/)
  })
})

describe.each(['koa', 'express', 'fastify'] as const)('a route of %s', (name) => {
  const serve = async (options: MiddlewareOptions) => {
    const verifier = verifierWith()
    if (name === 'fastify') {
      const app = fastify()
      app.get('/', { onRequest: fastifyAuth(verifier, options) }, async () => 'in')
      await app.listen({ port: 0, host: '127.0.0.1' })
      return { url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, close: () => app.close() }
    }
    const koa = new Koa().use(koaAuth(verifier, options)).use((ctx) => {
      ctx.body = 'in'
    })
    const other = express().get('/', expressAuth(verifier, options), (_, response) => void response.send('in'))
    const server = createServer(name === 'koa' ? koa.callback() : other).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const close = async () => {
      server.closeAllConnections()
      server.close()
    }
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
  }

  it('demands a level and a recent sign-in', async () => {
    const { url, close } = await serve({ acrValues: [phr], maxAge: 60 })
    const get = async (claims: Record<string, unknown>) =>
      fetch(url, { headers: { authorization: `Bearer ${await token(claims)}` } })
    const answers = [
      await get({ acr: phr, auth_time: epoch() }),
      await get({ acr: two, auth_time: epoch() }),
      await get({ acr: phr, auth_time: epoch() - 100 }),
    ]
    await close()
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 401])
    for (const answer of answers.slice(1))
      expect(answer.headers.get('www-authenticate')).toMatch(
        /^Bearer realm=".*", error="insufficient_user_authentication", .*acr_values="phr", max_age="60"$/,
      )
  })
})
