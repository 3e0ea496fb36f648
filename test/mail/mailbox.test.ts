// The development mailbox: what would have been sent can be read and followed there, and it exists in development only.
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent } from '../support/user-agent.ts'

let gatehouse: TestServer
beforeAll(async () => {
  gatehouse = await startTestServer()
})
afterAll(() => gatehouse.stop())

const visit = (path: string, server = gatehouse) => createUserAgent().request(new URL(path, server.issuer))
const write = async (email: string) => {
  const account = await gatehouse.makeAccount({ email })
  const link = `${gatehouse.issuer}/verify-email/Zm9vYmFyYmF6?a=1&b=2`
  await gatehouse.server.node.accountMail.verifyEmail(account, { link })
  const page = await visit('/dev/mailbox')
  return { page, link, path: /\/dev\/mailbox\/[\w-]{36}/.exec(page.text)?.[0] ?? '' }
}

describe('the development mailbox', () => {
  it('is empty at first', async () => {
    const page = await visit('/dev/mailbox')
    expect([page.status, page.headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(page.text).toContain('no messages yet')
  })

  it('lists who was written to, about what and when, newest first, and holds the message', async () => {
    await write('first@example.com')
    const { page, path, link } = await write('second@example.com')
    expect(page.text.indexOf('second@example.com')).toBeLessThan(page.text.indexOf('first@example.com'))
    expect(page.text).toMatch(/Confirm your email address.*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/s)
    const message = await visit(path)
    expect(message.text).toContain(`<a class="reach" href="${link.replace('&', '&amp;')}"`)
    expect(message.text).toContain('Somebody, probably you, gave second@example.com')
  })

  it('shows the HTML as an answer of its own, with no more rights than in a mail program', async () => {
    const { path } = await write('third@example.com')
    const html = await visit(`${path}/html`)
    expect(html.text).toMatch(/^<!doctype html>\n<html lang="en" dir="ltr">/)
    const policy = html.headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/default-src 'none'; .*; sandbox /)
    expect(policy).not.toMatch(/allow-(scripts|same-origin|forms)|script-src/)
    expect(html.headers.get('cache-control')).toBe('no-store')
  })

  it('knows no other message', async () => {
    for (const path of ['none', '0b8f7f0e-6a52-4c3b-9c0f-0d9d1a2b3c4d', 'none/html', "'%20OR%20'1'='1"])
      expect((await visit(`/dev/mailbox/${path}`)).status).toBe(404)
  })

  it('keeps its messages sealed in the table', async () => {
    const rows = await gatehouse.server.stores.database.query<{ row: string; state: string }>(
      'SELECT mail_queue::text AS row, state FROM mail_queue',
    )
    expect(new Set(rows.map(({ state }) => state))).toEqual(new Set(['sent']))
    for (const { row } of rows) expect(row).not.toMatch(/example\.com|Zm9vYmFy/)
  })
})

describe('a server that sends mail', () => {
  it.each([
    ['in production', { NODE_ENV: 'production', GATEHOUSE_INSECURE_HTTP: 'true' }],
    ['in development', {}],
  ])('has no mailbox page %s', async (_, env) => {
    const cookieKeys = 'a key of at least thirty-two characters'
    const production = await startTestServer({
      env: { ...env, GATEHOUSE_COOKIE_KEYS: cookieKeys, GATEHOUSE_SMTP_URL: 'smtp://127.0.0.1:9' },
    })
    for (const path of ['/dev/mailbox', '/dev/mailbox/x', '/dev/mailbox/x/html'])
      expect((await visit(path, production)).status).toBe(404)
    await production.stop()
  })
})
