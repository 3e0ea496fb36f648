import { decodeJwt, decodeProtectedHeader } from 'jose'
import { createAccountStore } from '../../src/accounts/account-store.ts'
import { createClientStore } from '../../src/clients/client-store.ts'
import { createArtifactStore } from '../../src/oidc/storage/artifact-store.ts'
import { createRegistrationTokenStore } from '../../src/oidc/storage/registration-token-store.ts'
import { createGatehouse, type Gatehouse } from './gatehouse.ts'

interface TokenJson {
  access_token: string
  [name: string]: unknown
}
interface KeyJson {
  kid: string
  alg: string
  state: string
}

let gatehouse: Gatehouse
let machine: string
beforeAll(async () => {
  gatehouse = await createGatehouse()
  await gatehouse.json('apis create --audience urn:jwt --name J --scope x --scope y --token-alg PS256 --token-ttl 30')
  await gatehouse.json('apis create --audience urn:opaque --name O --scope x --token-format opaque')
  const grants = '--audience urn:jwt --scope x --scope y --audience urn:opaque --scope x'
  const created = await gatehouse.json<{ client_id: string }>(`clients create --type machine --name M ${grants}`)
  machine = created.client_id
})
afterAll(() => gatehouse.close())

describe('a token for the admin API', () => {
  let token: TokenJson
  beforeAll(async () => {
    token = await gatehouse.json<TokenJson>('token issue --admin')
  })

  it('is an access token by RFC 9068 with every scope', () => {
    const audience = `${gatehouse.issuer}/admin/api`
    expect(token).toMatchObject({ token_type: 'Bearer', expires_in: 600, audience })
    expect(decodeProtectedHeader(token.access_token)).toMatchObject({ alg: 'ES256', typ: 'at+jwt' })
    const claims = decodeJwt<{ scope: string; exp: number; iat: number }>(token.access_token)
    expect(claims).toMatchObject({
      iss: gatehouse.issuer,
      aud: audience,
      sub: 'gatehouse-cli',
      client_id: 'gatehouse-cli',
      jti: expect.any(String),
    })
    expect(claims.exp - claims.iat).toBe(600)
    expect(claims.scope.split(' ')).toEqual(expect.arrayContaining(['clients:write', 'audit:read']))
  })

  it('is issued through a built-in client that has no secret', async () => {
    const client = await createClientStore(gatehouse.fresh).find('gatehouse-cli')
    expect(client).toMatchObject({ isBuiltIn: true, secrets: [], kind: 'machine' })
    expect(await gatehouse.refusal('clients delete gatehouse-cli')).toMatchObject({ error: 'built_in' })
    expect(await gatehouse.refusal('clients rotate-secret gatehouse-cli')).toMatchObject({ error: 'built_in' })
  })

  it('is verified as a service would', async () => {
    const verified = await gatehouse.json(`token verify ${token.access_token}`)
    expect(verified).toMatchObject({ verified: true, keys_from: 'database', claims: { sub: 'gatehouse-cli' } })
    expect(await gatehouse.refusal(`token verify ${token.access_token} --audience urn:jwt`)).toEqual({
      error: 'invalid_token',
      message: expect.stringContaining("'urn:jwt'"),
    })
    for (const demand of ['--acr phr', '--max-age 300', '--acr urn:gatehouse:acr:2fa --acr phr'])
      expect(await gatehouse.refusal(`token verify ${token.access_token} ${demand}`)).toMatchObject({
        error: 'insufficient_user_authentication',
      })
    const forged = `${token.access_token.slice(0, -8)}AAAAAAAA`
    expect(await gatehouse.refusal(`token verify ${forged}`)).toMatchObject({ error: 'invalid_token' })
    expect(await gatehouse.json(`token introspect ${forged}`)).toEqual({ active: false })
  })

  it('is printed alone, so that a script can take it', async () => {
    const { stdout, stderr } = await gatehouse.run('token issue --admin --scope keys:read --ttl 5')
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)
    expect(decodeJwt(stdout.trim())).toMatchObject({ scope: 'keys:read' })
    expect(stderr).toContain('5 seconds')
  })

  it('names an owner when told to, and nobody else', async () => {
    const accounts = createAccountStore(gatehouse.fresh)
    await accounts.insert({ sub: 'boss', email: 'boss@example.com', roles: ['owner'] })
    await accounts.insert({ sub: 'guest', email: 'guest@example.com' })
    const issued = await gatehouse.json<TokenJson>('token issue --admin --account boss@example.com')
    expect(decodeJwt(issued.access_token)).toMatchObject({ sub: 'boss', client_id: 'gatehouse-cli' })
    const refused = await gatehouse.refusal('token issue --admin --account guest@example.com')
    expect(refused).toMatchObject({ error: 'not_owner' })
    await accounts.setDisabled('boss', true)
    expect(await gatehouse.refusal('token issue --admin --account boss')).toMatchObject({ error: 'disabled' })
  })

  it('has no scope that the admin API does not have', async () => {
    expect(await gatehouse.refusal('token issue --admin --scope x')).toMatchObject({ error: 'invalid_scope' })
  })
})

describe("a machine's token", () => {
  const issue = (args: string) => gatehouse.json<TokenJson>(`token issue --client ${machine} ${args}`)

  it('is what the token endpoint would give for a JWT', async () => {
    const { access_token: token, ...rest } = await issue('--audience urn:jwt --scope x')
    expect(rest).toEqual({ token_type: 'Bearer', expires_in: 30, scope: 'x', audience: 'urn:jwt' })
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'PS256', typ: 'at+jwt' })
    expect(decodeJwt(token)).toMatchObject({ sub: machine, client_id: machine, aud: 'urn:jwt', scope: 'x' })
    expect(await gatehouse.json(`token introspect ${token}`)).toMatchObject({ active: true, client_id: machine })
  })

  it('is stored as a digest when the API takes opaque ones', async () => {
    const { access_token: token, scope } = await issue('--audience urn:opaque')
    expect(scope).toBe('x')
    const artifact = await createArtifactStore(gatehouse.fresh).find(gatehouse.sealing.digests(token))
    expect(artifact).toMatchObject({ model: 'ClientCredentials', payload: { clientId: machine, aud: 'urn:opaque' } })
    expect(JSON.stringify(artifact)).not.toContain(token)
    expect(await gatehouse.json(`token introspect ${token}`)).toEqual({
      active: true,
      scope: 'x',
      client_id: machine,
      sub: machine,
      aud: 'urn:opaque',
      iss: gatehouse.issuer,
      iat: expect.any(Number),
      exp: expect.any(Number),
      token_type: 'Bearer',
    })
  })

  it.each([
    ['an API among several that is not named', '', 'invalid_target'],
    ['an API that was not granted', '--audience urn:else', 'invalid_target'],
    ['a scope that was not granted', '--audience urn:opaque --scope y', 'invalid_scope'],
  ])('is refused for %s', async (_, args, error) => {
    expect(await gatehouse.refusal(`token issue --client ${machine} ${args}`.trim())).toMatchObject({ error })
  })

  it('is worth nothing, and given no more, once the client is disabled', async () => {
    const { access_token: jwt } = await issue('--audience urn:jwt')
    const { access_token: opaque } = await issue('--audience urn:opaque')
    await gatehouse.json(`clients update ${machine} --disable`)
    expect(await gatehouse.json(`token introspect ${jwt}`)).toEqual({ active: false })
    expect(await gatehouse.json(`token introspect ${opaque}`)).toEqual({ active: false })
    const refused = await gatehouse.refusal(`token issue --client ${machine} --audience urn:jwt`)
    expect(refused).toMatchObject({ error: 'unauthorized_client' })
  })
})

describe('reading a token', () => {
  // {"alg":"none"}.{"sub":"me","exp":1}
  const junk = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSIsImV4cCI6MX0.'

  it('decodes without verifying, and says so', async () => {
    expect(await gatehouse.json(`token decode ${junk}`)).toEqual({
      header: { alg: 'none' },
      payload: { sub: 'me', exp: 1 },
      verified: false,
    })
    const { stdout, stderr } = await gatehouse.run(`token decode ${junk}`)
    expect(stdout).toContain('1970-01-01T00:00:01.000Z')
    expect(stderr).toContain('Nothing was verified')
  })

  it('takes a value that begins with a dash for what it is', async () => {
    for (const value of [`-h${'a'.repeat(41)}`, `--${'V'.repeat(41)}`]) {
      expect(await gatehouse.json(`token introspect ${value}`)).toEqual({ active: false })
      const refused = await gatehouse.refusal(`keys retire ${value}`)
      expect(refused).toEqual({ error: 'not_found', message: `There is no key ${value}.` })
    }
  })

  it('refuses what is no JWT', async () => {
    for (const command of ['decode', 'verify'])
      expect(await gatehouse.refusal(`token ${command} opaque`)).toMatchObject({ error: 'not_a_jwt' })
  })

  it('is wrong usage without saying which token to issue', async () => {
    for (const args of [
      '',
      '--admin --client c',
      '--client c --ttl 5',
      '--admin --audience urn:jwt',
      '--admin --ttl 0',
    ])
      expect(await gatehouse.run(`token issue ${args}`)).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('signing keys', () => {
  const list = async () => (await gatehouse.json<{ keys: KeyJson[] }>('keys list')).keys
  const es256 = async () => (await list()).filter(({ alg }) => alg === 'ES256').map(({ state }) => state)

  it('are listed with what they do', async () => {
    expect((await list()).map(({ alg, state }) => `${alg} ${state}`)).toEqual([
      'ES256 signing',
      'RS256 signing',
      'PS256 signing',
    ])
  })

  it('rotate with a delay, and one rotation at a time', async () => {
    const { rotated } = await gatehouse.json<{ rotated: KeyJson[] }>('keys rotate --alg ES256 --delay 600')
    expect(rotated).toEqual([
      {
        kid: expect.any(String),
        alg: 'ES256',
        signs_from: expect.stringMatching(/Z$/),
        old_retires_at: expect.stringMatching(/Z$/),
      },
    ])
    expect(await es256()).toEqual(['signing', 'upcoming'])
    expect(await gatehouse.refusal('keys rotate --alg ES256')).toMatchObject({ error: 'rotation_pending' })
  })

  it('retire at once', async () => {
    const [signing] = (await list()).filter(({ alg }) => alg === 'ES256')
    expect(await gatehouse.json(`keys retire ${signing?.kid}`)).toMatchObject({ retired: true })
    expect(await es256()).toEqual(['signing', 'retired'])
    expect(await gatehouse.refusal(`keys retire ${signing?.kid}`)).toMatchObject({ error: 'already_retired' })
    expect(await gatehouse.refusal('keys retire nothing')).toMatchObject({ error: 'not_found' })
  })

  it('stay untouched under another sealing key', async () => {
    const env = { GATEHOUSE_SEALING_KEY: Buffer.alloc(32, 8).toString('base64url') }
    expect(await gatehouse.refusal('keys rotate', { env })).toMatchObject({ error: 'sealing_key' })
    expect(await gatehouse.refusal('token issue --admin', { env })).toMatchObject({ error: 'sealing_key' })
  })
})

describe('registration tokens', () => {
  it('are made, used, listed and revoked', async () => {
    type Made = { initial_access_token: string; id: string; uses_left: number; expires_at: string }
    const made = await gatehouse.json<Made>('registration-token create --uses 2 --ttl 60')
    expect(made.uses_left).toBe(2)
    expect(Date.parse(made.expires_at) - Date.now()).toBeLessThan(61_000)
    const tokens = createRegistrationTokenStore(gatehouse.fresh)
    expect(await tokens.use(gatehouse.sealing.digests(made.initial_access_token))).toBe(true)
    expect(await gatehouse.json('registration-token list')).toMatchObject({
      registration_tokens: [{ id: made.id, uses_left: 1 }],
    })
    expect(await gatehouse.json(`registration-token revoke ${made.id}`)).toEqual({ id: made.id, revoked: true })
    expect(await gatehouse.json('registration-token list')).toEqual({ registration_tokens: [] })
    expect(await gatehouse.refusal(`registration-token revoke ${made.id}`)).toMatchObject({ error: 'not_found' })
  })

  it('tell a person that registration is off', async () => {
    const off = await gatehouse.run('registration-token create')
    expect(off.stderr).toContain('GATEHOUSE_REGISTRATION=token')
    const on = await gatehouse.run('registration-token create', { env: { GATEHOUSE_REGISTRATION: 'token' } })
    expect(on.stderr).toBe('')
  })
})
