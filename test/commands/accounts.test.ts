import { createAccountStore } from '../../src/accounts/account-store.ts'
import { verify } from '../../src/accounts/password/password-hash.ts'
import { createGatehouse, type Gatehouse } from './gatehouse.ts'

interface AccountJson {
  sub: string
  email: string
  [name: string]: unknown
}

let gatehouse: Gatehouse
beforeAll(async () => {
  gatehouse = await createGatehouse()
})
afterAll(() => gatehouse.close())

const store = () => createAccountStore(gatehouse.fresh)
const password = 'seven quiet otters juggle'

describe('making an account', () => {
  it('prints it in the names of OpenID Connect', async () => {
    const args = [
      'accounts',
      'create',
      '--email',
      'ann@example.com',
      '--name',
      'Ann A',
      '--verified',
      '--role',
      'owner',
    ]
    expect(await gatehouse.json(args)).toMatchObject({
      sub: expect.any(String),
      email: 'ann@example.com',
      email_verified: true,
      name: 'Ann A',
      roles: ['owner'],
      has_password: false,
    })
  })

  it('reads the password from standard input, without the end of the line', async () => {
    const args = 'accounts create --email bob@example.com --password-stdin'
    expect(await gatehouse.json(args, { stdin: `${password}\n` })).toMatchObject({ has_password: true })
    const account = await store().findByEmail('bob@example.com')
    expect(await verify(account?.passwordHash ?? '', password)).toBe(true)
  })

  it('refuses a weak password, an address that is taken and one that is none', async () => {
    const create = (email: string, stdin = password) =>
      gatehouse.refusal(`accounts create --email ${email} --password-stdin`, { stdin })
    expect(await create('carl@example.com', 'short')).toMatchObject({ error: 'invalid' })
    expect(await create('ANN@example.com')).toMatchObject({ error: 'email_taken' })
    expect(await create('carl')).toMatchObject({ error: 'invalid' })
    expect(await create('carl@example.com', '')).toMatchObject({ message: expect.stringContaining('standard input') })
  })
})

describe('looking at accounts', () => {
  it('finds one by its address and by its sub', async () => {
    const byEmail = await gatehouse.json<AccountJson>('accounts show Ann@example.com')
    expect(await gatehouse.json(`accounts show ${byEmail.sub}`)).toEqual(byEmail)
    expect(await gatehouse.refusal('accounts show nobody@example.com')).toMatchObject({ error: 'not_found' })
  })

  it('lists page by page', async () => {
    type Page = { accounts: AccountJson[]; next_after?: string }
    const first = await gatehouse.json<Page>('accounts list --limit 1')
    const second = await gatehouse.json<Page>(`accounts list --limit 1 --after ${first.next_after}`)
    const emails = [...first.accounts, ...second.accounts].map(({ email }) => email)
    expect(emails.sort()).toEqual(['ann@example.com', 'bob@example.com'])
    expect(second.next_after).toBeUndefined()
    const { accounts } = await gatehouse.json<Page>('accounts list --email bob')
    expect(accounts.map(({ email }) => email)).toEqual(['bob@example.com'])
  })
})

describe('ending access', () => {
  it('disables, with every session, and enables again', async () => {
    const sub = (await store().findByEmail('bob@example.com'))?.sub
    await gatehouse.fresh.database.query(
      `INSERT INTO sessions (uid, sub, payload, expires_at) VALUES ('s', $1, '{}', now() + interval '1 day')`,
      [sub],
    )
    expect(await gatehouse.json('accounts disable bob@example.com')).toMatchObject({ disabled: true })
    expect(await gatehouse.fresh.database.query('SELECT 1 FROM sessions')).toEqual([])
    expect(await gatehouse.json('accounts enable bob@example.com')).toMatchObject({ disabled: false })
  })

  it('keeps the last owner', async () => {
    expect(await gatehouse.refusal('accounts disable ann@example.com')).toMatchObject({ error: 'last_owner' })
    expect(await gatehouse.refusal('accounts delete ann@example.com')).toMatchObject({ error: 'last_owner' })
    expect(await store().findByEmail('ann@example.com')).toMatchObject({ disabledAt: undefined })
  })

  it('deletes', async () => {
    expect(await gatehouse.json('accounts delete bob@example.com')).toMatchObject({ deleted: true })
    expect(await store().findByEmail('bob@example.com')).toBeUndefined()
  })
})

describe('a lock that failed sign-ins have put on an account', () => {
  it('is shown with its end, and lifted', async () => {
    const { sub } = await gatehouse.json<AccountJson>('accounts create --email locked@example.com')
    const { database } = gatehouse.fresh
    const lock = (key: string, kind: string, inARow: number) =>
      database.query(
        `INSERT INTO sign_in_throttle (key, kind, sub, failures, in_a_row, blocked_until, updated_at)
         VALUES (sha256($1::bytea), $2, $3, 5, $4, '2040-01-02T03:04:05Z', now())`,
        [key, kind, sub, inARow],
      )
    await Promise.all([lock('a', 'password', 100), lock('b', 'code', 25), lock('c', 'password-address', 25)])
    expect(await gatehouse.json('accounts show locked@example.com')).toMatchObject({
      locks: [
        { kind: 'password', until: null },
        { kind: 'code', until: '2040-01-02T03:04:05.000Z' },
      ],
    })
    const { stdout } = await gatehouse.run('accounts show locked@example.com')
    expect(stdout).toMatch(/locked for strangers +passwords, until unlocked\n +codes, until 2040-01-02T03:04:05.000Z/)
    expect(await gatehouse.json('accounts unlock locked@example.com')).toEqual({ sub, unlocked: true })
    expect(await gatehouse.json('accounts show locked@example.com')).toMatchObject({ locks: [] })
    expect(await database.query('SELECT 1 FROM sign_in_throttle')).toEqual([])
    expect(await gatehouse.refusal('accounts unlock nobody@example.com')).toMatchObject({ error: 'not_found' })
    await gatehouse.json('accounts delete locked@example.com')
  })
})

describe('usernames and claims', () => {
  it('gives one at the start, shows the account by it, and changes both', async () => {
    const args = 'accounts create --email una@example.com --username Una.U --locale pt-br'
    const { sub } = await gatehouse.json<AccountJson>(args)
    expect(await gatehouse.json('accounts show una.u')).toMatchObject({ sub, username: 'Una.U', locale: 'pt-BR' })
    const changed = await gatehouse.json('accounts update una.u --username una --name Una --verified')
    expect(changed).toMatchObject({ sub, username: 'una', name: 'Una', locale: 'pt-BR', email_verified: true })
    const gone = await gatehouse.json<AccountJson>(['accounts', 'update', sub, '--username', '', '--locale', ''])
    expect(gone).not.toHaveProperty('username')
    expect(gone).not.toHaveProperty('locale')
  })

  it('refuses in a sentence', async () => {
    const create = 'accounts create --email vera@example.com --username'
    expect(await gatehouse.refusal(`${create} a@b`)).toMatchObject({
      error: 'invalid',
      message: expect.stringContaining('A username has 3 to 64'),
    })
    await gatehouse.json('accounts update una@example.com --username una')
    expect(await gatehouse.refusal(`${create} UNA`)).toMatchObject({ error: 'username_taken' })
    expect(await gatehouse.refusal('accounts update una --email nowhere')).toMatchObject({ error: 'invalid' })
    expect(await gatehouse.refusal('accounts update ann@example.com --username UNA')).toMatchObject({
      error: 'username_taken',
    })
  })
})
