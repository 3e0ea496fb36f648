// The client library that most Node applications use, against the real server; and jose for what it issues.
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import * as oidc from 'openid-client'
import { type Application, signIn } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { createUserAgent } from '../support/user-agent.ts'

const redirectUri = 'https://app.example.com/cb'
const goodbye = 'https://app.example.com/goodbye'

let gatehouse: TestServer
let audience: string
let person: { email: string; password: string; sub: string }
let web: Application

const discover = (client: { clientId: string; clientSecret: string }, auth?: oidc.ClientAuth) =>
  oidc.discovery(
    new URL(gatehouse.issuer),
    client.clientId,
    client.clientSecret || undefined,
    auth ?? (client.clientSecret ? oidc.ClientSecretBasic(client.clientSecret) : oidc.None()),
    { execute: [oidc.allowInsecureRequests] },
  )

beforeAll(async () => {
  gatehouse = await startTestServer()
  person = await gatehouse.makeAccount()
  audience = await gatehouse.makeApi()
  web = {
    redirectUri,
    ...(await gatehouse.makeClient({
      redirectUris: [redirectUri],
      postLogoutRedirectUris: [goodbye],
      isFirstParty: true,
      apis: { [audience]: ['things:read'] },
    })),
  }
})
afterAll(() => gatehouse.stop())

interface Started {
  config: oidc.Configuration
  checks: oidc.AuthorizationCodeGrantChecks & { pkceCodeVerifier: string }
  parameters: Record<string, string>
}

async function started(config: oidc.Configuration, scope = 'openid email'): Promise<Started> {
  const checks = {
    pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
    expectedState: oidc.randomState(),
    expectedNonce: oidc.randomNonce(),
    idTokenExpected: true,
  }
  const parameters = {
    redirect_uri: redirectUri,
    scope,
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
  }
  return { config, checks, parameters }
}

async function signedIn(url: URL, agent = createUserAgent()): Promise<URL> {
  const { location } = await signIn(agent, await agent.visit(url), person)
  if (!location) throw new Error('no redirect')
  return location
}

describe('openid-client', () => {
  it('signs a person in, reads who it is, refreshes and signs out', async () => {
    const config = await discover(web)
    const { checks, parameters } = await started(config)
    const agent = createUserAgent()
    const callback = await signedIn(oidc.buildAuthorizationUrl(config, parameters), agent)
    const tokens = await oidc.authorizationCodeGrant(config, callback, checks)
    const { sub = '' } = tokens.claims() ?? {}
    expect(sub).toBe(person.sub)
    expect(await oidc.fetchUserInfo(config, tokens.access_token, sub)).toMatchObject({ email: person.email })
    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token as string)
    expect(refreshed.claims()?.sub).toBe(person.sub)
    const signOut = oidc.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token as string,
      post_logout_redirect_uri: goodbye,
      state: 'bye',
    })
    const page = await agent.submit(await agent.visit(signOut), '/sign-out/confirm', { logout: 'yes' })
    expect(page.location?.href).toBe(`${goodbye}?state=bye`)
    await expect(oidc.refreshTokenGrant(config, refreshed.refresh_token as string)).rejects.toMatchObject({
      error: 'invalid_grant',
    })
  })

  it('checks the signature of the ID token against our keys', async () => {
    const config = await discover(web)
    oidc.enableNonRepudiationChecks(config)
    const { checks, parameters } = await started(config)
    const tokens = await oidc.authorizationCodeGrant(
      config,
      await signedIn(oidc.buildAuthorizationUrl(config, parameters)),
      checks,
    )
    expect(tokens.claims()?.iss).toBe(gatehouse.issuer)
  })

  it('pushes its request first', async () => {
    const config = await discover(web)
    const { checks, parameters } = await started(config)
    const url = await oidc.buildAuthorizationUrlWithPAR(config, parameters)
    expect([...url.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
    const tokens = await oidc.authorizationCodeGrant(config, await signedIn(url), checks)
    expect(tokens.claims()?.sub).toBe(person.sub)
  })

  it('is told when the person declines', async () => {
    const config = await discover(web)
    const { checks, parameters } = await started(config)
    const agent = createUserAgent()
    const page = await agent.visit(oidc.buildAuthorizationUrl(config, parameters))
    const { location } = await agent.submit(page, '/abort')
    await expect(oidc.authorizationCodeGrant(config, location as URL, checks)).rejects.toMatchObject({
      error: 'access_denied',
    })
  })

  it('gets a token for an API, which jose verifies', async () => {
    const machine = await gatehouse.makeClient({ kind: 'machine', apis: { [audience]: ['things:read'] } })
    const tokens = await oidc.clientCredentialsGrant(await discover(machine), { scope: 'things:read' })
    const { payload } = await jwtVerify(tokens.access_token, createRemoteJWKSet(new URL('/jwks', gatehouse.issuer)), {
      issuer: gatehouse.issuer,
      audience,
      typ: 'at+jwt',
    })
    expect(payload).toMatchObject({ client_id: machine.clientId, scope: 'things:read' })
  })

  it('authenticates with its own key', async () => {
    const keys = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ])) as CryptoKeyPair
    const jwk = await crypto.subtle.exportKey('jwk', keys.publicKey)
    const machine = await gatehouse.makeClient({
      kind: 'machine',
      apis: { [audience]: ['things:read'] },
      tokenEndpointAuthMethod: 'private_key_jwt',
      jwks: { keys: [{ kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y, kid: 'k1' }] },
    })
    const config = await discover(machine, oidc.PrivateKeyJwt({ key: keys.privateKey, kid: 'k1' }))
    expect((await oidc.clientCredentialsGrant(config)).token_type).toBe('bearer')
  })

  it('introspects and revokes', async () => {
    const opaque = await gatehouse.makeApi({ tokenFormat: 'opaque' })
    const machine = await gatehouse.makeClient({ kind: 'machine', apis: { [opaque]: ['things:read'] } })
    const config = await discover(machine)
    const { access_token } = await oidc.clientCredentialsGrant(config)
    expect(await oidc.tokenIntrospection(config, access_token)).toMatchObject({ active: true, aud: opaque })
    await oidc.tokenRevocation(config, access_token)
    expect(await oidc.tokenIntrospection(config, access_token)).toEqual({ active: false })
  })

  it('binds tokens to its key (DPoP)', async () => {
    const config = await discover(web)
    const { checks, parameters } = await started(config)
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'))
    const callback = await signedIn(oidc.buildAuthorizationUrl(config, parameters))
    const tokens = await oidc.authorizationCodeGrant(config, callback, checks, undefined, { DPoP })
    expect(tokens.token_type).toBe('dpop')
    const info = await oidc.fetchUserInfo(config, tokens.access_token, person.sub, { DPoP })
    expect(info.email).toBe(person.email)
    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token as string, {}, { DPoP })
    expect(refreshed.token_type).toBe('dpop')
    const bearer = await fetch(new URL('/userinfo', gatehouse.issuer), {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    })
    expect(bearer.status).toBe(401)
  })

  it('binds a token for an API too, and says to which key', async () => {
    const machine = await gatehouse.makeClient({ kind: 'machine', apis: { [audience]: ['things:read'] } })
    const config = await discover(machine)
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'))
    const { access_token, token_type } = await oidc.clientCredentialsGrant(config, {}, { DPoP })
    expect(token_type).toBe('dpop')
    expect(decodeJwt(access_token).cnf).toEqual({ jkt: await DPoP.calculateThumbprint() })
    expect(await oidc.tokenIntrospection(config, access_token)).toMatchObject({
      active: true,
      token_type: 'DPoP',
      cnf: { jkt: await DPoP.calculateThumbprint() },
    })
  })

  it('connects a device', async () => {
    const { stores } = gatehouse.server
    const device = await gatehouse.makeClient({
      kind: 'native',
      redirectUris: ['http://127.0.0.1/cb'],
      isFirstParty: true,
    })
    const metadata = (await stores.clients.find(device.clientId))?.metadata
    await stores.clients.update(device.clientId, {
      metadata: {
        ...metadata,
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
        response_types: [],
      },
    })
    stores.clientCache.forget(device.clientId)
    const config = await discover(device)
    const begun = await oidc.initiateDeviceAuthorization(config, { scope: 'openid email' })
    const agent = createUserAgent()
    const code = await agent.submit(await agent.visit(begun.verification_uri), '/device', {
      user_code: begun.user_code,
    })
    await signIn(agent, await agent.submit(code, '/device'), person)
    const tokens = await oidc.pollDeviceAuthorizationGrant(config, { ...begun, interval: 1 })
    expect(tokens.claims()?.sub).toBe(person.sub)
  })

  it('registers itself, with an initial access token', async () => {
    const { registrationTokens, sealing } = gatehouse.server.stores
    await registrationTokens.insert(sealing.digest('initial-access-token'), 1, 60)
    const config = await oidc.dynamicClientRegistration(
      new URL(gatehouse.issuer),
      { redirect_uris: [redirectUri], client_name: 'Registered by itself' },
      undefined,
      { initialAccessToken: 'initial-access-token', execute: [oidc.allowInsecureRequests] },
    )
    const { checks, parameters } = await started(config)
    const tokens = await oidc.authorizationCodeGrant(
      config,
      await signedIn(oidc.buildAuthorizationUrl(config, parameters)),
      checks,
    )
    expect(tokens.claims()?.sub).toBe(person.sub)
  })
})
