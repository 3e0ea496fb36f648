import { randomBytes } from 'node:crypto'
import Koa from 'koa'
import { giveDeviceToken, readDeviceToken } from '../../src/http/cookies/device-cookie.ts'
import { type Served, serve } from './serving.ts'

const token = randomBytes(32).toString('base64url')
let served: Served
const keys = ['newest', 'older']

beforeAll(async () => {
  const app = new Koa({ proxy: true })
  app.keys = keys
  app.use((ctx) => {
    if (ctx.path === '/give') giveDeviceToken(ctx, ctx.get('x-token') || token)
    ctx.body = { token: readDeviceToken(ctx) ?? null }
  })
  served = await serve(app)
})
afterAll(() => served.close())

const ask = (path: string, headers: Record<string, string> = {}, isSecure = true) =>
  fetch(`http://127.0.0.1:${served.port}${path}`, {
    headers: { 'x-forwarded-proto': isSecure ? 'https' : 'http', ...headers },
  })
const given = async (value = token, isSecure = true) =>
  (await ask('/give', { 'x-token': value }, isSecure)).headers.getSetCookie()
const pairs = (cookies: string[]) => cookies.map((cookie) => cookie.split(';')[0]).join('; ')
const read = async (cookie: string, isSecure = true) =>
  ((await (await ask('/', { cookie }, isSecure)).json()) as { token: string | null }).token

describe('the cookie of a device', () => {
  it('is for this host, over https, for 400 days, and for no script', async () => {
    const cookies = await given()
    expect(cookies.map((cookie) => cookie.split('=')[0])).toEqual([
      '__Host-gatehouse-device',
      '__Host-gatehouse-device.sig',
    ])
    for (const cookie of cookies) {
      expect(cookie).toMatch(/; path=\/;/)
      expect(cookie).toMatch(/; secure/)
      expect(cookie).toMatch(/; httponly/)
      expect(cookie).toMatch(/; samesite=lax/)
      expect(cookie).not.toMatch(/domain=/)
      const expires = Date.parse(/expires=([^;]+)/.exec(cookie)?.[1] ?? '')
      expect((expires - Date.now()) / 86_400_000).toBeCloseTo(400, 1)
    }
    expect(await read(pairs(cookies))).toBe(token)
  })

  it('has a name that plain http can set where there is no https', async () => {
    const cookies = await given(token, false)
    expect(cookies[0]).toMatch(/^gatehouse-device=/)
    expect(cookies[0]).not.toMatch(/secure/)
    expect(await read(pairs(cookies), false)).toBe(token)
    expect(await read(pairs(cookies))).toBeNull()
  })

  it('is not believed without our signature', async () => {
    const [cookie = '', signature = ''] = (await given()).map((each) => each.split(';')[0] ?? '')
    expect(await read(cookie)).toBeNull()
    expect(await read(`${cookie}; ${signature.slice(0, -1)}${signature.endsWith('A') ? 'B' : 'A'}`)).toBeNull()
    const other = randomBytes(32).toString('base64url')
    expect(await read(`__Host-gatehouse-device=${other}; ${signature}`)).toBeNull()
  })

  it.each([
    'x',
    'a'.repeat(42),
    'a'.repeat(44),
    'a'.repeat(4000),
    `${'a'.repeat(42)}.`,
    '%00'.repeat(14),
    '[object Object]',
  ])('is none when it holds junk, even under our signature: %j', async (junk) => {
    expect(await read(pairs(await given(junk)))).toBeNull()
  })
})
