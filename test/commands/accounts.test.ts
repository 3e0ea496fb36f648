import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
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
const hash = `$argon2id$v=19$m=19456,t=2,p=1$${'c2FsdHNhbHRzYWx0'}$${'a'.repeat(43)}`

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

describe('importing accounts', () => {
  const importing = async (lines: unknown[]) => {
    const file = join(gatehouse.dataDir, 'accounts.jsonl')
    await writeFile(file, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'))
    const result = await gatehouse.run(['accounts', 'import', file, '--json'])
    return { ...result, report: JSON.parse(result.stdout) }
  }

  it('keeps what the other system knew', async () => {
    const { code, report } = await importing([
      {
        email: 'dora@example.com',
        email_verified: true,
        name: 'Dora',
        password_hash: hash,
        roles: [],
        created_at: '2020-02-03T04:05:06Z',
        sub: 'old|42',
      },
      { email: 'eve@example.com', name: null, totp_secret: 'JBSWY3DPEHPK3PXP' },
      { email: 'fred@example.com', disabled: true },
    ])
    expect({ code, report }).toEqual({
      code: 0,
      report: { imported: 3, failed: [], ignored: [{ line: 2, message: expect.stringContaining('totp_secret') }] },
    })
    expect(await store().findByEmail('dora@example.com')).toMatchObject({
      sub: 'old|42',
      isEmailVerified: true,
      passwordHash: hash,
      createdAt: new Date('2020-02-03T04:05:06Z'),
    })
    expect(await store().findByEmail('fred@example.com')).toMatchObject({ disabledAt: expect.any(Date) })
  })

  it('reports each line that it cannot take, and takes the others', async () => {
    const { code, stderr, report } = await importing([
      'no json',
      { name: 'Nobody' },
      { email: 'g1@example.com', password_hash: `$2b$10$${'x'.repeat(53)}` },
      { email: 'dora@example.com' },
      { email: 'g2@example.com', sub: 'old|42' },
      { email: 'g3@example.com', sub: 'client_3' },
      { email: 'g4@example.com', created_at: 'yesterday' },
      { email: 'g5@example.com', shoe_size: 43 },
      { email: 'g6@example.com', password_hash: hash.replace('m=19456', 'm=99999999') },
      { email: 'g7@example.com', roles: ['emperor'] },
      '',
      { email: 'good@example.com' },
    ])
    expect(code).toBe(1)
    expect(JSON.parse(stderr)).toMatchObject({ error: 'import_incomplete' })
    expect(report.imported).toBe(1)
    expect(report.failed).toEqual(
      [
        /not a JSON object/,
        /no email/,
        /\$2b.* not supported yet/,
        /e-mail address already/,
        /sub already/,
        /client id/,
        /created_at must be/,
        /no field shoe_size/,
        /costs too much/,
        /no role "emperor"/,
      ].map((message, index) => ({ line: index + 1, message: expect.stringMatching(message) })),
    )
    expect(await store().findByEmail('good@example.com')).toBeDefined()
  })

  it('takes what was exported, in many batches', async () => {
    const many = Array.from({ length: 450 }, (_, index) => ({
      email: `many${index}@example.com`,
      sub: `many-${index}`,
    }))
    expect((await importing(many)).report.imported).toBe(450)
    const { stdout } = await gatehouse.run('accounts export')
    const other = await createGatehouse()
    const imported = await other.json('accounts import -', { stdin: stdout })
    expect(imported).toMatchObject({ imported: stdout.trim().split('\n').length, failed: [] })
    expect((await other.run('accounts export')).stdout).toBe(stdout)
    await other.close()
  })

  it('refuses a file that is not there', async () => {
    const refusal = await gatehouse.refusal('accounts import /nowhere.jsonl')
    expect(refusal).toEqual({ error: 'unreadable_file', message: expect.stringContaining('/nowhere.jsonl') })
  })
})
