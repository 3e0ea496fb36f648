import Koa from 'koa'
import { createForwarding } from '../../src/http/request/client-address.ts'
import { appWithErrors, sendRaw, serve } from './serving.ts'

const exemptPaths = (path: string) => path === '/healthz' || path.startsWith('/gateway/')

interface Options {
  issuer?: string
  trustedProxies?: string[]
  isDevelopment?: boolean
}

async function ask(
  head: string,
  { issuer = 'https://id.example', trustedProxies = [], isDevelopment = false }: Options = {},
) {
  const { app, entries } = appWithErrors({ isDevelopment })
  app.use(createForwarding({ issuer, trustedProxies, exemptPaths }))
  app.use((ctx) => {
    ctx.body = {
      ip: ctx.ip,
      ips: ctx.ips,
      host: ctx.host,
      protocol: ctx.protocol,
      secure: ctx.secure,
      path: ctx.path,
      query: ctx.querystring,
      href: ctx.href,
      forwarded: ctx.state.forwarded,
      headers: Object.keys(ctx.headers).filter((name) => /forward|real-ip/.test(name)),
    }
  })
  const { port, close } = await serve(app)
  const raw = await sendRaw(port, `${head.replaceAll('\n', '\r\n')}\r\nConnection: close\r\n\r\n`)
  await close()
  const body = /\r\n\r\n(?:[0-9a-f]+\r\n)?(\{.*\})/s.exec(raw)?.[1] ?? '{}'
  return { status: Number(raw.slice(9, 12)), body: JSON.parse(body), logged: entries()[0] }
}

const fromProxy = { trustedProxies: ['127.0.0.0/8', '10.0.0.0/8', '2001:db8::/32'] }
const honest = 'GET / HTTP/1.1\nHost: id.example'

describe('deciding who calls', () => {
  it('believes the socket, not a header', async () => {
    const { body, logged } = await ask(
      `${honest}\nX-Forwarded-For: 6.6.6.6\nX-Real-IP: 6.6.6.6\nForwarded: for=6.6.6.6\nX-Forwarded-Proto: http\nX-Forwarded-Port: 1`,
    )
    expect(body).toMatchObject({ ip: '127.0.0.1', ips: ['127.0.0.1'], forwarded: {} })
    expect(body.headers.sort()).toEqual(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'])
    expect(logged?.address).toBe('127.0.0.1')
  })

  it.each([
    ['198.51.100.7', '198.51.100.7'],
    ['6.6.6.6, 198.51.100.7', '198.51.100.7'],
    ['6.6.6.6, 198.51.100.7, 10.1.2.3', '198.51.100.7'],
    ['6.6.6.6, 198.51.100.7, ::ffff:10.1.2.3', '198.51.100.7'],
    ['::ffff:198.51.100.7', '198.51.100.7'],
    ['198.51.100.7:5123', '198.51.100.7'],
    ['[2a00::1]:443', '2a00::1'],
    ['2a00::1, 2001:db8::5', '2a00::1'],
    ['10.0.0.2, 10.0.0.1', '10.0.0.2'],
    ['6.6.6.6, unknown', '127.0.0.1'],
    ['6.6.6.6, unknown, 10.0.0.9', '10.0.0.9'],
    ['6.6.6.6, 198.51.100.7\nX-Forwarded-For: 198.51.100.8', '198.51.100.8'],
    [',', '127.0.0.1'],
    ['fe80::1%eth0', 'fe80::1'],
  ])('takes from a trusted proxy %j the right-most entry that is not a proxy', async (header, address) => {
    const { body, logged } = await ask(`${honest}\nX-Forwarded-For: ${header}`, fromProxy)
    expect(body.ip).toBe(address)
    expect(logged?.address).toBe(address)
  })

  it('takes the proxy itself when it says nothing', async () => {
    expect((await ask(honest, fromProxy)).body).toMatchObject({ ip: '127.0.0.1', forwarded: {} })
  })

  it('keeps what the trusted proxy said for those who ask', async () => {
    const { body } = await ask(`${honest}\nX-Forwarded-Uri: /app?x\nX-Forwarded-Method: PUT`, fromProxy)
    expect(body.forwarded).toEqual({ 'x-forwarded-uri': '/app?x', 'x-forwarded-method': 'PUT' })
  })

  it('names an entry of the list that is no CIDR', () => {
    for (const entry of ['10.0.0.0/33', 'proxy', '', '::1/129', '10.0.0.0/8x', '10.0.0.0/-1'])
      expect(() => createForwarding({ issuer: 'https://id.example', trustedProxies: [entry], exemptPaths })).toThrow(
        `"${entry}"`,
      )
  })
})

describe('showing Koa one address only', () => {
  it("is always the issuer's scheme and host", async () => {
    const { body } = await ask(honest)
    expect(body).toMatchObject({ host: 'id.example', protocol: 'https', secure: true, href: 'https://id.example/' })
  })

  it('is so on exempt paths', async () => {
    const { status, body } = await ask(
      'GET /gateway/check HTTP/1.1\nHost: 10.0.0.5:3000\nX-Forwarded-Host: evil.example',
    )
    expect(status).toBe(200)
    expect(body).toMatchObject({ host: 'id.example', protocol: 'https', forwarded: {} })
  })
})

describe('refusing another host', () => {
  it.each([
    'Host: evil.example',
    'Host: id.example:3000',
    'Host: id.example.evil.example',
    'Host: user@id.example',
    'Host: id.example.',
    'Host:',
    'Host: id.example, evil.example',
    'Host: id.example\nHost: id.example',
    'Host: id.example\nHost: evil.example',
  ])('answers 421 to %j', async (host) => {
    const { status, body } = await ask(`GET /.well-known/openid-configuration HTTP/1.1\n${host}`)
    expect(status).toBe(421)
    expect(body).toMatchObject({ code: 'misdirected_request' })
    expect(JSON.stringify(body)).not.toContain('evil')
  })

  it('answers 421 to HTTP/1.0 without a host', async () => {
    expect((await ask('GET / HTTP/1.0\nAccept: */*')).status).toBe(421)
  })

  it.each(['id.example', 'ID.EXAMPLE', 'id.example:443', 'id.example:80'])('answers %s', async (host) => {
    expect((await ask(`GET / HTTP/1.1\nHost: ${host}`)).status).toBe(200)
  })

  it.each([
    ['localhost:3000', 200],
    ['localhost', 421],
    ['localhost:80', 421],
    ['127.0.0.1:3000', 421],
  ])('compares the port of an issuer that has one: %s gives %i', async (host, expected) => {
    expect((await ask(`GET / HTTP/1.1\nHost: ${host}`, { issuer: 'http://localhost:3000' })).status).toBe(expected)
  })

  it('ignores X-Forwarded-Host from a stranger and believes it from a proxy', async () => {
    const inner = 'GET / HTTP/1.1\nHost: 10.0.0.5:3000'
    expect((await ask(`${inner}\nX-Forwarded-Host: id.example`)).status).toBe(421)
    expect((await ask(`${honest}\nX-Forwarded-Host: evil.example`)).status).toBe(200)
    expect((await ask(`${inner}\nX-Forwarded-Host: id.example`, fromProxy)).status).toBe(200)
    expect((await ask(`${honest}\nX-Forwarded-Host: evil.example`, fromProxy)).status).toBe(421)
    expect((await ask(`${inner}\nX-Forwarded-Host: id.example, evil.example`, fromProxy)).status).toBe(421)
    expect((await ask(`${inner}\nX-Forwarded-Host: evil.example, id.example`, fromProxy)).status).toBe(200)
  })

  it('names both hosts in development', async () => {
    const { body } = await ask('GET / HTTP/1.1\nHost: evil.example', { isDevelopment: true })
    expect(JSON.stringify(body.hint)).toMatch(/evil\.example.*id\.example/)
  })

  it('leaves probes and gateways alone', async () => {
    expect((await ask('GET /healthz?x HTTP/1.1\nHost: 10.1.1.1:3000')).status).toBe(200)
    expect((await ask('GET /healthz/../token HTTP/1.1\nHost: 10.1.1.1:3000')).status).toBe(421)
  })
})

describe('answering an absolute-form target', () => {
  it('treats it like the path alone', async () => {
    const { status, body } = await ask('GET http://id.example/a/b?c=%20d HTTP/1.1\nHost: id.example')
    expect(status).toBe(200)
    expect(body).toMatchObject({ path: '/a/b', query: 'c=%20d', href: 'https://id.example/a/b?c=%20d' })
    expect((await ask('GET https://id.example?x HTTP/1.1\nHost: id.example')).body).toMatchObject({
      path: '/',
      query: 'x',
    })
  })

  it.each([
    'GET http://evil.example/ HTTP/1.1\nHost: id.example',
    'GET http://id.example/ HTTP/1.1\nHost: evil.example',
    'GET http://evil@id.example/ HTTP/1.1\nHost: id.example',
  ])('answers 421 to %j', async (head) => {
    expect((await ask(head)).status).toBe(421)
  })

  it.each(['ftp://id.example/', 'http://[::1', 'http://a:b:c/'])('never fails on %s', async (target) => {
    expect([400, 421]).toContain((await ask(`GET ${target} HTTP/1.1\nHost: id.example`)).status)
  })

  it('answers OPTIONS *', async () => {
    expect((await ask('OPTIONS * HTTP/1.1\nHost: id.example')).status).toBe(200)
  })
})

it('does not work by accident: without it Koa believes anybody', async () => {
  const app = new Koa({ proxy: true })
  app.use((ctx) => {
    ctx.body = ctx.ip
  })
  const { port, close } = await serve(app)
  const raw = await sendRaw(port, 'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n')
  await close()
  expect(raw).toContain('6.6.6.6')
})
