import { type AdminWorld, adminWorld } from './admin-world.ts'

const v1 = '/admin/api/v1'
let world: AdminWorld
let token: string

beforeAll(async () => {
  world = await adminWorld()
  token = await world.token({ sub: await world.makeOwner() })
  for (let n = 0; n < 45; n += 1) {
    const clientId = `client_${String((n * 7) % 45).padStart(2, '0')}`
    await world.clients.insert({ clientId, kind: 'machine', name: 'x', metadata: {} })
  }
  for (const sub of ['a b', 'ü', 'plain'])
    await world.accounts.insert({ sub, email: `${sub.length}${sub}@example.com` })
})
afterAll(() => world.close())

const get = (path: string) => world.call('GET', `${v1}${path}`, { token })

describe('paging through a list', () => {
  it.each([
    [1, 46],
    [7, 7],
    [20, 3],
    [46, 1],
    [45, 2],
    [100, 1],
  ])('with limit %d shows all 46 clients once, in %d pages', async (limit, pages) => {
    const seen: string[] = []
    let cursor: string | null = ''
    let count = 0
    while (cursor !== null) {
      const { status, body } = await get(`/clients?limit=${limit}${cursor && `&cursor=${cursor}`}`)
      expect(status).toBe(200)
      seen.push(...body.items.map(({ client_id: id }) => id))
      cursor = body.next_cursor
      count += 1
    }
    expect(seen).toEqual([...new Set(seen)].sort())
    expect([seen.length, count]).toEqual([46, pages])
  })

  it('shows twenty when nothing is asked for', async () => {
    expect((await get('/clients')).body.items).toHaveLength(20)
  })

  it('neither repeats nor skips when the entry that a page ended with is deleted', async () => {
    const first = await get('/clients?limit=10')
    await world.clients.remove(first.body.items.at(-1)?.client_id ?? '')
    const second = await get(`/clients?limit=100&cursor=${first.body.next_cursor}`)
    expect(second.body.items).toHaveLength(36)
  })

  it('goes through ids with odd characters', async () => {
    const first = await get('/accounts?limit=1')
    const rest = await get(`/accounts?limit=100&cursor=${first.body.next_cursor}`)
    expect([...first.body.items, ...rest.body.items].map(({ sub }) => sub)).toEqual(
      expect.arrayContaining(['a b', 'ü', 'plain']),
    )
    expect((await get(`/accounts/${encodeURIComponent('a b')}`)).body.sub).toBe('a b')
  })

  it('narrows accounts to those whose address contains a text, taken literally', async () => {
    expect((await get('/accounts?email=PLAIN')).body.items.map(({ sub }) => sub)).toEqual(['plain'])
    expect((await get('/accounts?email=%25')).body.items).toEqual([])
  })

  it.each<[string, string]>([
    ['limit=0', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=101', 'limit'],
    ['limit=1e9', 'limit'],
    ['limit=2.5', 'limit'],
    ['limit=', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['limit[$gt]=1', 'limit[$gt]'],
    ['offset=-1', 'offset'],
    ['sort=id;drop', 'sort'],
    ['__proto__=x', '__proto__'],
    ['access_token=x', 'access_token'],
    ['cursor=client_07', 'cursor'],
    ['cursor=', 'cursor'],
    [`cursor=${Buffer.from('accounts:plain').toString('base64url')}`, 'cursor'],
    [`cursor=${Buffer.from('clients:\0').toString('base64url')}`, 'cursor'],
    [`cursor=${Buffer.from('clients:a').toString('base64url')}=`, 'cursor'],
    [`cursor=${Buffer.from([0x63, 0xff, 0xfe]).toString('base64url')}`, 'cursor'],
  ])('refuses ?%s', async (query, field) => {
    const { status, body } = await get(`/clients?${query}`)
    expect({ status, fields: body.errors?.map((error) => error.field) }).toEqual({ status: 400, fields: [field] })
  })

  it('refuses a query where there is none to give', async () => {
    expect((await get('/clients/client_00?fields=all')).status).toBe(400)
  })
})
