import { authorizeUrl, pkce } from './support/code-flow.ts'
import setup from './support/global-setup.ts'
import teardown from './support/global-teardown.ts'
import { startTestServer } from './support/test-server.ts'
import { createUserAgent } from './support/user-agent.ts'

await setup()
const g = await startTestServer()
try {
  const app = {
    redirectUri: 'https://app.example.com/cb',
    ...(await g.makeClient({ redirectUris: ['https://app.example.com/cb'], isFirstParty: true })),
  }
  const agent = createUserAgent()
  const page = await agent.visit(
    authorizeUrl(g.issuer, app, { code_challenge: pkce().challenge, code_challenge_method: 'S256' }),
  )
  console.log(page.status, page.text.slice(0, 300))
  const errors = () =>
    g.logged
      .splice(0)
      .filter((l) => /"level":(40|50)/.test(l) || l.includes('stack'))
      .map((l) => JSON.stringify(JSON.parse(l), null, 1).slice(0, 1500))
      .join('\n')
  console.log(errors())
  const person = await g.makeAccount()
  const p2 = await agent.submit(page, '/sign-in', { email: person.email, password: person.password })
  console.log(p2.status, p2.location?.href, errors())
  const a3 = createUserAgent()
  const p3 = await a3.visit(
    authorizeUrl(g.issuer, app, { code_challenge: pkce().challenge, code_challenge_method: 'S256' }),
  )
  const p4 = await a3.visit(`${p3.url.href}/sign-up`)
  console.log(p4.status, errors())
  const p5 = await a3.submit(p4, '/sign-up', {
    email: 'a@example.com',
    name: '',
    password: 'correct horse battery staple',
  })
  console.log(p5.status, p5.url.pathname, errors())
} finally {
  await g.stop()
  await teardown()
}
