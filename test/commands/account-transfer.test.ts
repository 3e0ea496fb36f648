import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createAccountStore } from '../../src/accounts/account-store.ts'
import { createGatehouse, type Gatehouse, launcher } from './gatehouse.ts'

interface Report {
  dry_run: boolean
  lines: number
  importable: number
  imported: number
  present: number
  failed: { line: number; message: string }[]
}

let gatehouse: Gatehouse
beforeEach(async () => {
  gatehouse = await createGatehouse()
})
afterEach(() => gatehouse.close())

const store = () => createAccountStore(gatehouse.fresh)
const argon2 = `$argon2id$v=19$m=19456,t=2,p=1$${'c2FsdHNhbHRzYWx0'}$${'a'.repeat(43)}`
const bcrypt = `$2b$10$${'x'.repeat(53)}`
const signerKey = 'c2lnbmVyIGtleSBvZiB0aGUgb2xkIHByb2plY3Q='
const firebase = `$firebase-scrypt$ln=14,r=8$c2FsdA==$Bw==$${signerKey}$${'A'.repeat(39)}=`
const totpSecret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'

const count = async (): Promise<number> => {
  const [row] = await gatehouse.fresh.database.query<{ count: number }>('SELECT count(*)::int AS count FROM accounts')
  return row?.count ?? 0
}
const written = async (lines: unknown[]) => {
  const file = join(gatehouse.dataDir, 'accounts.jsonl')
  await writeFile(file, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'))
  return file
}
const importing = async (lines: unknown[], options: string[] = []) => {
  const result = await gatehouse.run(['accounts', 'import', await written(lines), '--json', ...options])
  return { ...result, report: JSON.parse(result.stdout) as Report }
}

const dora = {
  email: 'dora@example.com',
  email_verified: true,
  username: 'Dora.D',
  name: 'Dora',
  profile: { given_name: 'Dora', nickname: '', address: { country: 'France' }, phone_number: '+33 1 70 18 99 00' },
  locale: 'fr-fr',
  password_hash: argon2,
  password_changed_at: '2021-02-03T04:05:06Z',
  password_is_short: true,
  email_code_enabled: true,
  roles: ['owner'],
  created_at: '2020-02-03T04:05:06Z',
  sub: 'old|42',
}

const wrong: [unknown, RegExp][] = [
  ['no json', /not a JSON object/],
  [{ name: 'Nobody' }, /no email/],
  [{ email: 'taken@example.com' }, /e-mail address already/],
  [{ email: 'new@example.com', username: 'TAKEN' }, /username already/],
  [{ email: 'g3@example.com', sub: 'client_3' }, /client id/],
  [{ email: 'g4@example.com', created_at: 'yesterday' }, /created_at must be/],
  [{ email: 'g5@example.com', shoe_size: 43 }, /no field shoe_size/],
  [{ email: 'g6@example.com', password_hash: argon2.replace('m=19456', 'm=99999999') }, /costs too much/],
  [{ email: 'g7@example.com', roles: ['an emperor'] }, /“an emperor” cannot be one of the roles/],
  [{ email: 'g8@example.com', password_hash: 'd41d8cd98f00b204e9800998ecf8427e' }, /no form that can be verified/],
  [{ email: 'g9@example.com', totp_secret: 'JBSWY3DPEHPK3PXP' }, /TOTP secret must/],
  [{ email: 'g10@example.com', profile: { birthdate: 'May' } }, /date of birth/],
  [{ email: 'g11@example.com', locale: 7 }, /locale must be a string/],
  ['{"email":"g12@example.com","name":"a\\u0000b"}', /cannot be stored/],
  [{ email: 'g13@example.com', username: 'a@b.example' }, /A username has/],
  [{ email: 'not an address' }, /not an e-mail address/],
  ['[]', /not a JSON object/],
]

describe('importing accounts', () => {
  it('keeps what the other system knew', async () => {
    const { code, report } = await importing([
      dora,
      { email: 'eve@example.com', name: null, totp_secret: 'jbsw y3dp ehpk 3pxp jbsw y3dp ehpk 3pxp' },
      { email: 'fred@example.com', disabled: true, password_hash: bcrypt },
    ])
    expect({ code, report }).toEqual({
      code: 0,
      report: { dry_run: false, lines: 3, importable: 3, imported: 3, present: 0, failed: [] },
    })
    expect(await store().findByEmail('dora@example.com')).toMatchObject({
      sub: 'old|42',
      username: 'Dora.D',
      profile: { given_name: 'Dora', address: { country: 'France' }, phone_number: '+33170189900' },
      locale: 'fr-FR',
      isEmailVerified: true,
      passwordHash: argon2,
      passwordChangedAt: new Date('2021-02-03T04:05:06Z'),
      isPasswordShort: true,
      isEmailCodeEnabled: true,
      roles: ['owner'],
      createdAt: new Date('2020-02-03T04:05:06Z'),
    })
    expect(await store().findByEmail('fred@example.com')).toMatchObject({
      disabledAt: expect.any(Date),
      passwordChangedAt: expect.any(Date),
    })
    const eve = await store().findByEmail('eve@example.com')
    expect(eve).toMatchObject({ name: undefined, passwordChangedAt: undefined })
    const [totp] = await gatehouse.fresh.database.query<{
      sealed_secret: string
      sealing_key: string
      last_step: string
    }>('SELECT sealed_secret, sealing_key, last_step FROM totp_authenticators WHERE sub = $1', [eve?.sub])
    expect(totp?.last_step).toBe('0')
    expect(totp?.sealing_key).toBe(gatehouse.sealing.fingerprints[0])
    expect(gatehouse.sealing.open(totp?.sealed_secret ?? '', `totp ${eve?.sub}`)).toBe(totpSecret)
  })

  it('writes nothing where any line is wrong, and says of each what', async () => {
    await importing([{ email: 'taken@example.com', username: 'taken', name: 'T' }])
    const lines = [...wrong.map(([line]) => line), '', { email: 'good@example.com' }]
    const { code, stderr, report } = await importing(lines)
    expect(code).toBe(1)
    expect(JSON.parse(stderr)).toEqual({ error: 'import_refused', message: expect.stringContaining('--skip-invalid') })
    expect(report).toMatchObject({ importable: 1, imported: 0, present: 0, lines: wrong.length + 1 })
    expect(report.failed).toEqual(
      wrong.map(([, message], index) => ({ line: index + 1, message: expect.stringMatching(message) })),
    )
    expect(await count()).toBe(1)
    const skipped = await importing(lines, ['--skip-invalid'])
    expect(skipped).toMatchObject({ code: 0, stderr: '', report: { imported: 1, failed: report.failed } })
    expect(await count()).toBe(2)
  })

  it('finds lines that clash with one another, in any case and across batches', async () => {
    const many = Array.from({ length: 1200 }, (_, index) => ({
      email: `m${index}@example.com`,
      sub: `m-${index}`,
      username: `m_${index}`,
    }))
    const { report } = await importing([
      ...many,
      { email: 'M7@EXAMPLE.COM' },
      { email: 'other@example.com', sub: 'm-8' },
      { email: 'another@example.com', username: 'M_9' },
    ])
    expect(report.failed).toEqual([
      { line: 1201, message: 'Line 8 has the same e-mail address.' },
      { line: 1202, message: 'Line 9 has the same sub.' },
      { line: 1203, message: 'Line 10 has the same username.' },
    ])
    expect(await count()).toBe(0)
  })

  it('only checks with --dry-run', async () => {
    const good = await importing([dora, { email: 'x@example.com' }], ['--dry-run'])
    expect(good).toMatchObject({ code: 0, report: { dry_run: true, importable: 2, imported: 0 } })
    const bad = await importing([dora, { email: 'x' }], ['--dry-run'])
    expect(bad).toMatchObject({ code: 1, report: { dry_run: true, importable: 1, imported: 0 } })
    expect(await count()).toBe(0)
  })

  it('leaves alone what is there: a second run imports nothing and changes nothing', async () => {
    const lines = [
      dora,
      { email: 'plain@example.com', name: 'P' },
      { email: 'dated@example.com', created_at: '2020-01-01T00:00:00Z' },
    ]
    await importing(lines)
    await gatehouse.json('accounts update plain@example.com --verified')
    const before = await gatehouse.run('accounts export')
    const again = await importing([...lines, { email: 'later@example.com' }])
    expect(again).toMatchObject({ code: 0, report: { importable: 1, imported: 1, present: 3, failed: [] } })
    const after = await gatehouse.run('accounts export')
    expect(
      after.stdout
        .split('\n')
        .filter((line) => !line.includes('later@'))
        .join('\n'),
    ).toBe(before.stdout)
  })

  it.each<[string, object]>([
    ['another sub', { email: 'plain@example.com', name: 'P', sub: 'other' }],
    ['another name', { email: 'plain@example.com', name: 'Q' }],
    ['another beginning', { email: 'plain@example.com', name: 'P', created_at: '2019-01-01T00:00:00Z' }],
  ])('takes the same address with %s for somebody else’s', async (_, line) => {
    await importing([{ email: 'plain@example.com', name: 'P' }])
    expect(await importing([line])).toMatchObject({ code: 1, report: { imported: 0, present: 0 } })
  })

  it('says what it does as it goes, to a person only', async () => {
    const lines = Array.from({ length: 5000 }, (_, index) => ({ email: `p${index}@example.com` }))
    const { stdout, stderr } = await gatehouse.run(['accounts', 'import', await written(lines)])
    expect(stderr).toBe('checked 5000 lines\nread 5000 lines\n')
    expect(stdout).toBe('Imported 5000 accounts; 0 were there already; 0 lines are wrong.\n')
  })

  it('goes on where it was killed: 10,000 lines, none twice, none missing', async () => {
    const lines = Array.from({ length: 10_000 }, (_, index) => ({
      email: `person${index}@example.com`,
      name: `Person ${index}`,
      password_hash: index % 2 ? bcrypt : argon2,
      ...(index % 5 === 0 && { totp_secret: totpSecret }),
    }))
    const file = await written(lines)
    const child = spawn(process.execPath, [launcher, 'accounts', 'import', file, '--json'], {
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: gatehouse.fresh.url,
        GATEHOUSE_ISSUER: gatehouse.issuer,
        GATEHOUSE_DATA_DIR: gatehouse.dataDir,
        GATEHOUSE_SEALING_KEY: Buffer.alloc(32, 7).toString('base64url'),
      },
      stdio: 'ignore',
    })
    const over = once(child, 'exit')
    while ((await count()) < 1000 && child.exitCode === null) await new Promise((done) => setTimeout(done, 5))
    child.kill('SIGKILL')
    expect((await over)[1]).toBe('SIGKILL')
    // What it had sent may still commit.
    await new Promise((done) => setTimeout(done, 300))
    const left = await count()
    expect(left).toBeGreaterThanOrEqual(1000)
    expect(left).toBeLessThan(10_000)
    expect(left % 500).toBe(0)
    const { code, report } = await importing(lines)
    expect({ code, report }).toEqual({
      code: 0,
      report: {
        dry_run: false,
        lines: 10_000,
        importable: 10_000 - left,
        imported: 10_000 - left,
        present: left,
        failed: [],
      },
    })
    expect(await count()).toBe(10_000)
    expect(await gatehouse.fresh.database.query('SELECT 1 FROM totp_authenticators')).toHaveLength(2000)
  }, 60_000)

  it('refuses a file that is not there', async () => {
    const refusal = await gatehouse.refusal('accounts import /nowhere.jsonl')
    expect(refusal).toEqual({ error: 'unreadable_file', message: expect.stringContaining('/nowhere.jsonl') })
  })
})

describe('exporting accounts', () => {
  it('writes what another deployment, with other keys, imports to the letter', async () => {
    const many = Array.from({ length: 700 }, (_, index) => ({
      email: `many${index}@example.com`,
      sub: `many-${index}`,
    }))
    await importing([
      ...many,
      dora,
      { email: 'fire@example.com', password_hash: firebase, disabled: true },
      { email: 'code@example.com', password_hash: bcrypt, totp_secret: totpSecret },
    ])
    const [row] = await gatehouse.fresh.database.query<{ password_hash: string }>(
      "SELECT password_hash FROM accounts WHERE email = 'fire@example.com'",
    )
    expect(row?.password_hash).not.toContain(signerKey)
    const { stdout } = await gatehouse.run('accounts export')
    expect(stdout).toContain(totpSecret)
    expect(stdout).toContain(firebase)
    const other = await createGatehouse()
    const env = { GATEHOUSE_SEALING_KEY: Buffer.alloc(32, 9).toString('base64url') }
    const imported = await other.json('accounts import -', { stdin: `\ufeff${stdout}`, env })
    expect(imported).toMatchObject({ imported: 703, failed: [] })
    expect((await other.run('accounts export', { env })).stdout).toBe(stdout)
    await other.close()
  })
})
