// The policy of a deployment, as somebody who signs up meets it.
import { type Application, authorizeUrl, pkce } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent } from '../support/user-agent.ts'

const redirectUri = 'https://app.example.com/cb'
let gatehouse: TestServer
let app: Application

beforeAll(async () => {
  gatehouse = await startTestServer({
    env: {
      GATEHOUSE_PASSWORD_MIN_LENGTH: '12',
      GATEHOUSE_PASSWORD_COMPOSITION: 'digit',
      GATEHOUSE_PASSWORD_MIN_STRENGTH: '4',
    },
  })
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
})
afterAll(() => gatehouse.stop())

describe('signing up where the operator set a policy', () => {
  it.each([
    ['kT7#vQ2!mZp', /at least 12 characters/],
    ['correct horse battery', /no digit/],
    ['barcelona1899fc', /easy to guess/],
    ['correct horse 7 battery', undefined],
  ])('with %s', async (password, message) => {
    const agent = createUserAgent()
    const url = authorizeUrl(gatehouse.issuer, app, {
      code_challenge: pkce().challenge,
      code_challenge_method: 'S256',
    })
    const start = await agent.visit(url)
    const form = await agent.visit(new URL(`${start.url.pathname}/sign-up`, start.url))
    const page = await agent.submit(form, '/sign-up', { email: 'ann@example.com', name: 'Ann', password })
    expect(page.status < 400).toBe(message === undefined)
    if (message) expect(page.text).toMatch(message)
  })
})
