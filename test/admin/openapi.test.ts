import { Ajv2020 } from 'ajv/dist/2020.js'
import { type AdminWorld, type Answered, adminWorld } from './admin-world.ts'

const v1 = '/admin/api/v1'

interface Described {
  operationId: string
  parameters?: { in: string; name: string; required?: boolean }[]
  responses: Record<string, { content?: Record<string, { schema: object }> }>
}

let world: AdminWorld
let token: string
let document: { openapi: string; paths: Record<string, Record<string, Described>>; components: object }
let ajv: Ajv2020
const answered = new Set<string>()

beforeAll(async () => {
  world = await adminWorld()
  token = await world.token({ sub: await world.makeOwner() })
  const { body } = await world.call('GET', '/admin/api/openapi.json')
  document = body as unknown as typeof document
  ajv = new Ajv2020({ strict: false, formats: { 'date-time': true } })
  ajv.addSchema({ ...document, $id: 'document' })
})
afterAll(() => world.close())

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => ({
      route: `${method.toUpperCase()} ${path}`,
      path,
      described,
    })),
  )
const pointer = (part: string) => part.replaceAll('~', '~0').replaceAll('/', '~1')

/** What is wrong with an answer by the document; an empty list when nothing is. */
function mismatches(route: string, { status, headers, body }: Answered): unknown[] {
  const [method = '', path = ''] = route.split(' ')
  const described = document.paths[path]?.[method.toLowerCase()]?.responses[status]
  if (!described) return [`${route} answers ${status}, which is not in the document: ${JSON.stringify(body)}`]
  answered.add(`${route} ${status}`)
  if (!described.content) return Object.keys(body)
  const type = (headers.get('Content-Type') ?? '').split(';')[0] ?? ''
  if (!described.content[type]) return [`${route} answers ${type}, which is not in the document`]
  const steps = ['paths', path, method.toLowerCase(), 'responses', String(status), 'content', type, 'schema']
  const validate = ajv.getSchema(`document#/${steps.map((step) => encodeURIComponent(pointer(step))).join('/')}`)
  if (!validate) return ['no schema']
  return validate(body) ? [] : (validate.errors ?? [])
}

async function checked(route: string, path: string, options: Parameters<AdminWorld['call']>[2] = {}) {
  const answer = await world.call(route.split(' ')[0] ?? '', v1 + path, { token, ...options })
  expect(mismatches(route, answer)).toEqual([])
  return answer
}

describe('the OpenAPI document of the admin API', () => {
  it('is public, and says 3.1', async () => {
    const { status, headers } = await world.call('GET', '/admin/api/openapi.json')
    expect([status, headers.get('Content-Type')]).toEqual([200, 'application/json; charset=utf-8'])
    expect(document.openapi).toMatch(/^3\.1\./)
  })

  it('gives every operation a name of its own, its path parameters and its refusals', () => {
    const ids = operations().map(({ described }) => described.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { path, described } of operations()) {
      const inPath = (described.parameters ?? []).filter((parameter) => parameter.in === 'path' && parameter.required)
      expect(inPath.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? [])
      expect(Object.keys(described.responses)).toEqual(expect.arrayContaining(['400', '401', '403']))
    }
  })

  it('refers only to what it holds, and every schema in it compiles', () => {
    const text = JSON.stringify(document)
    const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, reference = '']) => reference)
    expect(references.length).toBeGreaterThan(50)
    for (const reference of new Set(references)) expect(ajv.getSchema(`document#/${reference}`)).toBeDefined()
  })

  it('describes what the API answers, done and refused', async () => {
    const star = { 'If-Match': '*' }
    const old = { 'If-Match': '"99"' }
    const web = { type: 'web', client_name: 'x', redirect_uris: ['https://a.example/'], tos_uri: 'https://a.example/t' }
    const client = (await checked('POST /clients', '/clients', { body: web })).body.client_id
    const spa = (await checked('POST /clients', '/clients', { body: { ...web, type: 'spa' } })).body.client_id
    await checked('POST /clients', '/clients', { body: { ...web, type: 'x' } })
    const one = 'PATCH /clients/{client_id}'
    for (const headers of [star, old, {}])
      await checked(one, `/clients/${client}`, { body: { client_name: 'y' }, headers })
    await checked(one, '/clients/client_none', { body: {}, headers: star })
    for (const id of [client, spa, 'client_none']) {
      await checked('GET /clients/{client_id}', `/clients/${id}`)
      for (const verb of ['rotate-secret', 'disable', 'enable'])
        await checked(`POST /clients/{client_id}/${verb}`, `/clients/${id}/${verb}`)
    }
    await checked('GET /clients', '/clients?limit=1')
    for (const headers of [old, star, star])
      await checked('DELETE /clients/{client_id}', `/clients/${client}`, { headers })

    const api = { audience: 'urn:a', name: 'A', scopes: [{ scope: 's' }] }
    for (const _ of [1, 2]) await checked('POST /apis', '/apis', { body: api })
    await checked('GET /apis', '/apis')
    await checked('GET /apis/{audience}', '/apis/urn:a')
    await checked('GET /apis/{audience}', '/apis/urn:b')
    for (const headers of [star, old, {}]) await checked('PATCH /apis/{audience}', '/apis/urn:a', { body: {}, headers })
    for (const headers of [old, star, star]) await checked('DELETE /apis/{audience}', '/apis/urn:a', { headers })

    const machine = {
      type: 'machine',
      client_name: 'x',
      token_exchange: true,
      apis: [{ audience: 'urn:x', scopes: [] }],
    }
    await checked('POST /apis', '/apis', { body: { audience: 'urn:x', name: 'X' } })
    const exchanger = (await checked('POST /clients', '/clients', { body: machine })).body.client_id
    const policy = { client_id: exchanger, subject_audience: 'urn:x', audience: 'urn:x' }
    const made = (await checked('POST /exchange-policies', '/exchange-policies', { body: policy })).body.id
    for (const body of [policy, { ...policy, audience: 'urn:y' }])
      await checked('POST /exchange-policies', '/exchange-policies', { body })
    await checked('GET /exchange-policies', '/exchange-policies')
    for (const method of ['GET', 'DELETE', 'GET', 'DELETE'])
      await checked(`${method} /exchange-policies/{id}`, `/exchange-policies/${made}`)
    const trusted = { issuer: 'urn:issuer', jwks_uri: 'https://keys.example/jwks' }
    for (const body of [trusted, trusted, { issuer: 'urn:other' }])
      await checked('POST /trusted-issuers', '/trusted-issuers', { body })
    await checked('GET /trusted-issuers', '/trusted-issuers')
    for (const method of ['GET', 'DELETE', 'GET', 'DELETE'])
      await checked(`${method} /trusted-issuers/{issuer}`, '/trusted-issuers/urn:issuer')

    const person = {
      email: 'a@example.com',
      username: 'ann',
      locale: 'en',
      profile: { given_name: 'A', address: { country: 'B' } },
    }
    const { sub } = (await checked('POST /accounts', '/accounts', { body: person })).body
    await checked('POST /accounts', '/accounts', { body: { email: 'a@example.com' } })
    await checked('GET /accounts', '/accounts?email=a')
    const account = '/accounts/{sub}'
    for (const id of [sub, 'nobody']) {
      await checked(`GET ${account}`, `/accounts/${id}`)
      for (const verb of ['disable', 'invitation', 'one-time-link', 'enable', 'unlock', 'invitation', 'one-time-link'])
        await checked(`POST ${account}/${verb}`, `/accounts/${id}/${verb}`)
      await checked(`POST ${account}/one-time-link`, `/accounts/${id}/one-time-link`, { body: { expires_in: 59 } })
      await world.database.query(
        `INSERT INTO sessions (uid, sub, payload, expires_at) SELECT 's', sub, '{}', now() + interval '1 day' FROM accounts WHERE sub = $1`,
        [id],
      )
      await checked(`GET ${account}/sessions`, `/accounts/${id}/sessions`)
      for (const _ of [1, 2]) await checked(`DELETE ${account}/sessions/{uid}`, `/accounts/${id}/sessions/s`)
      for (const verb of ['reset-factors', 'sign-out'])
        await checked(`POST ${account}/${verb}`, `/accounts/${id}/${verb}`)
    }
    for (const headers of [star, old, {}])
      await checked(`PATCH ${account}`, `/accounts/${sub}`, { body: { name: 'A' }, headers })
    for (const headers of [old, star, star]) await checked(`DELETE ${account}`, `/accounts/${sub}`, { headers })
    for (const { route, path } of operations()) {
      await checked(route, path, { token: undefined })
      await checked(route, path, { token: await world.token({ sub: await world.makeOwner(), scope: '' }) })
      await checked(route, `${path}?unknown=1`)
    }
  })

  it('describes no success that was not seen here', () => {
    const successes = operations().flatMap(({ route, described }) =>
      Object.keys(described.responses)
        .filter((status) => status < '300')
        .map((status) => `${route} ${status}`),
    )
    expect(successes.filter((success) => !answered.has(success))).toEqual([])
  })

  it('would notice an answer that it does not describe', async () => {
    const answer = await world.call('GET', `${v1}/clients?limit=1`, { token })
    const [item] = answer.body.items
    const wrong = { ...answer, body: { ...answer.body, items: [{ ...item, secret_digest: 'x' }] } } as Answered
    expect(mismatches('GET /clients', wrong)).not.toEqual([])
    expect(mismatches('GET /clients', { ...answer, status: 418 })).not.toEqual([])
  })
})
