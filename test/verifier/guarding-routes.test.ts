// The middlewares in real Koa, Express and Fastify applications, over HTTP.
import { once } from 'node:events'
import { type IncomingMessage, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { fastify } from 'fastify'
import Koa from 'koa'
import {
  createVerifier,
  expressAuth,
  fastifyAuth,
  koaAuth,
  type VerifiedToken,
  type Verifier,
} from '../../src/verifier/verifier.ts'
import { AUDIENCE, claimsOf, type SigningKey, sign, signingKey, startIssuer } from './test-issuer.ts'

declare global {
  namespace Express {
    interface Request {
      token?: VerifiedToken
    }
  }
}
declare module 'fastify' {
  interface FastifyRequest {
    token?: VerifiedToken
  }
}

let key: SigningKey
let origin: Awaited<ReturnType<typeof startIssuer>>

beforeAll(async () => {
  key = await signingKey('key')
  origin = await startIssuer([key])
})
afterAll(() => origin.stop())

const listening = async (server: Server) => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

/** GET / needs a token, GET /write the scope orders:write as well; both answer the subject. */
const applications = {
  koa: async (verifier: Verifier) => {
    const app = new Koa()
    app.use(koaAuth(verifier))
    const guard = koaAuth(verifier, { scopes: ['orders:write'] })
    app.use((ctx, next) => (ctx.path === '/write' ? guard(ctx, next) : next()))
    app.use((ctx) => {
      ctx.body = { subject: ctx.state.token.subject }
    })
    app.silent = true
    const { createServer } = await import('node:http')
    return listening(createServer(app.callback()))
  },
  express: async (verifier: Verifier) => {
    const app = express()
    app.set('env', 'test')
    app.get('/', expressAuth(verifier), (req, res) => {
      res.json({ subject: req.token?.subject })
    })
    app.get('/write', expressAuth(verifier, { scopes: ['orders:write'] }), (req, res) => {
      res.json({ subject: req.token?.subject })
    })
    const { createServer } = await import('node:http')
    return listening(createServer(app))
  },
  fastify: async (verifier: Verifier) => {
    const app = fastify()
    app.addHook('onRequest', fastifyAuth(verifier))
    app.get('/', async (req) => ({ subject: req.token?.subject }))
    const preHandler = fastifyAuth(verifier, { scopes: ['orders:write'] })
    app.get('/write', { preHandler }, async (req) => ({ subject: req.token?.subject }))
    return { url: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() }
  },
}

describe.each(Object.entries(applications))('a %s application', (_, start) => {
  let url: string
  let close: () => Promise<unknown>
  beforeAll(async () => {
    ;({ url, close } = await start(createVerifier({ issuer: origin.issuer, audience: AUDIENCE })))
  })
  afterAll(() => close())

  const token = (changes: Record<string, unknown> = {}) => sign(key, claimsOf(origin.issuer, changes))
  const get = (path: string, authorization?: string) =>
    fetch(`${url}${path}`, { headers: authorization ? { authorization } : {} })

  it('lets a good token through and hands it to the route', async () => {
    for (const path of ['/', '/write']) {
      const answer = await get(path, `Bearer ${await token()}`)
      expect(answer.status).toBe(200)
      expect(await answer.json()).toEqual({ subject: 'account-1' })
    }
  })

  it('challenges a request without token', async () => {
    const answer = await get('/')
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="https://orders.example"')
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await answer.json()).toEqual({
      error: 'missing_token',
      error_description: expect.stringMatching(/no access token/),
    })
  })

  it('says what is wrong with a bad token', async () => {
    const answer = await get('/', `Bearer ${await token({ aud: 'https://mail.example' })}`)
    expect(answer.status).toBe(401)
    const description = "The token's audience is 'https://mail.example', this service expects 'https://orders.example'."
    expect(answer.headers.get('www-authenticate')).toBe(
      `Bearer realm="https://orders.example", error="invalid_token", error_description="${description}"`,
    )
    expect(await answer.json()).toEqual({ error: 'invalid_token', error_description: description })
  })

  it('names the scope that a token lacks', async () => {
    const answer = await get('/write', `Bearer ${await token({ scope: 'orders:read' })}`)
    expect(answer.status).toBe(403)
    expect(answer.headers.get('www-authenticate')).toMatch(/error="insufficient_scope".*scope="orders:write"$/)
    expect((await answer.json()).error).toBe('insufficient_scope')
  })

  it('refuses two Authorization headers', async () => {
    const good = `Bearer ${await token()}`
    const raw = request(url, { headers: { authorization: [good, 'Bearer x'] as unknown as string } }).end()
    const [answer] = (await once(raw, 'response')) as [IncomingMessage]
    answer.resume()
    expect(answer.statusCode).toBe(400)
    expect(answer.headers['www-authenticate']).toContain('error="invalid_request"')
  })

  it('answers 503 with Retry-After while the keys cannot be had', async () => {
    const nowhere = createVerifier({ issuer: origin.issuer, audience: AUDIENCE, jwksUri: 'http://127.0.0.1:9/jwks' })
    const app = await start(nowhere)
    try {
      const answer = await fetch(app.url, { headers: { authorization: `Bearer ${await token()}` } })
      expect(answer.status).toBe(503)
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
      expect(answer.headers.has('www-authenticate')).toBe(false)
      expect((await answer.json()).error).toBe('temporarily_unavailable')
    } finally {
      await app.close()
    }
  })

  it('leaves a bug to the framework', async () => {
    const app = await start({
      audience: AUDIENCE,
      prepare: () => Promise.resolve(),
      verify: () => Promise.reject(),
      authorize: () => Promise.reject(new Error('a bug')),
      verifyTransactionToken: () => Promise.reject(),
    })
    try {
      expect((await fetch(app.url)).status).toBe(500)
    } finally {
      await app.close()
    }
  })
})

describe('wrong use of a middleware', () => {
  const verifier = createVerifier({ issuer: 'https://id.example', audience: AUDIENCE })

  it.each([koaAuth, expressAuth, fastifyAuth])('is a TypeError when the route is built: %p', (auth) => {
    expect(() => auth(undefined as unknown as Verifier)).toThrow(TypeError)
    expect(() => auth(verifier, { scopes: 'a' as unknown as string[] })).toThrow(TypeError)
    expect(() => auth(verifier, { acrValues: 'phr' as unknown as string[] })).toThrow('acrValues must be a list')
    expect(() => auth(verifier, { acrValues: [] })).toThrow('acrValues must be a list')
    expect(() => auth(verifier, { maxAge: 0.5 })).toThrow('maxAge must be')
    expect(() => auth(verifier, { requiredScopes: ['a'] } as object)).toThrow("no option 'requiredScopes'")
  })
})
