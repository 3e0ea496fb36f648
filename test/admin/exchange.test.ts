// Exchange policies and trusted issuers over the admin API: what may be declared, and that this node hears of it at once.
import { type AdminWorld, adminAudience, adminWorld } from './admin-world.ts'

const policies = '/admin/api/v1/exchange-policies'
const issuers = '/admin/api/v1/trusted-issuers'

let world: AdminWorld
let token: string
let exchanger: string
let good: Record<string, unknown>

beforeAll(async () => {
  world = await adminWorld()
  token = await world.token({ sub: await world.makeOwner() })
  const scopes = [{ scope: 'read', description: '' }]
  for (const audience of ['urn:a', 'urn:b']) await world.apis.insert({ audience, name: 'x', scopes })
  const body = { type: 'machine', client_name: 'x', token_exchange: true, apis: [{ audience: 'urn:a', scopes: [] }] }
  exchanger = (await world.call('POST', '/admin/api/v1/clients', { token, body })).body.client_id
  good = { client_id: exchanger, subject_audience: 'urn:a', audience: 'urn:b' }
})
afterAll(() => world.close())

const txn = { token_type: 'txn_token', scopes: ['read'] }
const post = (path: string, body: object) => world.call('POST', path, { token, body })

describe('a client that may exchange tokens', () => {
  it('is told by token_exchange and its grant types, and can lose it again', async () => {
    const path = `/admin/api/v1/clients/${exchanger}`
    const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
    expect((await world.call('GET', path, { token })).body).toMatchObject({
      token_exchange: true,
      grant_types: ['client_credentials', grant],
    })
    const patch = (body: object) => world.call('PATCH', path, { token, body, headers: { 'If-Match': '*' } })
    expect((await patch({ client_name: 'y' })).body).toMatchObject({ token_exchange: true })
    expect((await patch({ token_exchange: false })).body.grant_types).toEqual(['client_credentials'])
    expect((await patch({ token_exchange: true })).body.grant_types).toEqual(['client_credentials', grant])
  })

  it('cannot be one that keeps no secret', async () => {
    const redirect_uris = ['https://a.example/']
    const made = await post('/admin/api/v1/clients', {
      type: 'spa',
      client_name: 'x',
      redirect_uris,
      token_exchange: true,
    })
    expect({ status: made.status, field: made.body.errors[0]?.field }).toEqual({ status: 400, field: 'token_exchange' })
  })
})

describe('exchange policies', () => {
  it('are made with what is usual, shown, listed and deleted', async () => {
    const made = await post(policies, { ...good, scopes: ['read', 'read'] })
    expect(made).toMatchObject({
      status: 201,
      body: {
        ...good,
        subject_client_id: null,
        token_type: 'access_token',
        scopes: ['read'],
        max_ttl: 300,
        mode: 'delegation',
        max_depth: 1,
      },
    })
    const one = String(made.headers.get('Location'))
    expect((await world.call('GET', one, { token })).body).toEqual(made.body)
    expect((await world.call('GET', policies, { token })).body.items).toEqual([made.body])
    expect((await post(policies, good)).body.code).toBe('taken')
    const statuses = [await world.call('DELETE', one, { token }), await world.call('GET', one, { token })]
    expect(statuses.map(({ status }) => status)).toEqual([204, 404])
    expect(world.forgotten.filter((what) => what === 'exchange rules')).toHaveLength(2)
  })

  it.each<[string, object, string]>([
    ['without a subject', { subject_audience: undefined }, 'subject_audience'],
    ['with two subjects', { subject_client_id: 'client_x' }, 'subject_audience'],
    ['for an unknown client', { client_id: 'client_none' }, 'client_id'],
    ['about an unknown client', { subject_audience: undefined, subject_client_id: 'client_none' }, 'subject_client_id'],
    [
      'about the command line',
      { subject_audience: undefined, subject_client_id: 'gatehouse-cli' },
      'subject_client_id',
    ],
    ['about an unknown API', { subject_audience: 'urn:none' }, 'subject_audience'],
    ['about the admin API', { subject_audience: adminAudience }, 'subject_audience'],
    ['for the admin API', { audience: adminAudience }, 'audience'],
    [
      'about an issuer that is not trusted',
      { subject_audience: undefined, subject_issuer: 'urn:none' },
      'subject_issuer',
    ],
    ['with an unknown scope', { scopes: ['write'] }, 'scopes'],
    ['without a lifetime', { max_ttl: 0 }, 'max_ttl'],
    ['of a week', { max_ttl: 604_800 }, 'max_ttl'],
    ['of no depth', { max_depth: 0 }, 'max_depth'],
    ['without end', { max_depth: 9 }, 'max_depth'],
    ['for transactions of two minutes', { ...txn, max_ttl: 61 }, 'max_ttl'],
    ['for transactions without a purpose', { ...txn, scopes: [] }, 'scopes'],
    ['for transactions in which nobody acts', { ...txn, mode: 'impersonation' }, 'mode'],
    ['for another type of token', { token_type: 'id_token' }, 'token_type'],
    ['of another mode', { mode: 'both' }, 'mode'],
  ])('are refused %s', async (_, change, field) => {
    const answer = await post(policies, { ...good, ...change })
    expect({ status: answer.status, field: answer.body.errors[0]?.field }).toEqual({ status: 400, field })
  })

  it('are kept apart by the type of what comes out', async () => {
    const [usual, transaction] = [await post(policies, good), await post(policies, { ...good, ...txn })]
    expect([usual.body.max_ttl, transaction.body.max_ttl]).toEqual([300, 60])
    for (const { body } of [usual, transaction]) await world.exchangePolicies.remove(String(body.id))
  })

  it('are refused for a client that may not exchange, and say how it could', async () => {
    const clientId = await world.makeMachine([])
    const { status, body } = await post(policies, { ...good, client_id: clientId })
    expect([status, body.errors[0]]).toEqual([
      400,
      { field: 'client_id', message: expect.stringContaining(`clients update ${clientId} --token-exchange`) },
    ])
  })

  it('go with their client, their API and their issuer', async () => {
    const made = async (more: object) => (await post(policies, { ...good, ...more })).body.id as string
    const left = async () => (await world.exchangePolicies.list({ limit: 100 })).map(({ id }) => id)
    await world.apis.insert({ audience: 'urn:short', name: 'x', scopes: [] })
    const one = await made({ audience: 'urn:short' })
    expect(await left()).toEqual([one])
    await world.apis.remove('urn:short')
    expect(await left()).toEqual([])
    await post(issuers, { issuer: 'https://p.example', jwks_uri: 'https://p.example/jwks' })
    const two = await made({ subject_audience: undefined, subject_issuer: 'https://p.example' })
    expect(await left()).toEqual([two])
    const path = `${issuers}/${encodeURIComponent('https://p.example')}`
    expect((await world.call('DELETE', path, { token })).status).toBe(204)
    expect(await left()).toEqual([])
    await made({})
    await world.clients.remove(exchanger)
    expect(await left()).toEqual([])
  })
})

describe('trusted issuers', () => {
  it('are declared, shown, listed and deleted', async () => {
    const body = { issuer: 'https://q.example/a b'.replace(' ', '%20'), jwks_uri: 'https://q.example/jwks' }
    const made = await post(issuers, body)
    expect(made).toMatchObject({
      status: 201,
      body: { ...body, audience: 'https://id.example', jwks: null, subject_claim: 'sub' },
    })
    const one = String(made.headers.get('Location'))
    expect((await world.call('GET', one, { token })).body).toEqual(made.body)
    expect((await world.call('GET', issuers, { token })).body.items).toEqual([made.body])
    expect((await post(issuers, body)).body.code).toBe('taken')
    const statuses = [await world.call('DELETE', one, { token }), await world.call('GET', one, { token })]
    expect(statuses.map(({ status }) => status)).toEqual([204, 404])
  })

  it('are refused with keys in the own network', async () => {
    const answer = await post(issuers, { issuer: 'https://q.example', jwks_uri: 'https://192.168.0.1/jwks' })
    expect({ status: answer.status, field: answer.body.errors[0]?.field }).toEqual({ status: 400, field: 'jwks_uri' })
  })
})
