// Under which names the server answers, and whose word about the caller it takes (threat F7).
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { basic, rawRequest } from './requests.ts'

let gatehouse: TestServer
let port: number
let own: string

beforeAll(async () => {
  gatehouse = await startTestServer()
  port = (gatehouse.server.http.address() as AddressInfo).port
  own = new URL(gatehouse.issuer).host
})
afterAll(() => gatehouse.stop())

const discovery = '/.well-known/openid-configuration'
const paths = [
  '/',
  discovery,
  '/.well-known/oauth-authorization-server',
  '/jwks',
  '/authorize?client_id=x',
  '/userinfo',
  '/sign-out',
  '/device',
  '/interaction/x',
  '/setup/x',
  '/admin/api/v1/clients',
  '/assets/gatehouse.css',
  '/unknown',
]

describe('a request for another host', () => {
  it.each(paths)('is answered with 421: %s', async (path) => {
    const answer = await rawRequest(port, path, { headers: { host: 'evil.example' } })
    expect(answer.status).toBe(421)
    expect(answer.headers.location).toBeUndefined()
    expect(answer.headers['set-cookie']).toBeUndefined()
  })

  it.each([
    'evil.example',
    `${'localhost'}:1`,
    '127.0.0.1',
    `localhost.evil.example`,
    'localhost@evil.example',
    '[::1]',
    '',
  ])('is answered with 421, however near it looks: %p', async (host) => {
    expect((await rawRequest(port, discovery, { headers: { host } })).status).toBe(421)
  })

  it('is answered with 421 when it is a token request', async () => {
    const machine = await gatehouse.makeClient({ kind: 'machine', apis: { [await gatehouse.makeApi()]: [] } })
    const send = (host: string) =>
      rawRequest(port, '/token', {
        method: 'POST',
        headers: {
          host,
          authorization: basic(machine),
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: 'grant_type=client_credentials',
      })
    expect((await send('evil.example')).status).toBe(421)
    expect((await send(own)).status).toBe(200)
  })

  it('is no matter for a probe', async () => {
    expect((await rawRequest(port, '/healthz', { headers: { host: '10.0.0.7' } })).status).toBe(200)
    expect((await rawRequest(port, '/readyz', { headers: { host: '10.0.0.7' } })).status).toBe(200)
  })
})

describe('a request that names two hosts', () => {
  const raw = (lines: string[]) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(`${lines.join('\r\n')}\r\n\r\n`))
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk.toString()
      })
      socket.on('close', () => resolve(text))
      socket.on('error', reject)
    })
  const statusOf = (text: string) => Number(text.split(' ')[1])

  it('in two headers is refused', async () => {
    const text = await raw([`GET ${discovery} HTTP/1.1`, `Host: ${own}`, 'Host: evil.example', 'Connection: close'])
    expect([400, 421]).toContain(statusOf(text))
  })

  it('in its target and its header is refused', async () => {
    const text = await raw([`GET http://evil.example${discovery} HTTP/1.1`, `Host: ${own}`, 'Connection: close'])
    expect([400, 421]).toContain(statusOf(text))
  })

  it('alike is answered', async () => {
    const text = await raw([`GET http://${own}${discovery} HTTP/1.1`, `Host: ${own}`, 'Connection: close'])
    expect(statusOf(text)).toBe(200)
  })
})

describe('forwarding headers', () => {
  const forwarded = {
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-for': '203.0.113.9',
  }

  it('from anybody are not believed', async () => {
    const answer = await rawRequest(port, discovery, { headers: { host: own, ...forwarded } })
    expect(answer.status).toBe(200)
    expect(answer.text).not.toContain('evil.example')
    expect(JSON.parse(answer.text).issuer).toBe(gatehouse.issuer)
    await new Promise((resolve) => setTimeout(resolve, 20))
    const line = gatehouse.logged.filter((entry) => entry.includes(discovery)).at(-1) ?? ''
    expect(JSON.parse(line).address).toBe('127.0.0.1')
  })

  it('cannot change where the engine sends a browser', async () => {
    const redirectUri = 'https://app.example.com/cb'
    const { clientId } = await gatehouse.makeClient({ redirectUris: [redirectUri] })
    const query = new URLSearchParams({
      client_id: clientId,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: 'openid',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    })
    const answer = await rawRequest(port, `/authorize?${query}`, { headers: { host: own, ...forwarded } })
    expect(answer.status).toBe(303)
    expect(new URL(answer.headers.location ?? '', gatehouse.issuer).origin).toBe(gatehouse.issuer)
    const page = await rawRequest(port, '/device', { headers: { host: own, ...forwarded } })
    expect(page.text).not.toContain('evil.example')
  })

  it('from a proxy that is trusted say who the caller is, but not what the issuer is', async () => {
    const issuer = 'https://login.example.com'
    const behind = await startTestServer({
      env: { GATEHOUSE_ISSUER: issuer, GATEHOUSE_TRUSTED_PROXIES: '127.0.0.0/8' },
    })
    const { port: backend } = behind.server.http.address() as AddressInfo
    const ask = (headers: Record<string, string>) => rawRequest(backend, discovery, { headers })
    const good = await ask({
      host: 'backend:3000',
      'x-forwarded-host': 'login.example.com',
      'x-forwarded-proto': 'http',
      'x-forwarded-for': '198.51.100.1, 203.0.113.9',
    })
    const bad = await ask({ host: 'login.example.com', 'x-forwarded-host': 'evil.example' })
    await new Promise((resolve) => setTimeout(resolve, 20))
    const lines = behind.logged.filter((entry) => entry.includes(discovery)).map((entry) => JSON.parse(entry))
    await behind.stop()
    expect(good.status).toBe(200)
    expect(bad.status).toBe(421)
    expect(lines[0].address).toBe('203.0.113.9')
  })
})

describe('every address in a document', () => {
  it('begins with the issuer that is configured, whatever the request says', async () => {
    const issuer = 'https://login.example.com'
    const server = await startTestServer({ env: { GATEHOUSE_ISSUER: issuer } })
    const { port: backend } = server.server.http.address() as AddressInfo
    const answers = await Promise.all(
      ['openid-configuration', 'oauth-authorization-server'].map((name) =>
        rawRequest(backend, `/.well-known/${name}`, {
          headers: { host: 'login.example.com', 'x-forwarded-proto': 'http' },
        }),
      ),
    )
    await server.stop()
    for (const { status, text } of answers) {
      expect(status).toBe(200)
      const addresses = text.match(/https?:\/\/[^"]+/g) ?? []
      expect(addresses.length).toBeGreaterThan(9)
      expect(addresses.filter((address) => new URL(address).origin !== issuer)).toEqual([])
    }
  })
})
