// Signing in to an application and getting tokens, through HTTP.
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { type Application, authorizeUrl, obtainCode, pkce, redeem, refresh, signIn } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { postAs } from './requests.ts'

let gatehouse: TestServer
let person: { email: string; password: string; sub: string }
let firstParty: Application
let thirdParty: Application

const redirectUri = 'https://app.example.com/callback'

beforeAll(async () => {
  gatehouse = await startTestServer()
  person = await gatehouse.makeAccount()
  firstParty = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
  thirdParty = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri] })) }
})
afterAll(() => gatehouse.stop())

describe('signing in to an application of the operator', () => {
  it('gives tokens after the password alone', async () => {
    const code = await obtainCode(gatehouse, firstParty, person, {
      scope: 'openid email',
      nonce: 'n-1',
      max_age: '3600',
    })
    expect(code.redirect.searchParams.get('iss')).toBe(gatehouse.issuer)
    expect(code.redirect.searchParams.get('state')).toBe('state')
    const tokens = await redeem(gatehouse.issuer, firstParty, code)
    expect(tokens).toMatchObject({ status: 200, refresh_token: expect.any(String) })
    const jwks = createRemoteJWKSet(new URL('/jwks', gatehouse.issuer))
    const { payload, protectedHeader } = await jwtVerify(tokens.id_token as string, jwks, {
      issuer: gatehouse.issuer,
      audience: firstParty.clientId,
    })
    expect(protectedHeader.alg).toBe('RS256')
    expect(payload).toMatchObject({ sub: person.sub, nonce: 'n-1', email: person.email, auth_time: expect.any(Number) })
    const userinfo = await fetch(new URL('/userinfo', gatehouse.issuer), {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    })
    expect(await userinfo.json()).toMatchObject({ sub: person.sub, email: person.email })
  })

  it('rotates the refresh token, and gives the same successor to a retry', async () => {
    const { refresh_token: first } = await redeem(
      gatehouse.issuer,
      firstParty,
      await obtainCode(gatehouse, firstParty, person),
    )
    const second = await refresh(gatehouse.issuer, firstParty, first as string)
    const retry = await refresh(gatehouse.issuer, firstParty, first as string)
    expect([second.status, retry.status]).toEqual([200, 200])
    expect(second.refresh_token).not.toBe(first)
    expect(retry.refresh_token).toBe(second.refresh_token)
  })

  it('kills the family when a refresh token comes back after its successor was used', async () => {
    const { refresh_token: first } = await redeem(
      gatehouse.issuer,
      firstParty,
      await obtainCode(gatehouse, firstParty, person),
    )
    const second = await refresh(gatehouse.issuer, firstParty, first as string)
    const third = await refresh(gatehouse.issuer, firstParty, second.refresh_token as string)
    expect(third.status).toBe(200)
    expect(await refresh(gatehouse.issuer, firstParty, first as string)).toMatchObject({
      status: 400,
      error: 'invalid_grant',
    })
    expect(await refresh(gatehouse.issuer, firstParty, third.refresh_token as string)).toMatchObject({
      status: 400,
      error: 'invalid_grant',
    })
  })

  it('refuses a code the second time, and takes back what the first time gave', async () => {
    const code = await obtainCode(gatehouse, firstParty, person)
    const tokens = await redeem(gatehouse.issuer, firstParty, code)
    expect(await redeem(gatehouse.issuer, firstParty, code)).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(await refresh(gatehouse.issuer, firstParty, tokens.refresh_token as string)).toMatchObject({
      status: 400,
      error: 'invalid_grant',
    })
    const userinfo = await fetch(new URL('/userinfo', gatehouse.issuer), {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    })
    expect(userinfo.status).toBe(401)
  })

  it('does not burn a code on a wrong verifier', async () => {
    const code = await obtainCode(gatehouse, firstParty, person)
    expect(await redeem(gatehouse.issuer, firstParty, { ...code, verifier: pkce().verifier })).toMatchObject({
      status: 400,
      error: 'invalid_grant',
    })
    expect(await redeem(gatehouse.issuer, firstParty, code)).toMatchObject({ status: 200 })
  })
})

describe('a code', () => {
  const fields = ({ code, verifier }: { code: string; verifier: string }) => ({
    grant_type: 'authorization_code',
    code,
    code_verifier: verifier,
    redirect_uri: redirectUri,
  })
  const refused = { status: 400, body: { error: 'invalid_grant' } }

  it('is good for the client that it was issued to only, and not harmed by another’s try', async () => {
    const other = await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })
    const code = await obtainCode(gatehouse, firstParty, person)
    expect(await postAs(gatehouse.issuer, '/token', other, fields(code))).toMatchObject(refused)
    expect(await redeem(gatehouse.issuer, firstParty, code)).toMatchObject({ status: 200 })
  })

  it.each(['https://app.example.com/other', `${redirectUri}/`, 'https://evil.example/', ''])(
    'is good together with the redirect URI of its request only: %p',
    async (uri) => {
      const code = await obtainCode(gatehouse, firstParty, person)
      const answer = await postAs(gatehouse.issuer, '/token', firstParty, { ...fields(code), redirect_uri: uri })
      expect(answer).toMatchObject({ status: 400, body: { error: uri ? 'invalid_grant' : 'invalid_request' } })
      expect(await redeem(gatehouse.issuer, firstParty, code)).toMatchObject({ status: 200 })
    },
  )

  it('lives for a minute', async () => {
    const code = await obtainCode(gatehouse, firstParty, person)
    const { database } = gatehouse.server.stores
    const age = (seconds: number) =>
      database.query(
        `UPDATE artifacts SET expires_at = expires_at - make_interval(secs => $1) WHERE model = 'AuthorizationCode' AND consumed_at IS NULL`,
        [seconds],
      )
    const [row] = await database.query<{ seconds: number }>(
      `SELECT max(extract(epoch FROM expires_at - clock_timestamp()))::float8 AS seconds FROM artifacts WHERE model = 'AuthorizationCode'`,
    )
    expect(row?.seconds).toBeLessThanOrEqual(60)
    expect(row?.seconds).toBeGreaterThan(50)
    await age(61)
    expect(await postAs(gatehouse.issuer, '/token', firstParty, fields(code))).toMatchObject(refused)
  })

  it.each(['', 'made-up', 'a.b.c'])('cannot be made up: %p', async (code) => {
    const answer = await postAs(gatehouse.issuer, '/token', firstParty, fields({ code, verifier: pkce().verifier }))
    expect(answer).toMatchObject({ status: 400, body: { error: code ? 'invalid_grant' : 'invalid_request' } })
  })
})

describe('signing in to an application of somebody else', () => {
  it('asks for consent once, and remembers it in another browser', async () => {
    const { challenge } = pkce()
    const url = authorizeUrl(gatehouse.issuer, thirdParty, {
      scope: 'openid email',
      code_challenge: challenge,
      code_challenge_method: 'S256',
    })
    const agent = createUserAgent()
    const consent = await agent.submit(await agent.visit(url), '/sign-in', person)
    expect(consent.text).toContain('asks for access')
    expect(consent.text).toContain('app.example.com')
    expect((await signIn(agent, consent, person)).location?.searchParams.get('code')).toBeTruthy()
    const other = createUserAgent()
    const again = await other.submit(await other.visit(url), '/sign-in', person)
    expect(again.location?.searchParams.get('code')).toBeTruthy()
  })

  it('asks again when something is added', async () => {
    const { challenge } = pkce()
    const url = authorizeUrl(gatehouse.issuer, thirdParty, {
      scope: 'openid email profile',
      code_challenge: challenge,
      code_challenge_method: 'S256',
    })
    const agent = createUserAgent()
    const page = await agent.submit(await agent.visit(url), '/sign-in', person)
    expect(page.text).toContain('asks for access')
  })

  it('goes back with access_denied when the person declines', async () => {
    const { challenge } = pkce()
    const url = authorizeUrl(gatehouse.issuer, thirdParty, {
      prompt: 'consent',
      code_challenge: challenge,
      code_challenge_method: 'S256',
    })
    const agent = createUserAgent()
    const page = await agent.submit(await agent.visit(url), '/sign-in', person)
    const declined = await agent.submit(page, '/abort', { decision: 'deny' })
    expect(declined.location?.searchParams.get('error')).toBe('access_denied')
  })
})
