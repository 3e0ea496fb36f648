// Signing in on a device without a browser, with the help of one that has it (RFC 8628).
import { decodeJwt } from 'jose'
import type { Application } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent, type Page, type UserAgent } from '../support/user-agent.ts'
import { postAs, userinfo } from './requests.ts'

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code'

let gatehouse: TestServer
let person: { email: string; password: string; sub: string }
let tv: Application
let thirdParty: Application

async function makeDevice(more: Parameters<TestServer['makeClient']>[0]): Promise<Application> {
  const redirectUri = 'http://127.0.0.1/cb'
  const client = await gatehouse.makeClient({ kind: 'native', redirectUris: [redirectUri], ...more })
  const { stores } = gatehouse.server
  const metadata = (await stores.clients.find(client.clientId))?.metadata
  const grantTypes = [...new Set([...(metadata?.grant_types ?? []), deviceGrant])]
  await stores.clients.update(client.clientId, { metadata: { ...metadata, grant_types: grantTypes } })
  stores.clientCache.forget(client.clientId)
  return { redirectUri, ...client }
}

beforeAll(async () => {
  gatehouse = await startTestServer()
  person = await gatehouse.makeAccount()
  tv = await makeDevice({ isFirstParty: true, name: 'Living Room TV' })
  thirdParty = await makeDevice({ name: 'Somebody’s TV' })
})
afterAll(() => gatehouse.stop())

interface Begun {
  device_code: string
  user_code: string
  verification_uri: string
  verification_uri_complete: string
}

const begin = async (client = tv, scope = 'openid email'): Promise<Begun> =>
  (await postAs(gatehouse.issuer, '/device_authorization', client, { scope })).body as unknown as Begun
const poll = (code: string, client = tv) =>
  postAs(gatehouse.issuer, '/token', client, { grant_type: deviceGrant, device_code: code })

async function enter(agent: UserAgent, userCode: string): Promise<Page> {
  return agent.submit(await agent.visit(new URL('/device', gatehouse.issuer)), '/device', { user_code: userCode })
}
/** Confirms the code, signs in, and consents where it is asked to. */
async function connect(agent: UserAgent, userCode: string): Promise<Page> {
  let page = await agent.submit(await enter(agent, userCode), '/device')
  if (page.text.includes('/sign-in"'))
    page = await agent.submit(page, '/sign-in', { email: person.email, password: person.password })
  if (page.text.includes('/consent"')) page = await agent.submit(page, '/consent', { decision: 'allow' })
  return page
}

describe('a device that wants to be connected', () => {
  it('is told a code for the person, and where to type it', async () => {
    const { status, body, headers } = await postAs(gatehouse.issuer, '/device_authorization', tv, { scope: 'openid' })
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toContain('no-store')
    expect(body).toEqual({
      device_code: expect.stringMatching(/^[\w-]{40,}$/),
      user_code: expect.stringMatching(/^[A-Z]{4}-[A-Z]{4}$/),
      verification_uri: `${gatehouse.issuer}/device`,
      verification_uri_complete: `${gatehouse.issuer}/device?user_code=${String(body.user_code)}`,
      expires_in: 600,
    })
  })

  it('waits until the person has agreed, then gets its tokens, once', async () => {
    const { device_code, user_code } = await begin()
    expect(await poll(device_code)).toMatchObject({ status: 400, body: { error: 'authorization_pending' } })
    const done = await connect(createUserAgent(), user_code)
    expect(done.text).toContain('Your device is connected')
    expect(done.text).toContain('Living Room TV')
    const { status, body } = await poll(device_code)
    expect(status).toBe(200)
    expect(decodeJwt(String(body.id_token)).sub).toBe(person.sub)
    expect(await userinfo(gatehouse.issuer, body.access_token)).toMatchObject({ status: 200 })
    expect(await poll(device_code)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  })

  it('gets tokens once, however many ask at the same moment', async () => {
    const { device_code, user_code } = await begin()
    await connect(createUserAgent(), user_code)
    const answers = await Promise.all(Array.from({ length: 8 }, () => poll(device_code)))
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1)
    expect(answers.filter(({ status }) => status >= 500)).toEqual([])
  })

  it('is told to slow down when it asks all the time, but not once it may have its tokens', async () => {
    const { device_code, user_code } = await begin()
    const answers = [await poll(device_code), await poll(device_code), await poll(device_code)]
    expect(answers.map(({ body }) => body.error)).toEqual(['authorization_pending', 'slow_down', 'slow_down'])
    await connect(createUserAgent(), user_code)
    expect((await poll(device_code)).status).toBe(200)
  })

  it('is told when the person declines', async () => {
    const { device_code, user_code } = await begin()
    const agent = createUserAgent()
    const page = await agent.submit(await enter(agent, user_code), '/device', { abort: 'yes' })
    expect(page.status).toBe(200)
    expect(page.text).not.toContain('Your device is connected')
    expect(await poll(device_code)).toMatchObject({ status: 400, body: { error: 'access_denied' } })
  })

  it('is told when the person declines on the consent page', async () => {
    const { device_code, user_code } = await begin(thirdParty)
    const agent = createUserAgent()
    const signIn = await agent.submit(await enter(agent, user_code), '/device')
    const consent = await agent.submit(signIn, '/sign-in', { email: person.email, password: person.password })
    expect(consent.text).toContain('Somebody’s TV')
    await agent.submit(consent, '/abort')
    expect(await poll(device_code, thirdParty)).toMatchObject({ status: 400, body: { error: 'access_denied' } })
  })

  it('of somebody else asks for consent', async () => {
    const { device_code, user_code } = await begin(thirdParty)
    expect((await connect(createUserAgent(), user_code)).text).toContain('Your device is connected')
    expect((await poll(device_code, thirdParty)).status).toBe(200)
  })

  it('gets nothing for another client’s code', async () => {
    const { device_code, user_code } = await begin()
    await connect(createUserAgent(), user_code)
    expect(await poll(device_code, thirdParty)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect((await poll(device_code)).status).toBe(200)
  })

  it('gets nothing for a code that was made up', async () => {
    expect(await poll('made up')).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  })

  it('must be a client that may do this', async () => {
    const web = await gatehouse.makeClient({ redirectUris: ['https://app.example.com/cb'] })
    const answer = await postAs(gatehouse.issuer, '/device_authorization', web, { scope: 'openid' })
    expect(answer.status).toBe(400)
    expect(answer.body).not.toHaveProperty('device_code')
  })
})

describe('the page for the code', () => {
  it('accepts it in small letters and without the dash', async () => {
    const { user_code } = await begin()
    const page = await enter(createUserAgent(), user_code.replace('-', '').toLowerCase())
    expect(page.text).toContain('Connect this device?')
    expect(page.text).toContain('Living Room TV')
    expect(page.text).toContain(user_code)
  })

  it('is filled in by the complete address, and asks for a confirmation all the same', async () => {
    const { device_code, verification_uri_complete } = await begin()
    const agent = createUserAgent()
    const page = await agent.submit(await agent.visit(verification_uri_complete), '/device')
    expect(page.text).toContain('Connect this device?')
    expect(await poll(device_code)).toMatchObject({ body: { error: 'authorization_pending' } })
  })

  it.each(['', 'AAAA-AAAA', 'x'.repeat(40), "' OR 1=1", '<script>alert(1)</script>'])(
    'says so when it is wrong: %p',
    async (code) => {
      const page = await enter(createUserAgent(), code)
      expect(page.status).toBe(200)
      expect(page.text).toContain('Connect a device')
      expect(page.text).not.toContain('<script>')
      if (code) expect(page.text).toContain('This code is not right')
    },
  )

  it('cannot be sent by another site', async () => {
    const { device_code, user_code } = await begin()
    const agent = createUserAgent()
    await agent.visit(new URL('/device', gatehouse.issuer))
    for (const xsrf of [undefined, '', 'x'.repeat(48)])
      await agent.request(new URL('/device', gatehouse.issuer), {
        method: 'POST',
        body: new URLSearchParams({ user_code, confirm: 'yes', ...(xsrf === undefined ? undefined : { xsrf }) }),
      })
    expect(await poll(device_code)).toMatchObject({ body: { error: 'authorization_pending' } })
  })

  it('takes a code once', async () => {
    const { user_code } = await begin()
    await connect(createUserAgent(), user_code)
    expect((await enter(createUserAgent(), user_code)).text).toContain('This code is not right')
  })

  it('cannot be used to try out codes', async () => {
    const agent = createUserAgent()
    const page = await agent.visit(new URL('/device', gatehouse.issuer))
    const statuses: number[] = []
    for (let guess = 0; guess < 70; guess += 1)
      statuses.push((await agent.submit(page, '/device', { user_code: 'BBBB-BBBB' })).status)
    expect(statuses).toContain(429)
    const stopped = await agent.submit(page, '/device', { user_code: 'BBBB-BBBB' })
    expect(Number(stopped.headers.get('retry-after'))).toBeGreaterThan(0)
  })
})
