import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import { adminAudience, adminScopes, ensureAdminApi, findAdminApi } from '../../src/apis/admin-api-registration.ts'
import { createApiStore } from '../../src/apis/api-store.ts'
import { createGatehouse, type Gatehouse } from './gatehouse.ts'

let gatehouse: Gatehouse
beforeAll(async () => {
  gatehouse = await createGatehouse()
})
afterAll(() => gatehouse.close())

describe('registering an API', () => {
  it('prints what was registered', async () => {
    const args = [
      '--audience',
      'https://api.example',
      '--name',
      'Things',
      '--scope',
      'read=See a=b',
      '--scope',
      'write',
    ]
    expect(await gatehouse.json(['apis', 'create', ...args])).toMatchObject({
      audience: 'https://api.example',
      name: 'Things',
      scope: 'read write',
      scopes: [
        { name: 'read', description: 'See a=b' },
        { name: 'write', description: '' },
      ],
      token_format: 'jwt',
      token_ttl: 600,
      token_alg: 'ES256',
    })
  })

  it('takes the form of its tokens', async () => {
    const args = 'apis create --audience urn:o --name O --token-format opaque --token-ttl 60 --token-alg EdDSA'
    expect(await gatehouse.json(args)).toMatchObject({ token_format: 'opaque', token_ttl: 60, token_alg: 'EdDSA' })
    const { keys } = await gatehouse.json<{ keys: { alg: string }[] }>('keys list')
    expect(keys.map(({ alg }) => alg)).toContain('EdDSA')
  })

  it('refuses an audience that is taken, and what is no URI', async () => {
    const create = (audience: string) => gatehouse.refusal(`apis create --name x --audience ${audience}`)
    expect(await create('https://api.example')).toMatchObject({ error: 'taken' })
    expect(await create('things')).toMatchObject({ error: 'invalid' })
    expect(await create(adminAudience(gatehouse.issuer))).toMatchObject({ error: 'invalid' })
  })
})

describe('changing an API', () => {
  it('changes what is given and nothing else', async () => {
    expect(await gatehouse.json('apis update https://api.example --token-ttl 30')).toMatchObject({
      name: 'Things',
      scope: 'read write',
      token_ttl: 30,
    })
  })

  it('names the clients that may introspect', async () => {
    const { client_id: id } = await gatehouse.json<{ client_id: string }>(
      'clients create --type machine --name I --audience https://api.example',
    )
    const update = (client: string) => `apis update https://api.example --introspection-client ${client}`
    expect(await gatehouse.json(update(id))).toMatchObject({ introspection_clients: [id] })
    expect(await gatehouse.refusal(update('client_nobody'))).toMatchObject({ error: 'invalid' })
  })

  it('takes what its tokens tell, part by part', async () => {
    const update = (more: string) => gatehouse.json(`apis update https://api.example ${more}`)
    const rules = [
      { claim: 'groups', value: 'staff', role: 'support' },
      { claim: 'entitlements', value: 'urn:x', email_domain: 'example.com' },
    ]
    expect(await update('--roles all --claim zone=account.profile.zoneinfo')).toMatchObject({
      token_claims: { roles: 'all', rules: [], claims: { zone: 'account.profile.zoneinfo' } },
    })
    expect(
      await update('--claim-rule groups:staff=role:support --claim-rule entitlements:urn:x=email:example.com'),
    ).toMatchObject({ token_claims: { roles: 'all', rules, claims: { zone: 'account.profile.zoneinfo' } } })
    expect((await gatehouse.run('apis show https://api.example')).stdout).toMatch(
      /tokens tell +roles: all\n +groups: staff/,
    )
    expect(await update('--roles a,b --claim none')).toMatchObject({
      token_claims: { roles: ['a', 'b'], rules, claims: {} },
    })
    expect(await update('--roles none --claim-rule none')).toMatchObject({
      token_claims: { roles: [], rules: [], claims: {} },
    })
    expect((await gatehouse.run('apis update https://api.example --claim-rule x')).code).toBe(2)
    expect(await gatehouse.refusal('apis update https://api.example --claim sub=account.email')).toMatchObject({
      error: 'invalid',
    })
  })

  it('takes a key to encrypt its tokens to', async () => {
    const { publicKey } = await generateKeyPair('ECDH-ES', { extractable: true })
    const jwks = { keys: [await exportJWK(publicKey)] }
    const path = join(gatehouse.dataDir, 'api-jwks.json')
    await writeFile(path, JSON.stringify(jwks))
    const create = 'apis create --audience urn:sealed --name S --scope read'
    expect(await gatehouse.json([...create.split(' '), '--encryption-jwks-file', path])).toMatchObject({
      encryption: { jwks },
    })
    const update = (more: string) => gatehouse.json(`apis update urn:sealed ${more}`)
    expect(await update('--name T')).toMatchObject({ encryption: { jwks } })
    const uri = 'https://keys.example/jwks'
    expect(await update(`--encryption-jwks-uri ${uri}`)).toMatchObject({ encryption: { jwks_uri: uri } })
    expect((await gatehouse.run('apis show urn:sealed')).stdout).toMatch(/encrypted to +https:\/\/keys/)
    const machine = 'clients create --type machine --name M --audience urn:sealed --scope read'
    const { client_id: id } = await gatehouse.json<{ client_id: string }>(machine)
    expect(await gatehouse.refusal(`token issue --client ${id}`)).toMatchObject({ error: 'encrypted' })
    expect(await update('--no-encryption')).toMatchObject({ encryption: null })
    expect(await gatehouse.json(`token issue --client ${id}`)).toMatchObject({ audience: 'urn:sealed' })
    const both = `apis update urn:sealed --encryption-jwks-uri ${uri} --encryption-jwks-file ${path}`
    expect((await gatehouse.run(both)).code).toBe(2)
    await writeFile(path, '{"keys":[]}')
    expect(await gatehouse.refusal(`apis update urn:sealed --encryption-jwks-file ${path}`)).toMatchObject({
      error: 'invalid',
    })
    await gatehouse.json(`clients delete ${id}`)
    await gatehouse.json('apis delete urn:sealed')
  })

  it('is gone after it was deleted', async () => {
    expect(await gatehouse.json('apis delete urn:o')).toEqual({ audience: 'urn:o', deleted: true })
    for (const command of ['show', 'update', 'delete'])
      expect(await gatehouse.refusal(`apis ${command} urn:o`)).toMatchObject({ error: 'not_found' })
    const { apis } = await gatehouse.json<{ apis: { audience: string }[] }>('apis list')
    expect(apis.map(({ audience }) => audience)).toEqual(['https://api.example'])
  })
})

describe("registering the server's own admin API", () => {
  it('makes it once, with every scope', async () => {
    const store = createApiStore(gatehouse.fresh)
    const made = await Promise.all([1, 2, 3].map(() => ensureAdminApi(store, 'https://one.example')))
    expect(made.map(({ audience }) => audience)).toEqual(Array(3).fill('https://one.example/admin/api'))
    expect(made[0]?.scopes.map(({ scope }) => scope).sort()).toEqual(adminScopes.map(({ scope }) => scope).sort())
    expect(await findAdminApi(store)).toMatchObject({ audience: 'https://one.example/admin/api', isBuiltIn: true })
  })

  it('moves it to a new issuer with what was granted there', async () => {
    const store = createApiStore(gatehouse.fresh)
    const env = { GATEHOUSE_ISSUER: 'https://one.example' }
    const { client_id: id } = await gatehouse.json<{ client_id: string }>(
      'clients create --type machine --name A --admin keys:read',
      { env },
    )
    await ensureAdminApi(store, 'https://two.example')
    expect(await store.find('https://one.example/admin/api')).toBeUndefined()
    expect(await gatehouse.json(`clients show ${id}`)).toMatchObject({
      apis: [{ audience: 'https://two.example/admin/api', scope: 'keys:read' }],
    })
  })

  it('adds the scopes of a newer version', async () => {
    const store = createApiStore(gatehouse.fresh)
    const audience = adminAudience('https://two.example')
    await store.update(audience, { scopes: [{ scope: 'keys:read', description: 'as it was' }] })
    const { scopes } = await ensureAdminApi(store, 'https://two.example')
    expect(scopes).toHaveLength(adminScopes.length)
    expect(scopes).toContainEqual({ scope: 'keys:read', description: 'as it was' })
  })

  it('cannot be changed or deleted by a command', async () => {
    const audience = adminAudience('https://two.example')
    expect(await gatehouse.refusal(`apis delete ${audience}`)).toMatchObject({ error: 'built_in' })
    expect(await gatehouse.refusal(`apis update ${audience} --name Mine`)).toMatchObject({ error: 'built_in' })
  })
})
