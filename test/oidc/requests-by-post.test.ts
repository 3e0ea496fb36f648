// Authorization and sign-out requests may come as a form, from another site too.
import { type Application, authorizeUrl, obtainCode, pkce, signIn } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent } from '../support/user-agent.ts'

let gatehouse: TestServer
let app: Application
let person: { email: string; password: string }
const redirectUri = 'https://app.example.com/callback'

beforeAll(async () => {
  gatehouse = await startTestServer()
  app = {
    redirectUri,
    ...(await gatehouse.makeClient({
      redirectUris: [redirectUri],
      postLogoutRedirectUris: ['https://app.example.com/'],
      isFirstParty: true,
    })),
  }
  person = await gatehouse.makeAccount()
})
afterAll(() => gatehouse.stop())

// As a browser sends it from a form on another site: without SameSite=Lax cookies.
const postFromElsewhere = (path: string, fields: URLSearchParams) =>
  fetch(new URL(path, gatehouse.issuer), {
    method: 'POST',
    body: fields,
    redirect: 'manual',
    headers: { origin: 'https://app.example.com', 'sec-fetch-site': 'cross-site' },
  })

describe('an authorization request by POST', () => {
  it('goes on as the same request by GET, up to the code', async () => {
    const { searchParams } = authorizeUrl(gatehouse.issuer, app, {
      code_challenge: pkce().challenge,
      code_challenge_method: 'S256',
      state: 'a b&c=d',
    })
    const answer = await postFromElsewhere('/authorize', searchParams)
    expect(answer.status).toBe(303)
    const agent = createUserAgent()
    const next = new URL(answer.headers.get('location') ?? '', gatehouse.issuer)
    const page = await signIn(agent, await agent.visit(next), person)
    expect(page.location?.searchParams.get('code')).toBeTruthy()
    expect(page.location?.searchParams.get('state')).toBe('a b&c=d')
  })

  it('stays on this server, and refuses what stands twice', async () => {
    const answer = await postFromElsewhere('/authorize', new URLSearchParams({ client_id: '//evil.example' }))
    expect(new URL(answer.headers.get('location') ?? '', gatehouse.issuer).origin).toBe(gatehouse.issuer)
    const twice = new URLSearchParams([
      ['client_id', app.clientId],
      ['client_id', 'other'],
    ])
    expect((await postFromElsewhere('/authorize', twice)).status).toBe(400)
  })
})

describe('a sign-out request by POST', () => {
  it('asks the person who is signed in, and comes back to the application', async () => {
    const { agent } = await obtainCode(gatehouse, app, person)
    const fields = new URLSearchParams({
      client_id: app.clientId,
      post_logout_redirect_uri: 'https://app.example.com/',
      state: 's-1',
    })
    const answer = await postFromElsewhere('/sign-out', fields)
    const page = await agent.visit(new URL(answer.headers.get('location') ?? '', gatehouse.issuer))
    expect(page.text).toContain(person.email)
    const done = await agent.submit(page, '/sign-out/confirm', { logout: 'yes' })
    expect(done.location?.href).toBe('https://app.example.com/?state=s-1')
  })
})
