// The one-time link for the first administrator.
import { randomBytes } from 'node:crypto'
import { loadConfig } from '../../src/config.ts'
import { firstAdministrator } from '../../src/server/app.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent } from '../support/user-agent.ts'

const password = 'correct horse battery staple'

let gatehouse: TestServer

beforeEach(async () => {
  gatehouse = await startTestServer()
})
afterEach(() => gatehouse.stop())

const administrator = () => {
  const { stores, node } = gatehouse.server
  const env = { GATEHOUSE_ISSUER: gatehouse.issuer, GATEHOUSE_SEALING_KEY: randomBytes(32).toString('base64url') }
  return firstAdministrator({ config: loadConfig({ root: process.cwd(), env }) }, stores, node)
}
const newLink = async () => String(await administrator().link())
const owners = async () =>
  (await gatehouse.server.stores.database.query("SELECT 1 FROM accounts WHERE 'owner' = ANY(roles)")).length
const submit = async (link: string, email = 'admin@example.com', secret = password) => {
  const agent = createUserAgent()
  const page = await agent.visit(link)
  return page.text.includes('action="/setup/')
    ? agent.submit(page, new URL(link).pathname, { email, password: secret })
    : page
}

describe('the link for the first administrator', () => {
  it('makes an owner, once', async () => {
    const link = await newLink()
    expect(link).toMatch(/\/setup\/[\w-]{43}$/)
    const done = await submit(link)
    expect(done.status).toBe(200)
    expect(done.text).toContain('The administrator is ready')
    expect(await gatehouse.server.stores.accounts.findByEmail('admin@example.com')).toMatchObject({ roles: ['owner'] })
    const again = await submit(link, 'second@example.com')
    expect(again.status).toBe(410)
    expect(await owners()).toBe(1)
  })

  it('survives a mistake in the form', async () => {
    const link = await newLink()
    const refused = await submit(link, 'admin@example.com', 'too short')
    expect(refused.status).toBe(400)
    expect(refused.text).toContain('aria-invalid="true"')
    expect((await submit(link)).status).toBe(200)
  })

  it('ends after an hour', async () => {
    const link = await newLink()
    await gatehouse.server.stores.database.query("UPDATE one_time_links SET expires_at = now() - interval '1 s'")
    expect((await submit(link)).status).toBe(410)
    expect(await owners()).toBe(0)
  })

  it('is replaced by a newer one', async () => {
    const [old, fresh] = [await newLink(), await newLink()]
    expect((await submit(old)).status).toBe(410)
    expect((await submit(fresh)).status).toBe(200)
  })

  it('is not made when there is an administrator, and an older one makes no second', async () => {
    const link = await newLink()
    await gatehouse.makeAccount({ roles: ['owner'] })
    expect((await submit(link)).text).not.toContain('The administrator is ready')
    expect(await owners()).toBe(1)
    expect(await administrator().link()).toBeUndefined()
  })

  it('makes one administrator when two use it at once', async () => {
    const link = await newLink()
    const pages = await Promise.all(['one@example.com', 'two@example.com'].map((email) => submit(link, email)))
    expect(pages.map(({ status }) => status).sort()).toEqual([200, 410])
    expect(await owners()).toBe(1)
  })

  it('makes one administrator when two use it at once on two nodes', async () => {
    const other = await startTestServer({ beside: gatehouse })
    const link = await newLink()
    const token = link.split('/').at(-1) ?? ''
    const create = (server: TestServer, email: string) => {
      const { stores, node } = server.server
      const env = { GATEHOUSE_ISSUER: gatehouse.issuer, GATEHOUSE_SEALING_KEY: randomBytes(32).toString('base64url') }
      return firstAdministrator({ config: loadConfig({ root: process.cwd(), env }) }, stores, node).bootstrap({
        email,
        password,
      })
    }
    await Promise.all([create(gatehouse, 'one@example.com'), create(other, 'two@example.com')])
    const late = await submit(`${gatehouse.issuer}/setup/${token}`)
    await other.stop()
    expect(late.text).not.toContain('The administrator is ready')
    expect(await owners()).toBe(1)
  })

  it.each(['x', 'x'.repeat(43), '..%2f..', "' OR 1=1 --", ''])('cannot be guessed: %p', async (token) => {
    await newLink()
    const page = await createUserAgent().request(new URL(`/setup/${encodeURIComponent(token)}`, gatehouse.issuer))
    expect([400, 404, 410]).toContain(page.status)
    expect(page.text).not.toContain('Create the first administrator')
  })

  it('cannot be used from another site', async () => {
    const link = await newLink()
    const posted = await createUserAgent().request(link, {
      method: 'POST',
      headers: { 'sec-fetch-site': 'cross-site' },
      body: new URLSearchParams({ email: 'admin@example.com', password }),
    })
    expect(posted.status).toBe(403)
    expect(await owners()).toBe(0)
  })

  it('is in no log and in no table', async () => {
    const link = await newLink()
    const token = link.split('/').at(-1) ?? ''
    await createUserAgent().visit(link)
    await new Promise((resolve) => setTimeout(resolve, 20))
    const rows = await gatehouse.server.stores.database.query<{ row: string }>(
      'SELECT row_to_json(l)::text AS row FROM one_time_links l',
    )
    expect(rows).toHaveLength(1)
    expect([...rows.map(({ row }) => row), ...gatehouse.logged].filter((text) => text.includes(token))).toEqual([])
  })
})
