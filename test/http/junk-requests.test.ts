import Router from '@koa/router'
import fc from 'fast-check'
import { createCrossSiteGuard } from '../../src/http/csrf.ts'
import { readForm, readJson } from '../../src/http/form-body.ts'
import { healthRoutes } from '../../src/http/health-routes.ts'
import { createPageHeaders } from '../../src/http/page-headers.ts'
import { createForwarding } from '../../src/http/request/client-address.ts'
import { createInputCheck } from '../../src/http/request/input-check.ts'
import { createRequestLimits } from '../../src/http/request-limits.ts'
import { appWithErrors, type Served, sendRaw, serve } from './serving.ts'

const issuer = 'http://id.example'

function wholeApp() {
  const { app, lines } = appWithErrors()
  app.use(createPageHeaders({ issuer }))
  app.use(
    createForwarding({
      issuer,
      trustedProxies: ['127.0.0.1'],
      exemptPaths: (path) => path === '/healthz' || path.startsWith('/gateway/'),
    }),
  )
  app.use(healthRoutes({ readiness: async () => ({ all: { ok: true } }) }))
  app.use(createInputCheck({ maxBodyBytes: 57344 }))
  app.use(createRequestLimits().limitByAddress({ points: 1e9, seconds: 60, applies: () => true }))
  const router = new Router()
  router.use('/form', createCrossSiteGuard({ issuer }))
  router.all('/form', (ctx) => {
    ctx.body = readForm(ctx)
  })
  router.all('/json/:id', (ctx) => {
    ctx.body = { read: readJson(ctx), id: ctx.params.id, query: ctx.query }
  })
  app.use(router.routes()).use(router.allowedMethods())
  return { app, lines }
}

const noise = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  fc.constantFrom(
    '',
    '%00',
    '%zz',
    '%ff',
    '%ed%a0%80',
    '%',
    '\0',
    '\t',
    '\ud800',
    '..',
    '//',
    '\\',
    '#',
    '?',
    ';',
    '[::1',
    '@',
    ':99999',
    '"\\u0000"',
    '[[',
  ),
)
const oneOf = (...known: string[]) =>
  fc.oneof({ weight: 15, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: noise })
const mostly = (usual: string) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: noise })
const target = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          '/',
          '/form',
          '/json/1',
          '/json/',
          '/healthz',
          '/readyz',
          '/gateway/',
          '//',
          'http://id.example/form',
          'http://',
          '*',
        ),
        mostly(''),
        fc.constantFrom('', '', '?'),
        mostly('a=1'),
      )
      .map((parts) => parts.join('')),
  },
  { weight: 1, arbitrary: noise },
)
const headerLine = fc
  .tuple(
    oneOf(
      'Content-Type',
      'Content-Length',
      'Transfer-Encoding',
      'Accept',
      'Cookie',
      'X-Forwarded-For',
      'X-Forwarded-Host',
      'Forwarded',
      'Origin',
      'Referer',
      'Sec-Fetch-Site',
      'Expect',
      'Upgrade',
      'Connection',
      'Content-Encoding',
      'Authorization',
      'X-HTTP-Method-Override',
      'Range',
      'If-None-Match',
    ),
    oneOf(
      'id.example',
      'application/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'text/html',
      '5',
      '-1',
      '99999999999',
      'chunked',
      'gzip',
      'h2c',
      'upgrade',
      'same-origin',
      '1.2.3.4, ::1, x',
      '100-continue',
      'a/b;q=z, */*;q=-1',
    ),
  )
  .map(([name, value]) => `${name}: ${value}`)
const message = fc.record({
  method: oneOf('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND', 'PATCH', 'FOO'),
  target,
  version: oneOf('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0'),
  isHosted: fc.constantFrom(true, true, true, false),
  headers: fc.array(headerLine, { maxLength: 3 }),
  body: oneOf('', 'a=1', 'a=1&a=2', '{}', '{"a":"\\u0000"}', '5\r\na=1&b\r\n0\r\n\r\n'),
  isLengthTrue: fc.boolean(),
  type: fc.constantFrom('application/json', 'application/x-www-form-urlencoded'),
  // Half of the messages get past the parser of HTTP, to the code under test.
  isWellFramed: fc.boolean(),
})

type Message = typeof message extends fc.Arbitrary<infer T> ? T : never

function bytesOf(sent: Message): Buffer {
  const {
    method,
    target: path,
    version,
    isHosted,
    headers,
    body,
    isLengthTrue,
  } = sent.isWellFramed ? framed(sent) : sent
  const lines = [
    `${method} ${path} ${version}`,
    ...(isHosted ? ['Host: id.example', 'Sec-Fetch-Site: same-origin'] : []),
    ...headers,
    ...(isLengthTrue ? [`Content-Length: ${Buffer.byteLength(body, 'latin1')}`] : []),
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1')
}

function framed(sent: Message): Message {
  const framing = /^(content-length|transfer-encoding|expect|upgrade|connection|content-encoding)$/i
  const visible = (text: string) => text.replace(/[^\x21-\x7e]/g, '')
  return {
    ...sent,
    method: /^[A-Z]+$/.test(sent.method) && sent.method !== 'CONNECT' && sent.method !== 'FOO' ? sent.method : 'POST',
    target: sent.target.startsWith('http://id') ? visible(sent.target) : visible(sent.target).replace(/^\/?/, '/'),
    version: 'HTTP/1.1',
    headers: sent.headers
      .map((line) => line.split(': ', 2).map((part) => part.replace(/[^\x20-\x7e\x80-\xff]/g, '')))
      .filter(([name = '']) => /^[\w-]+$/.test(name) && !framing.test(name))
      .map((parts) => parts.join(': '))
      .concat('Connection: close', `Content-Type: ${sent.type}`),
    isHosted: true,
    isLengthTrue: true,
  }
}

describe('throwing junk at everything together', () => {
  let served: Served
  let lines: string[]
  let crashes: unknown[]
  const note = (error: unknown) => void crashes.push(error)

  beforeAll(async () => {
    const { app, lines: written } = wholeApp()
    crashes = []
    process.on('uncaughtException', note).on('unhandledRejection', note)
    lines = written
    served = await serve(app)
  })

  afterAll(async () => {
    process.off('uncaughtException', note).off('unhandledRejection', note)
    await served.close()
  })

  it('never answers 5xx and never crashes', async () => {
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 5, maxLength: 5 }), async (messages) => {
        const answers = await Promise.all(messages.map((each) => sendRaw(served.port, bytesOf(each), 80)))
        for (const answer of answers) {
          const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => String(status))
          for (const status of statuses) seen.set(status, (seen.get(status) ?? 0) + 1)
          expect(statuses.filter((status) => status >= '500')).toEqual([])
        }
      }),
      { numRuns: 200 },
    )
    expect(crashes).toEqual([])
    expect(lines.filter((line) => line.includes('server_error'))).toEqual([])
    expect([...seen.keys()]).toEqual(expect.arrayContaining(['200', '400', '404', '415', '421']))
    expect(await sendRaw(served.port, 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toContain(
      '"ok"',
    )
  }, 60_000)
})
