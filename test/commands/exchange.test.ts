import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { createGatehouse, type Gatehouse } from './gatehouse.ts'

const [orders, stock] = ['https://orders.example', 'https://stock.example']

let gatehouse: Gatehouse
let service: string
let caller: string
let key: CryptoKey

beforeAll(async () => {
  gatehouse = await createGatehouse()
  for (const audience of [orders, stock])
    await gatehouse.json(`apis create --audience ${audience} --name N --scope read --scope write`)
  const machine = `clients create --type machine --name M --audience ${orders} --scope read`
  service = (await gatehouse.json<{ client_id: string }>(`${machine} --token-exchange`)).client_id
  caller = (await gatehouse.json<{ client_id: string }>(machine)).client_id
  const pair = await generateKeyPair('ES256')
  key = pair.privateKey
  const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'p1', alg: 'ES256' }] }
  await writeFile(join(gatehouse.dataDir, 'jwks.json'), JSON.stringify(jwks))
})
afterAll(() => gatehouse.close())

interface Explained {
  allowed: boolean
  reason: string
  message: string
  remedy: string
  scope: string
  expires_in: number
  act: object
}
const explain = (more = '', stdin = '') =>
  gatehouse.json<Explained>(`token explain --client ${service} --audience ${stock} ${more}`, { stdin })
const tokenOf = async (client: string) =>
  (await gatehouse.json<{ access_token: string }>(`token issue --client ${client}`)).access_token
/** What an explanation says to type. */
const follow = (remedy: string) => gatehouse.json(remedy.replace(/^npx gatehouse /, ''))

describe('letting a client exchange tokens', () => {
  it('is switched on and off at the client', async () => {
    const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
    expect(await gatehouse.json(`clients show ${service}`)).toMatchObject({
      token_exchange: true,
      grant_types: ['client_credentials', grant],
    })
    expect(await gatehouse.json(`clients update ${caller} --token-exchange`)).toMatchObject({ token_exchange: true })
    expect(await gatehouse.json(`clients update ${caller} --name Caller`)).toMatchObject({ token_exchange: true })
    expect(await gatehouse.json(`clients update ${caller} --no-token-exchange`)).toMatchObject({
      token_exchange: false,
      grant_types: ['client_credentials'],
    })
    const spa = 'clients create --type spa --name S --redirect-uri https://a.example/ --token-exchange'
    expect(await gatehouse.refusal(spa)).toMatchObject({ error: 'invalid' })
  })

  it('takes a policy, which is shown, listed and deleted', async () => {
    const create = `exchange-policies create --client ${service} --subject-audience ${orders} --audience ${stock}`
    const made = await gatehouse.json<{ id: string }>(`${create} --scope read --ttl 60 --mode impersonation`)
    expect(made).toMatchObject({
      client_id: service,
      subject_audience: orders,
      audience: stock,
      token_type: 'access_token',
      scope: 'read',
      max_ttl: 60,
      mode: 'impersonation',
      max_depth: 0,
    })
    expect(await gatehouse.refusal(create)).toMatchObject({ error: 'taken' })
    expect(await gatehouse.refusal(create.replace(service, caller))).toMatchObject({
      error: 'invalid',
      message: expect.stringContaining('--token-exchange'),
    })
    expect(await gatehouse.json(`exchange-policies show ${made.id}`)).toEqual(made)
    expect(await gatehouse.json('exchange-policies list')).toEqual({ exchange_policies: [made] })
    for (const command of ['list', `show ${made.id}`])
      expect((await gatehouse.run(`exchange-policies ${command}`)).stdout).toContain(made.id)
    expect(await gatehouse.json(`exchange-policies delete ${made.id}`)).toEqual({ id: made.id, deleted: true })
    for (const command of ['show', 'delete'])
      expect(await gatehouse.refusal(`exchange-policies ${command} ${made.id}`)).toMatchObject({ error: 'not_found' })
  })
})

describe('explaining an exchange', () => {
  it('tells what is missing and what to type, until it is allowed', async () => {
    const token = await tokenOf(caller)
    const bare = await explain()
    expect(bare).toMatchObject({ allowed: false, reason: 'no_policy_for_audience' })
    const missing = await explain('--scope read --subject-token -', `${token}\n`)
    expect(missing).toMatchObject({
      allowed: false,
      reason: 'no_policy_for_audience',
      remedy: `npx gatehouse exchange-policies create --client ${service} --subject-audience ${orders} --audience ${stock} --scope read`,
    })
    await follow(missing.remedy)
    const allowed = await explain('--scope read --subject-token -', token)
    expect(allowed).toMatchObject({ allowed: true, scope: 'read', act: { sub: service } })
    expect(allowed.expires_in).toBe(300)
    expect((await explain()).allowed).toBe(true)
    const asText = await gatehouse.run(`token explain --client ${service} --audience ${stock} --subject-token ${token}`)
    expect([asText.code, asText.stdout]).toEqual([0, expect.stringMatching(/^allowed +true\nmessage /)])
    expect(asText.stdout).not.toContain(token)
  })

  it('tells which scope is whose fault', async () => {
    const token = await tokenOf(caller)
    const reason = async (scope: string) => (await explain(`--scope ${scope} --subject-token -`, token)).reason
    expect(await reason('write')).toBe('scope_not_in_policy')
    expect(await reason('destroy')).toBe('scope_not_in_api')
  })

  it('tells of a token that is nothing, of a client that is disabled or may not exchange', async () => {
    expect(await explain('--subject-token -', 'junk')).toMatchObject({ allowed: false, reason: 'subject_token' })
    const off = await gatehouse.json<Explained>(`token explain --client ${caller} --audience ${stock}`)
    expect(off).toMatchObject({ allowed: false, reason: 'not_enabled' })
    await follow(off.remedy)
    await gatehouse.json(`clients update ${caller} --disable`)
    const disabled = await gatehouse.json<Explained>(`token explain --client ${caller} --audience ${stock}`)
    expect(disabled).toMatchObject({ allowed: false, reason: 'disabled' })
    await follow(disabled.remedy)
    expect(await gatehouse.refusal(`token explain --client client_none --audience ${stock}`)).toMatchObject({
      error: 'not_found',
    })
  })

  it('knows transaction tokens', async () => {
    const token = await tokenOf(caller)
    const ask = (more = '--scope read') => explain(`--token-type txn_token ${more} --subject-token -`, token)
    const missing = await ask()
    expect(missing).toMatchObject({
      reason: 'no_policy_for_audience',
      remedy: expect.stringContaining('--token-type txn_token --scope read'),
    })
    expect(await follow(missing.remedy)).toMatchObject({ token_type: 'txn_token', max_ttl: 60 })
    expect(await ask()).toMatchObject({ allowed: true, expires_in: 60 })
    expect(await ask('')).toMatchObject({ allowed: false, reason: 'scope_needed' })
  })

  it('knows opaque tokens, and JWTs of trusted issuers', async () => {
    await gatehouse.json('apis create --audience urn:opaque --name O --token-format opaque --scope read')
    await gatehouse.json(`clients update ${caller} --audience urn:opaque --scope read`)
    const token = await tokenOf(caller)
    const found = await explain('--subject-token -', token)
    expect(found).toMatchObject({ reason: 'no_policy_for_subject', remedy: expect.stringContaining('urn:opaque') })

    const { sub } = await gatehouse.json<{ sub: string }>('accounts create --email a@example.com')
    const jwt = await new SignJWT({ scope: 'read' })
      .setProtectedHeader({ alg: 'ES256', kid: 'p1' })
      .setIssuer('https://p.example')
      .setAudience(gatehouse.issuer)
      .setSubject(sub)
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(key)
    const ask = () => explain('--subject-token - --subject-token-type jwt', jwt)
    expect(await ask()).toMatchObject({ allowed: false, message: expect.stringContaining('not declared as trusted') })
    await gatehouse.json([
      ...'trusted-issuers create --issuer https://p.example --jwks-file'.split(' '),
      join(gatehouse.dataDir, 'jwks.json'),
    ])
    await follow((await ask()).remedy)
    expect(await ask()).toMatchObject({ allowed: true, scope: '', act: { sub: service } })
  })
})

describe('trusting an issuer', () => {
  it('is declared, shown, listed and deleted', async () => {
    const create =
      'trusted-issuers create --issuer https://q.example --jwks-uri https://q.example/jwks --subject-claim email'
    const made = await gatehouse.json(create)
    expect(made).toMatchObject({
      jwks_uri: 'https://q.example/jwks',
      audience: gatehouse.issuer,
      subject_claim: 'email',
    })
    expect(await gatehouse.refusal(create)).toMatchObject({ error: 'taken' })
    expect(await gatehouse.json('trusted-issuers show https://q.example')).toEqual(made)
    for (const command of ['list', 'show https://q.example'])
      expect((await gatehouse.run(`trusted-issuers ${command}`)).stdout).toContain('https://q.example')
    expect(await gatehouse.json('trusted-issuers delete https://q.example')).toMatchObject({ deleted: true })
    expect(await gatehouse.refusal('trusted-issuers show https://q.example')).toMatchObject({ error: 'not_found' })
  })

  it('takes keys from a file that is there and holds them', async () => {
    const create = 'trusted-issuers create --issuer https://r.example --jwks-file'
    expect(await gatehouse.refusal(`${create} /nowhere/jwks.json`)).toMatchObject({ error: 'invalid' })
    const path = join(gatehouse.dataDir, 'junk.json')
    await writeFile(path, '{')
    expect(await gatehouse.refusal(`${create} ${path}`)).toMatchObject({ error: 'invalid' })
    await writeFile(path, '{"keys":[]}')
    expect(await gatehouse.refusal(`${create} ${path}`)).toMatchObject({ error: 'invalid' })
  })
})
