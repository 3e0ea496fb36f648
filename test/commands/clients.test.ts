import { isLiveSecret } from '../../src/clients/client-secret.ts'
import { createClientStore } from '../../src/clients/client-store.ts'
import { createGatehouse, type Gatehouse } from './gatehouse.ts'

interface ClientJson {
  client_id: string
  client_secret: string
  [name: string]: unknown
}

let gatehouse: Gatehouse
beforeAll(async () => {
  gatehouse = await createGatehouse()
  await gatehouse.json('apis create --audience urn:a --name A --scope x=Look --scope y')
  await gatehouse.json('apis create --audience urn:b --name B --scope y --scope z')
})
afterAll(() => gatehouse.close())

const stored = (clientId: string) => createClientStore(gatehouse.fresh).find(clientId)
const machine = 'clients create --type machine --name M'

describe('creating a client', () => {
  it('prints what was registered and, once, the secret', async () => {
    const created = await gatehouse.json<ClientJson>(`${machine} --audience urn:a --scope x`)
    expect(created).toMatchObject({
      client_id: expect.stringMatching(/^client_/),
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
      client_name: 'M',
      type: 'machine',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      token_endpoint_auth_method: 'client_secret_basic',
      scope: 'x',
      apis: [{ audience: 'urn:a', scope: 'x' }],
    })
    const client = await stored(created.client_id)
    expect(isLiveSecret(client?.secrets ?? [], created.client_secret, new Date())).toBe(true)
    const shown = await gatehouse.json(`clients show ${created.client_id}`)
    expect(shown).toMatchObject({ client_id: created.client_id, scope: 'x' })
    expect(shown).not.toHaveProperty('client_secret')
  })

  it('gives a public client no secret', async () => {
    const created = await gatehouse.json(
      'clients create --type spa --name S --redirect-uri http://localhost:1/cb --redirect-uri http://localhost:2/cb --first-party',
    )
    expect(created).toMatchObject({
      redirect_uris: ['http://localhost:1/cb', 'http://localhost:2/cb'],
      token_endpoint_auth_method: 'none',
      first_party: true,
      require_pkce: true,
    })
    expect(created).not.toHaveProperty('client_secret')
  })

  it('gives it a rule of its own for second factors, changes that, and takes it away', async () => {
    const args = 'clients create --type spa --name F --redirect-uri https://f.example/cb'
    const { client_id: plain } = await gatehouse.json<ClientJson>(args)
    expect(await stored(plain)).toMatchObject({ secondFactor: undefined })
    const strict = await gatehouse.json<ClientJson>(`${args} --second-factor required-for:owner`)
    expect(strict).toMatchObject({ second_factor: 'required-for:owner' })
    const update = (more: string) => gatehouse.json(`clients update ${strict.client_id} ${more}`)
    expect(await update('--second-factor required')).toMatchObject({ second_factor: 'required' })
    expect(await update('--name G')).toMatchObject({ client_name: 'G', second_factor: 'required' })
    expect(await gatehouse.refusal(`clients update ${strict.client_id} --second-factor always`)).toEqual({
      error: 'invalid',
      message: 'The rule for second factors is off, optional, required or required-for:ROLE,ROLE.',
    })
    expect(await stored(strict.client_id)).toMatchObject({ secondFactor: 'required' })
    expect(await update('--second-factor default')).toMatchObject({ second_factor: null })
    expect(await stored(strict.client_id)).toMatchObject({ secondFactor: undefined })
    const { stdout } = await gatehouse.run(`clients show ${strict.client_id}`)
    expect(stdout).toMatch(/^second factor +as the deployment has it$/m)
    expect(await gatehouse.refusal(`${args} --second-factor sometimes`)).toMatchObject({ error: 'invalid' })
  })

  it('exempts a confidential client from PKCE when told to', async () => {
    const args = 'clients create --type web --name W --redirect-uri https://w.example/cb --no-pkce'
    expect(await gatehouse.json(args)).toMatchObject({ require_pkce: false })
  })

  it('shows the secret to a person once, and says so', async () => {
    const { stdout } = await gatehouse.run(`${machine} --audience urn:a`)
    expect(stdout).toMatch(/^client_id +client_\w+\nclient_secret +[\w-]{43}\n[\s\S]*shown once/)
  })

  it('refuses a machine without any API, in one line', async () => {
    const { code, stdout, stderr } = await gatehouse.run(machine.split(' '))
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^A machine client without any API[^\n]*\n$/)
  })

  it.each([
    ['an API that is not registered', '--audience urn:nowhere', /no API urn:nowhere/],
    ['a scope that the API does not have', '--audience urn:a --scope z', /urn:a has no scope z/],
    ['a scope of the admin API that there is not', '--admin clients:eat', /no scope clients:eat/],
  ])('refuses %s', async (_, args, message) => {
    const refusal = await gatehouse.refusal(`${machine} ${args}`)
    expect(refusal).toEqual({ error: 'invalid', message: expect.stringMatching(message) })
  })

  it('grants scopes of the admin API to a machine', async () => {
    const created = await gatehouse.json(`${machine} --admin clients:read --admin apis:read`)
    const audience = `${gatehouse.issuer}/admin/api`
    expect(created).toMatchObject({ apis: [{ audience, scope: 'apis:read clients:read' }] })
  })

  it('will not grant them for another issuer than the server has', async () => {
    const env = { GATEHOUSE_ISSUER: 'http://localhost:2' }
    const refusal = await gatehouse.refusal(`${machine} --admin clients:read`, { env })
    expect(refusal).toEqual({ error: 'issuer_differs', message: expect.stringContaining(gatehouse.issuer) })
  })
})

describe('granting scopes', () => {
  const apisOf = async (args: string) => (await gatehouse.json<{ apis: object[] }>(`${machine} ${args}`)).apis

  it('counts a scope for the audience before it', async () => {
    expect(await apisOf('--audience urn:a --scope x --audience urn:b --scope y --scope z')).toEqual([
      { audience: 'urn:a', scope: 'x' },
      { audience: 'urn:b', scope: 'y z' },
    ])
  })

  it('counts a scope that comes first for the only audience', async () => {
    expect(await apisOf('--scope x --audience urn:a --scope y')).toEqual([{ audience: 'urn:a', scope: 'x y' }])
  })

  it('does not guess between several audiences', async () => {
    const { code, stderr } = await gatehouse.run(`${machine} --scope y --audience urn:a --audience urn:b`)
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('--scope y stands before several') })
  })

  it('does not take a scope without an audience', async () => {
    const { code, stderr } = await gatehouse.run(`${machine} --scope y`)
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('--audience') })
  })
})

describe('changing a client', () => {
  let id: string
  beforeAll(async () => {
    const args =
      'clients create --type web --name Before --redirect-uri https://w.example/cb --audience urn:a --scope x'
    id = (await gatehouse.json<ClientJson>(`${args} --no-pkce --first-party`)).client_id
  })

  it('changes what is given and nothing else', async () => {
    expect(await gatehouse.json(`clients update ${id} --name After`)).toMatchObject({
      client_name: 'After',
      redirect_uris: ['https://w.example/cb'],
      require_pkce: false,
      first_party: true,
      apis: [{ audience: 'urn:a', scope: 'x' }],
    })
  })

  it('takes back what --no-pkce and --first-party gave', async () => {
    expect(await gatehouse.json(`clients update ${id} --pkce --no-first-party`)).toMatchObject({
      require_pkce: true,
      first_party: false,
    })
  })

  it('replaces the scopes of its only API', async () => {
    expect(await gatehouse.json(`clients update ${id} --scope y`)).toMatchObject({
      apis: [{ audience: 'urn:a', scope: 'y' }],
    })
  })

  it('disables and enables', async () => {
    expect(await gatehouse.json(`clients update ${id} --disable`)).toMatchObject({ disabled: true })
    expect((await stored(id))?.disabledAt).toBeInstanceOf(Date)
    expect(await gatehouse.json(`clients update ${id} --enable`)).toMatchObject({ disabled: false })
  })

  it('changes nothing when one of the changes is refused', async () => {
    await gatehouse.refusal(`clients update ${id} --redirect-uri http://far.example/cb --disable`)
    expect(await stored(id)).toMatchObject({ disabledAt: undefined })
  })

  it('lets an old secret live on for as long as it is told', async () => {
    const rotated = await gatehouse.json<ClientJson>(`clients rotate-secret ${id} --overlap 60`)
    expect(rotated).toEqual({
      client_id: id,
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
      old_secrets_expire_at: expect.stringMatching(/Z$/),
    })
    const secrets = (await stored(id))?.secrets ?? []
    expect(secrets).toHaveLength(2)
    expect(isLiveSecret(secrets, rotated.client_secret, new Date(Date.now() + 61_000))).toBe(true)
    expect(secrets[1]?.expiresAt?.getTime()).toBeLessThan(Date.now() + 61_000)
  })

  it('is gone after it was deleted', async () => {
    expect(await gatehouse.json(`clients delete ${id}`)).toEqual({ client_id: id, deleted: true })
    for (const command of ['show', 'delete', 'rotate-secret', 'update'])
      expect(await gatehouse.refusal(`clients ${command} ${id}`)).toMatchObject({ error: 'not_found' })
  })
})

describe('listing clients', () => {
  it('has each with its kind', async () => {
    const { clients } = await gatehouse.json<{ clients: ClientJson[] }>('clients list')
    expect(new Set(clients.map(({ type }) => type))).toEqual(new Set(['machine', 'spa', 'web']))
    const { stdout } = await gatehouse.run('clients list')
    expect(stdout.split('\n')[0]).toMatch(/^CLIENT_ID +TYPE +STATE +NAME$/)
  })
})
