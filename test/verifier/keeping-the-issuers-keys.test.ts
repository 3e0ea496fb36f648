// How the verifier lives through rotations, outages, floods of unknown keys and hostile key sets.
import type { RequestListener, ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { exportJWK } from 'jose'
import { createVerifier, VerifierError, type VerifierOptions } from '../../src/verifier/verifier.ts'
import { AUDIENCE, claimsOf, type SigningKey, sign, signingKey, startIssuer, testClock } from './test-issuer.ts'

const HOUR = 3600
let first: SigningKey
let second: SigningKey
let origin: Awaited<ReturnType<typeof startIssuer>>
let clock: ReturnType<typeof testClock>

beforeAll(async () => {
  first = await signingKey('first')
  second = await signingKey('second')
})
beforeEach(async () => {
  origin = await startIssuer([first])
  clock = testClock()
})
afterEach(() => origin.stop())

const verifierOf = (options: Partial<VerifierOptions> = {}) =>
  createVerifier({ issuer: origin.issuer, audience: AUDIENCE, now: clock.now, ...options })
const tokenOf = (key: SigningKey, header: Record<string, unknown> = {}) =>
  sign(key, claimsOf(origin.issuer, { exp: Math.floor(clock.now().getTime() / 1000) + 60 * HOUR }), header)

/** 'ok', or the code of the refusal. */
async function outcome(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'ok'
  } catch (error) {
    if (error instanceof VerifierError) return error.code
    throw error
  }
}
async function refusal(promise: Promise<unknown>): Promise<VerifierError> {
  const error = await promise.catch((reason: unknown) => reason)
  if (error instanceof VerifierError) return error
  throw new Error('was not refused')
}
async function until(condition: () => boolean) {
  for (let tries = 0; !condition(); tries += 1) {
    if (tries > 200) throw new Error('did not happen')
    await wait(10)
  }
}

describe('a rotation', () => {
  it('is followed at the first token of the new key', async () => {
    const verifier = verifierOf()
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('ok')
    origin.publish(first, second)
    clock.advance(6)
    expect(await outcome(verifier.verify(await tokenOf(second)))).toBe('ok')
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('ok')
    expect(origin.counts.jwks).toBe(2)
  })

  it('refuses none of 2,000 tokens while it is under way', async () => {
    const verifier = verifierOf()
    const [old, young] = [await tokenOf(first), await tokenOf(second)]
    const outcomes = new Set<string>()
    for (let round = 0; round < 20; round += 1) {
      if (round === 5) origin.publish(first, second)
      if (round === 15) origin.publish(second)
      if (round === 5) clock.advance(6)
      const tokens = Array.from({ length: 100 }, (_, i) => (round < 5 || (round < 15 && i % 2) ? old : young))
      for (const one of await Promise.all(tokens.map((token) => outcome(verifier.verify(token))))) outcomes.add(one)
    }
    expect([...outcomes]).toEqual(['ok'])
  })

  it('ends a key that was withdrawn, also for a service that was idle', async () => {
    const verifier = verifierOf()
    await verifier.verify(await tokenOf(first))
    origin.publish(second)
    clock.advance(2 * HOUR)
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('invalid_token')
  })

  it('is noticed in the background, without a request waiting', async () => {
    const verifier = verifierOf()
    await verifier.verify(await tokenOf(first))
    const held: ServerResponse[] = []
    origin.answers.jwks = (_, response) => held.push(response)
    clock.advance(301)
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('ok')
    await until(() => held.length === 1)
    held[0]?.end(JSON.stringify({ keys: [second.jwk] }))
    delete origin.answers.jwks
    await wait(50)
    clock.advance(6)
    origin.publish(second)
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('invalid_token')
  })
})

describe('an outage of the issuer', () => {
  it('is lived through for 24 hours on the last good keys', async () => {
    const verifier = verifierOf()
    await verifier.verify(await tokenOf(first))
    await origin.stop()
    for (const hours of [1, 5, 17]) {
      clock.advance(hours * HOUR)
      expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('ok')
      await wait(20)
    }
    clock.advance(HOUR + 1)
    const error = await refusal(verifier.verify(await tokenOf(first)))
    expect(error).toMatchObject({ code: 'temporarily_unavailable', status: 503, challenge: undefined })
    await origin.start()
    clock.advance(6)
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('ok')
  })

  it('says "later" and not "no" to a key that it cannot look up', async () => {
    const verifier = verifierOf()
    await verifier.verify(await tokenOf(first))
    await origin.stop()
    clock.advance(6)
    const error = await refusal(verifier.verify(await tokenOf(second)))
    expect(error).toMatchObject({ status: 503, headers: { 'Retry-After': expect.stringMatching(/^[1-5]$/) } })
    expect(error.message).toMatch(/: the issuer's discovery document could not be fetched: ECONNREFUSED\.$/)
    expect(error.message).not.toContain('127.0.0.1')
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('ok')
  })

  it('at the first fetch is tried again at the next call, then once per cooldown', async () => {
    origin.answers.jwks = (_, response) => response.writeHead(503).end()
    const verifier = verifierOf()
    const token = await tokenOf(first)
    const error = await refusal(verifier.verify(token))
    expect(error.message).toBe(
      "The token cannot be checked at the moment: the issuer's JWKS could not be fetched: status 503.",
    )
    for (let i = 0; i < 20; i += 1) expect(await outcome(verifier.verify(token))).toBe('temporarily_unavailable')
    expect(origin.counts.jwks).toBe(2)
    delete origin.answers.jwks
    clock.advance(6)
    expect(await outcome(verifier.verify(token))).toBe('ok')
  })

  it('of one request is gone at the next call', async () => {
    origin.answers.discovery = (_, response) => response.writeHead(500).end()
    const verifier = verifierOf()
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('temporarily_unavailable')
    delete origin.answers.discovery
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('ok')
  })

  it('keeps nobody waiting while known keys serve', async () => {
    const verifier = verifierOf()
    await verifier.verify(await tokenOf(first))
    origin.answers.discovery = () => undefined
    clock.advance(301)
    const start = performance.now()
    for (let i = 0; i < 5; i += 1) expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('ok')
    expect(performance.now() - start).toBeLessThan(500)
  })

  it('keeps nobody waiting however long it lasts, once it is known', async () => {
    const verifier = verifierOf()
    await verifier.verify(await tokenOf(first))
    origin.answers.discovery = (_, response) => response.writeHead(502).end()
    clock.advance(HOUR)
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('ok')
    origin.answers.discovery = () => undefined
    clock.advance(HOUR)
    const start = performance.now()
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('ok')
    expect(performance.now() - start).toBeLessThan(500)
  })

  it('does not freeze the cache when the clock is set back', async () => {
    const verifier = verifierOf()
    await verifier.verify(await tokenOf(first))
    origin.publish(first, second)
    clock.advance(-3 * HOUR)
    const token = await sign(second, claimsOf(origin.issuer, { iat: 1, exp: 9_999_999_999 }))
    expect(await outcome(verifier.verify(token))).toBe('ok')
  })
})

describe('a flood of unknown keys', () => {
  it('causes two fetches at most in 1,000 random kids, side by side and one after another', async () => {
    const verifier = verifierOf()
    const template = await tokenOf(second, { kid: 'KID' })
    const [, claims, signature] = template.split('.')
    const tokenWith = (kid: string) =>
      `${Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid })).toString('base64url')}.${claims}.${signature}`
    const kids = Array.from({ length: 1000 }, (_, i) => tokenWith(`random-${i}-${Math.random()}`))
    const parallel = await Promise.all(kids.slice(0, 500).map((token) => outcome(verifier.verify(token))))
    const serial: string[] = []
    for (const token of kids.slice(500)) serial.push(await outcome(verifier.verify(token)))
    expect(new Set([...parallel, ...serial])).toEqual(new Set(['invalid_token']))
    expect(origin.counts).toEqual({ discovery: 1, jwks: 1, other: 0 })
    clock.advance(6)
    await Promise.all(kids.map((token) => outcome(verifier.verify(token))))
    expect(origin.counts.jwks).toBe(2)
  })

  it('causes one fetch per cooldown while the issuer is down, too', async () => {
    const verifier = verifierOf()
    await verifier.verify(await tokenOf(first))
    origin.answers.discovery = (_, response) => response.writeHead(502).end()
    clock.advance(6)
    for (let i = 0; i < 100; i += 1) await outcome(verifier.verify(await tokenOf(second, { kid: `random-${i}` })))
    expect(origin.counts.discovery).toBe(2)
  })

  it('lets 200 first requests share one fetch', async () => {
    const verifier = verifierOf()
    const token = await tokenOf(first)
    await Promise.all(Array.from({ length: 200 }, () => verifier.verify(token)))
    expect(origin.counts).toEqual({ discovery: 1, jwks: 1, other: 0 })
  })
})

describe('a hostile answer', () => {
  const json =
    (document: unknown): RequestListener =>
    (_, response) =>
      response.end(JSON.stringify(document))
  const answered = async (
    part: 'discovery' | 'jwks',
    answer: RequestListener,
    options: Partial<VerifierOptions> = {},
  ) => {
    origin.answers[part] = answer
    const error = await refusal(verifierOf(options).verify(await tokenOf(first)))
    expect(error).toMatchObject({ code: 'temporarily_unavailable', status: 503 })
    return error.message
  }

  it('with another issuer is refused', async () => {
    const document = { issuer: 'https://evil.example', jwks_uri: `${origin.issuer}/jwks` }
    expect(await answered('discovery', json(document))).toMatch(
      /discovery document's issuer is 'https:\/\/evil.example', this service expects 'http:\/\/127.0.0.1/,
    )
    expect(origin.counts.jwks).toBe(0)
  })

  it('with the issuer written otherwise is refused', async () => {
    const document = { issuer: `${origin.issuer}/`, jwks_uri: `${origin.issuer}/jwks` }
    expect(await answered('discovery', json(document))).toMatch(/issuer is/)
  })

  it.each([undefined, 7, 'file:///etc/passwd', 'not a url', 'ftp://x/y'])(
    'with the jwks_uri %p is refused',
    async (uri) => {
      expect(await answered('discovery', json({ issuer: origin.issuer, jwks_uri: uri }))).toMatch(/jwks_uri is/)
    },
  )

  it.each([null, [], 'x', {}, { keys: {} }, { keys: [1] }, { keys: [null] }])(
    'with the key set %j is refused',
    async (set) => {
      expect(await answered('jwks', json(set))).toMatch(/JWKS/)
    },
  )

  it('that redirects is not followed', async () => {
    const redirect: RequestListener = (_, response) => response.writeHead(302, { location: '/elsewhere' }).end()
    expect(await answered('jwks', redirect)).toMatch(/status 302 \(redirects are not followed\)/)
    expect(origin.counts.other).toBe(0)
  })

  it('that is not JSON is refused', async () => {
    expect(await answered('jwks', (_, response) => response.end('<html>'))).toMatch(/not JSON/)
  })

  it('without end is abandoned at 1 MB', async () => {
    let sent = 0
    const flood: RequestListener = (_, response) => {
      const block = Buffer.alloc(65_536, ' ')
      const more = () => {
        while (!response.destroyed && response.write(block)) sent += block.length
        if (!response.destroyed) response.once('drain', more)
      }
      more()
    }
    expect(await answered('jwks', flood)).toMatch(/larger than 1048576 bytes/)
    expect(sent).toBeLessThan(32_000_000)
  })

  it('that unpacks to 100 MB is abandoned', async () => {
    const bomb = gzipSync(Buffer.alloc(100_000_000, ' '))
    const answer: RequestListener = (_, response) => response.setHeader('content-encoding', 'gzip').end(bomb)
    expect(await answered('jwks', answer)).toMatch(/larger than/)
  })

  it('that trickles is abandoned after 5 seconds', async () => {
    const trickle: RequestListener = (_, response) => {
      const timer = setInterval(() => response.write(' '), 100)
      response.on('close', () => clearInterval(timer))
    }
    const start = performance.now()
    expect(await answered('jwks', trickle)).toMatch(/no answer within 5 seconds/)
    expect(performance.now() - start).toBeLessThan(7_000)
  })

  it('that breaks off is refused', async () => {
    const broken: RequestListener = (_, response) => {
      response.write('{"keys":[')
      setTimeout(() => response.destroy(), 20)
    }
    expect(await answered('jwks', broken)).toMatch(/could not be fetched/)
  })

  it('with an unusable key under the right kid is a 503, not a crash', async () => {
    const weak = await signingKey('first', 'RS256')
    const unusable = [
      { ...first.jwk, x: 'AAAA' },
      { ...first.jwk, ...(await exportJWK(first.privateKey)) },
      { ...weak.jwk, n: String(weak.jwk.n).slice(0, 170) },
    ]
    for (const jwk of unusable) {
      origin.publishJwks([{ ...jwk, kid: 'first' }])
      const token = jwk.kty === 'RSA' ? await tokenOf(weak) : await tokenOf(first)
      expect((await refusal(verifierOf().verify(token))).status).toBe(503)
    }
  })

  it('with keys for other uses does not verify with them', async () => {
    origin.publishJwks([
      { ...first.jwk, use: 'enc' },
      { kty: 'oct', k: 'c2VjcmV0', kid: 'first', alg: 'HS256' },
      { ...first.jwk, alg: 'ES384' },
    ])
    expect(await outcome(verifierOf().verify(await tokenOf(first)))).toBe('invalid_token')
  })

  it('with two keys under one kid is not guessed at', async () => {
    origin.publishJwks([first.jwk, { ...second.jwk, kid: 'first' }])
    const error = await refusal(verifierOf().verify(await tokenOf(first)))
    expect(error).toMatchObject({ code: 'invalid_token', message: expect.stringMatching(/Several keys/) })
  })

  it('never replaces the last good keys', async () => {
    const verifier = verifierOf()
    await verifier.verify(await tokenOf(first))
    origin.answers.jwks = json({ keys: 'gone' })
    clock.advance(HOUR)
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('ok')
  })
})

describe('the address of the keys', () => {
  it('can be given, and discovery is left out', async () => {
    const verifier = verifierOf({ jwksUri: `${origin.issuer}/jwks` })
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('ok')
    expect(origin.counts.discovery).toBe(0)
  })

  it('is asked through the fetch that the service gives', async () => {
    const asked: string[] = []
    const verifier = verifierOf({
      fetch: (url, init) => {
        asked.push(url)
        expect(init).toMatchObject({ redirect: 'manual', signal: expect.any(AbortSignal) })
        return fetch(url, init)
      },
    })
    expect(await outcome(verifier.verify(await tokenOf(first)))).toBe('ok')
    expect(asked).toEqual([`${origin.issuer}/.well-known/openid-configuration`, `${origin.issuer}/jwks`])
  })

  it('of an https issuer must be https', async () => {
    const issuer = 'https://id.example/tenant/'
    const document = JSON.stringify({ issuer, jwks_uri: 'http://id.example/jwks' })
    const asked: string[] = []
    const verifier = verifierOf({
      issuer,
      fetch: async (url) => {
        asked.push(url)
        return new Response(document)
      },
    })
    const error = await refusal(verifier.verify(await sign(first, claimsOf(issuer))))
    expect(error.message).toMatch(/jwks_uri is 'http:\/\/id.example\/jwks'/)
    expect(asked).toEqual(['https://id.example/tenant/.well-known/openid-configuration'])
  })
})
