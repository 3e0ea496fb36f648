import { jest } from '@jest/globals'
import type Koa from 'koa'
import mount from 'koa-mount'
import { Provider } from 'oidc-provider'
import request from 'supertest'
import { createPageHeaders } from '../../src/http/page-headers.ts'
import { createInputCheck } from '../../src/http/request/input-check.ts'
import { appWithErrors, sendRaw, serve } from './serving.ts'

const issuer = 'http://127.0.0.1:3000'
const redirectUri = 'https://app.example/cb'

function engine() {
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => undefined)
  jest.spyOn(console, 'info').mockImplementation(() => undefined)
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'machine',
        client_secret: 'secret',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
      { client_id: 'web', client_secret: 'secret', redirect_uris: [redirectUri] },
    ],
    features: {
      clientCredentials: { enabled: true },
      registration: { enabled: true },
      devInteractions: { enabled: false },
    },
    pkce: { required: () => false },
    cookies: { keys: ['k'] },
  })
  warn.mockClear()
  const { app } = appWithErrors()
  app.use(createPageHeaders({ issuer }))
  app.use(createInputCheck({ maxBodyBytes: 57344 }))
  app.use(mount(provider as unknown as Koa))
  return { app, warn, call: request(app.callback()) }
}

afterEach(() => {
  jest.restoreAllMocks()
})

describe('handing a checked body to the engine', () => {
  it('issues a token for a form and prints no warning', async () => {
    const { call, warn } = engine()
    const form = { grant_type: 'client_credentials', client_id: 'machine', client_secret: 'secret' }
    const { body } = await call.post('/token').type('form').send(form).expect(200)
    expect(body).toMatchObject({ token_type: 'Bearer', access_token: expect.any(String) })
    expect(warn).not.toHaveBeenCalled()
  })

  it('does so for a chunked body, and for a charset', async () => {
    const { app, warn } = engine()
    const { port, close } = await serve(app)
    const body = 'grant_type=client_credentials&client_id=machine&client_secret=secret'
    const head =
      'POST /token HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n'
    const answer = await sendRaw(
      port,
      `${head}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    )
    await close()
    expect(answer).toMatch(/^HTTP\/1\.1 200[\s\S]*access_token/)
    expect(warn).not.toHaveBeenCalled()
  })

  it('registers a client from JSON', async () => {
    const { call, warn } = engine()
    const { body } = await call
      .post('/reg')
      .send({ redirect_uris: [redirectUri] })
      .expect(201)
    expect(body.client_id).toEqual(expect.any(String))
    expect(warn).not.toHaveBeenCalled()
  })

  it('leaves malformed JSON and an empty form to the engine', async () => {
    const { call, warn } = engine()
    expect((await call.post('/reg').type('json').send('{').expect(400)).body.error).toBe('invalid_request')
    expect((await call.post('/token').type('form').send('').expect(400)).body.error).toBe('invalid_request')
    expect((await call.post('/token').expect(400)).body.error).toBe('invalid_request')
    expect(warn).not.toHaveBeenCalled()
  })

  it.each([
    'grant_type=client_credentials&client_id=%00&client_secret=x',
    `grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=${Buffer.from('{"alg":"ES256"}').toString('base64url')}.${Buffer.from('{"iss":"\\u0000","sub":"\\u0000"}').toString('base64url')}.c2ln`,
  ])('keeps %.60s away from it', async (body) => {
    const { text } = await engine().call.post('/token').type('form').send(body).expect(400)
    expect(JSON.parse(text).code).toBe('invalid_request')
  })
})
