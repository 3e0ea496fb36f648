import type { Context } from 'koa'
import request from 'supertest'
import { readForm, readJson } from '../../src/http/form-body.ts'
import { createInputCheck } from '../../src/http/request/input-check.ts'
import { appWithErrors, sendRaw, serve } from './serving.ts'

function checked(handler: (ctx: Context) => unknown = () => 'passed') {
  const { app } = appWithErrors()
  app.use(createInputCheck({ maxBodyBytes: 57344 }))
  app.use((ctx) => {
    ctx.body = handler(ctx) ?? null
  })
  return { app, call: request(app.callback()) }
}

const jwt = (header: string, payload: string) =>
  `${Buffer.from(header).toString('base64url')}.${Buffer.from(payload).toString('base64url')}.c2ln`

describe('checking the request target', () => {
  it.each(['/a%00b', '/%zz', '/%', '/%ff', '/%ed%a0%80', '/a%c3'])('refuses the path %s', async (path) => {
    const { port, close } = await serve(checked().app)
    const answer = await sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    await close()
    expect(answer).toMatch(/^HTTP\/1\.1 400/)
    expect(answer).toContain('The path')
  })

  it.each([
    'a=%00',
    'a%00=1',
    'a=%',
    'a=%zz',
    'a=%ff',
    'a=%ed%a0%80',
    `hint=${jwt('{"alg":"none"}', '{"aud":"\\u0000"}')}`,
  ])('refuses the query %s', async (query) => {
    const { port, close } = await serve(checked().app)
    const answer = await sendRaw(port, `GET /?${query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    await close()
    expect(answer).toMatch(/^HTTP\/1\.1 400/)
    expect(answer).toContain('The query')
    expect(answer).toContain('"code":"invalid_request"')
  })

  it.each([
    '/',
    '/%E2%82%AC',
    '/?',
    '/?a=1&a=2&b',
    '/?a=%F0%9F%98%80+%2B',
    `/?hint=${jwt('{"alg":"ES256"}', '{"aud":"me"}')}`,
    '/?v=1.2.3',
  ])('lets %s pass', async (path) => {
    await checked().call.get(path).expect(200)
  })
})

describe('checking the headers', () => {
  it.each([
    ['User-Agent: \xff\xfe', 'The header user-agent'],
    ['X-Anything: a\xed\xa0\x80', 'The header x-anything'],
    ['Cookie: a=\xff', 'A cookie'],
    ['Cookie: a=b%00c', 'A cookie'],
  ])('refuses %j', async (header, part) => {
    const { port, close } = await serve(checked().app)
    const answer = await sendRaw(
      port,
      Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${header}\r\n\r\n`, 'latin1'),
    )
    await close()
    expect(answer).toMatch(/^HTTP\/1\.1 400/)
    expect(answer).toContain(part)
  })

  it('lets UTF-8 pass, and the stray percent sign of a neighbour', async () => {
    await checked().call.get('/').set({ Cookie: 'promotion=50%off', Referer: 'https://a.example/100%' }).expect(200)
    const { port, close } = await serve(checked().app)
    expect(await sendRaw(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Name: Zoë €\r\n\r\n')).toMatch(
      / 200 /,
    )
    await close()
  })
})

describe('checking a form', () => {
  const form = (body: string | Buffer) =>
    checked()
      .call.post('/')
      .set('Content-Type', 'application/x-www-form-urlencoded')
      .serialize((data) => data)
      .send(body)

  it.each([
    'a=%00',
    '%00=a',
    'a=%zz',
    'a=%ff',
    'a=%ed%a0%80',
    'a=\0',
    `client_assertion=${jwt('{}', '{"sub":"\\ud800"}')}`,
  ])('refuses %j', async (body) => {
    const { text } = await form(body).expect(400)
    expect(JSON.parse(text)).toMatchObject({ code: 'invalid_request', detail: expect.stringMatching(/^The body/) })
  })

  it('refuses bytes that are not UTF-8', async () => {
    await form(Buffer.from([0x61, 0x3d, 0xff])).expect(400)
  })

  it('lets an ordinary one pass', async () => {
    await form('a=1&b=%E2%82%AC+x').expect(200)
  })
})

describe('checking JSON', () => {
  const json = (body: string) => checked().call.post('/').set('Content-Type', 'application/json').send(body)
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`

  it.each([
    '"\\u0000"',
    '{"a":{"b":["\\ud800"]}}',
    '{"a\\u0000":1}',
    '{"__proto__":{"\\udc00":1}}',
    '{"a":"\0"}',
    nested(66),
    nested(20_000),
  ])('refuses %.30j', async (body) => {
    await json(body).expect(400, /The body/)
  })

  it.each(['{"a":"\\ud83d\\ude00"}', 'null', '1', nested(60), '{broken', '{"__proto__":1}'])(
    'lets %.30j pass',
    async (body) => {
      await json(body).expect(200)
    },
  )
})

describe('limiting the body', () => {
  it('lets exactly the limit pass and refuses one byte more', async () => {
    const send = (length: number) =>
      checked()
        .call.post('/')
        .type('form')
        .serialize((data) => data)
        .send(`a=${'x'.repeat(length - 2)}`)
    await send(57344).expect(200)
    const { text } = await send(57345).expect(413)
    expect(JSON.parse(text).code).toBe('payload_too_large')
  })

  it('counts a chunked body too', async () => {
    const { port, close } = await serve(checked().app)
    const chunk = `${(60_000).toString(16)}\r\n${'x'.repeat(60_000)}\r\n0\r\n\r\n`
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n'
    const answer = await sendRaw(port, `${head}${chunk}GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    await close()
    expect(answer).toMatch(/^HTTP\/1\.1 413[\s\S]*HTTP\/1\.1 200/)
  })

  it('refuses a huge body at once, without reading it', async () => {
    const { port, close } = await serve(checked().app)
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n'
    const startedAt = performance.now()
    const answer = await sendRaw(port, `${head}{`)
    await close()
    expect(answer).toMatch(/^HTTP\/1\.1 413[\s\S]*Connection: close/)
    expect(performance.now() - startedAt).toBeLessThan(250)
  })

  it('gives up on an endless chunked body', async () => {
    const { port, close } = await serve(checked().app)
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n'
    const chunks = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`.repeat(20)
    const answer = await sendRaw(port, head + chunks)
    await close()
    expect(answer).toMatch(/^HTTP\/1\.1 413[\s\S]*Connection: close/)
  })

  it('takes a body that never ends for a caller that left, not for a bug', async () => {
    const { app, entries } = appWithErrors()
    app.use(createInputCheck({ maxBodyBytes: 57344 }))
    const { port, close } = await serve(app)
    await sendRaw(
      port,
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{',
      50,
    )
    await new Promise((resolve) => setTimeout(resolve, 50))
    await close()
    expect(entries()).toEqual([expect.objectContaining({ isAborted: true, status: 499 })])
  })
})

describe('accepting two content types only', () => {
  it.each([
    ['multipart/form-data; boundary=x', 'a=1'],
    ['text/plain', 'a=1'],
    ['application/json; charset=utf-16le', '{}'],
    ['application/x-www-form-urlencoded; charset=iso-8859-1', 'a=1'],
    ['', 'a=1'],
    ['nonsense', 'a=1'],
  ])('refuses %j and keeps the connection', async (type, body) => {
    const { port, close } = await serve(checked().app)
    const typeLine = type === '' ? '' : `Content-Type: ${type}\r\n`
    const first = `POST / HTTP/1.1\r\nHost: a\r\n${typeLine}Content-Length: ${body.length}\r\n\r\n${body}`
    const answer = await sendRaw(port, `${first}GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    await close()
    expect(answer).toMatch(/^HTTP\/1\.1 415[\s\S]*HTTP\/1\.1 200/)
  })

  it('refuses a compressed body', async () => {
    await checked().call.post('/').type('json').set('Content-Encoding', 'gzip').send('{}').expect(415)
  })

  it('lets a POST without a body pass', async () => {
    await checked().call.post('/').expect(200)
    await checked().call.post('/').set({ 'Content-Type': 'text/plain', 'Content-Length': '0' }).expect(200)
  })
})

describe('reading a form in a route', () => {
  const fields = (body: string, type = 'application/x-www-form-urlencoded') =>
    checked((ctx) => readForm(ctx))
      .call.post('/')
      .set('Content-Type', type)
      .send(body)

  it('gives the decoded fields', async () => {
    expect((await fields('a=1&b=x+%E2%82%AC&c=&__proto__=p').expect(200)).body).toEqual({
      a: '1',
      b: 'x €',
      c: '',
      ['__proto__']: 'p',
    })
  })

  it('refuses a field that stands twice', async () => {
    const { text } = await fields('a=1&b=2&a=1').expect(400)
    expect(JSON.parse(text).detail).toContain('The field a stands twice')
  })

  it('refuses JSON', async () => {
    await fields('{}', 'application/json').expect(415)
  })

  it('takes no body for a form without fields', async () => {
    expect(
      (
        await checked((ctx) => readForm(ctx))
          .call.post('/')
          .expect(200)
      ).body,
    ).toEqual({})
  })
})

describe('reading JSON in a route', () => {
  const document = (body: string, type = 'application/json') =>
    checked((ctx) => ({ read: readJson(ctx) }))
      .call.post('/')
      .set('Content-Type', type)
      .send(body)

  it('gives the value', async () => {
    expect((await document('{"a":[1]}').expect(200)).body).toEqual({ read: { a: [1] } })
    expect((await document('null', 'application/json; charset=UTF-8').expect(200)).body).toEqual({ read: null })
  })

  it.each(['{', '', '{"a":1}}', '\ufeff{}'])('refuses %j as malformed', async (body) => {
    await document(body).expect(400)
  })

  it('refuses a form', async () => {
    await document('a=1', 'application/x-www-form-urlencoded').expect(415)
  })
})
