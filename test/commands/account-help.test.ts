import { join } from 'node:path'
import { createAccountStore } from '../../src/accounts/account-store.ts'
import { createActivityLog } from '../../src/accounts/activity-log.ts'
import { createDevices } from '../../src/accounts/devices/devices.ts'
import { createFactorStore } from '../../src/accounts/factors/factor-store.ts'
import { createRecoveryCodes } from '../../src/accounts/factors/recovery-codes.ts'
import { createTotp } from '../../src/accounts/factors/totp.ts'
import { createMailQueueStore } from '../../src/mail/mail-queue-store.ts'
import { codeOf } from '../support/authenticator-app.ts'
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

const database = () => gatehouse.fresh.database
const store = () => createAccountStore(gatehouse.fresh)
const letters = async (to: string) => {
  const { sealing } = gatehouse
  const kept = await createMailQueueStore({ database: database(), sealing, keepsMessages: true }).listKept(500)
  return kept.filter((letter) => letter.to === to)
}
const passkey = (sub: string) =>
  database().query(
    `INSERT INTO passkeys (credential_id, sub, public_key, sign_count, name, multi_device) VALUES ($1, $1, '', 0, 'Key', true)`,
    [sub],
  )

describe('inviting', () => {
  it('makes an account without a password, and writes to its owner in the name of the deployment', async () => {
    const env = { GATEHOUSE_BRANDING_DIR: join(import.meta.dirname, '../../examples/branding') }
    const args = ['accounts', 'invite', '--email', 'ida@example.com', '--name', 'Ida Roth', '--role', 'owner']
    const made = await gatehouse.json<AccountJson>(args, { env })
    expect(made).toMatchObject({
      email: 'ida@example.com',
      name: 'Ida Roth',
      roles: ['owner'],
      email_verified: false,
      has_password: false,
    })
    const week = Date.parse(String(made.invitation_expires_at)) - Date.now()
    expect(week / 86_400_000).toBeCloseTo(7, 2)
    const [letter, ...more] = await letters('ida@example.com')
    expect(more).toEqual([])
    expect(letter?.subject).toMatch(/^You are invited to Northwind/)
    expect(letter?.text).toContain(`${gatehouse.issuer}/invitation/`)
  })

  it('says where the message went, in words', async () => {
    const { code, stdout, stderr } = await gatehouse.run('accounts invite --email word@example.com')
    expect(code).toBe(0)
    expect(stdout).toMatch(/An invitation goes to word@example.com. It works once, until 20\S+Z\.\n$/)
    expect(stderr).toBe(`It is shown at ${gatehouse.issuer}/dev/mailbox.\n`)
  })

  it('refuses what it must, and then neither makes an account nor writes to anybody', async () => {
    const before = await database().query('SELECT 1 FROM mail_queue')
    expect(await gatehouse.refusal('accounts invite --email IDA@example.com')).toMatchObject({ error: 'email_taken' })
    expect(await gatehouse.refusal('accounts invite --email nobody')).toMatchObject({ error: 'invalid' })
    expect(await gatehouse.refusal('accounts invite nobody@example.com')).toMatchObject({ error: 'not_found' })
    const other = { GATEHOUSE_SEALING_KEY: Buffer.alloc(32, 8).toString('base64url') }
    const asked = 'accounts invite --email other@example.com'
    expect(await gatehouse.refusal(asked, { env: other })).toMatchObject({ error: 'sealing_key' })
    expect(await store().findByEmail('other@example.com')).toBeUndefined()
    expect(await database().query('SELECT 1 FROM mail_queue')).toHaveLength(before.length)
  })

  it.each(['invite', 'invite ida@example.com --email ida@example.com', 'invite ida@example.com --name Ida'])(
    'takes accounts %s for wrong usage',
    async (args) => {
      const { code, stderr } = await gatehouse.run(`accounts ${args}`)
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^invite: .*\n$/) })
    },
  )

  it('again is for those who have no way in yet', async () => {
    expect(await gatehouse.json('accounts invite ida@example.com')).toMatchObject({ email: 'ida@example.com' })
    expect(await letters('ida@example.com')).toHaveLength(2)
    const stdin = 'seven quiet otters juggle'
    const { sub } = await gatehouse.json<AccountJson>('accounts create --email in@example.com --password-stdin', {
      stdin,
    })
    expect(await gatehouse.refusal(`accounts invite ${sub}`)).toMatchObject({ error: 'accepted' })
    const keyed = await gatehouse.json<AccountJson>('accounts create --email key@example.com')
    await passkey(keyed.sub)
    expect(await gatehouse.refusal(`accounts invite ${keyed.sub}`)).toMatchObject({ error: 'accepted' })
    const { sub: off } = await gatehouse.json<AccountJson>('accounts create --email off@example.com')
    await gatehouse.json(`accounts disable ${off}`)
    expect(await gatehouse.refusal(`accounts invite ${off}`)).toMatchObject({ error: 'disabled' })
    for (const email of ['in@example.com', 'key@example.com', 'off@example.com'])
      expect(await letters(email)).toEqual([])
  })
})

describe('a one-time link', () => {
  it('is printed once, and stored as a digest only', async () => {
    const made = await gatehouse.json<{ url: string }>('accounts one-time-link ida@example.com')
    expect(made).toEqual({ sub: expect.any(String), url: expect.any(String), expires_at: expect.any(String) })
    const token = made.url.replace(`${gatehouse.issuer}/reset-password/`, '')
    expect(token).toMatch(/^[\w-]{43}$/)
    const rows = await database().query("SELECT * FROM one_time_links WHERE purpose = 'reset-password'")
    expect(rows).toHaveLength(1)
    expect(JSON.stringify(rows)).not.toContain(token)
    const { stdout } = await gatehouse.run('accounts one-time-link ida@example.com')
    expect(stdout).toMatch(
      /^http:\/\/localhost:1\/reset-password\/[\w-]{43}\n\nWhoever opens it sets the password of ida/,
    )
  })

  it('lives from a minute to a week, and is not made for a disabled account', async () => {
    for (const ttl of [59, 604_801])
      expect(await gatehouse.refusal(`accounts one-time-link ida@example.com --ttl ${ttl}`)).toEqual({
        error: 'invalid',
        message: '--ttl must be from 60 to 604800 seconds.',
      })
    expect(await gatehouse.refusal('accounts one-time-link off@example.com')).toMatchObject({ error: 'disabled' })
    expect(await gatehouse.refusal('accounts one-time-link nobody')).toMatchObject({ error: 'not_found' })
  })
})

describe('second factors', () => {
  it('are shown with the browsers that are known, and all taken away', async () => {
    const { sealing } = gatehouse
    const account = await gatehouse.json<AccountJson>('accounts create --email many@example.com')
    const { sub } = account
    const totp = createTotp({ database: database(), sealing, issuerName: 'Gatehouse', now: Date.now })
    const begun = await totp.begin(account)
    expect((await totp.confirm(sub, begun.enrolment, await codeOf(begun.secret))).ok).toBe(true)
    await createRecoveryCodes({ database: database(), sealing }).regenerate(sub)
    await passkey(sub)
    await createFactorStore({ database: database(), canUseEmailCodes: true }).setEmailCode(sub, true)
    const visit = { address: '127.0.0.1', userAgent: '', remember: true, hasShownFactor: true }
    const devices = createDevices({ database: database(), sealing })
    const { token } = await devices.noteSignIn(undefined, sub, visit)
    await database().query(
      `INSERT INTO sign_in_throttle (key, kind, sub, failures, in_a_row, blocked_until, updated_at)
       SELECT sha256(kind::bytea), kind, $1, 100, 100, now(), now() FROM unnest(ARRAY['code', 'code-device', 'password']) AS kind`,
      [sub],
    )
    await database().query("UPDATE accounts SET delete_after = '2040-01-02T03:04:05Z' WHERE sub = $1", [sub])

    const factors = { totp: true, passkeys: 1, recovery_codes: 10, email_codes: true }
    expect(await gatehouse.json(`accounts show ${sub}`)).toMatchObject({
      factors,
      devices: 1,
      delete_after: '2040-01-02T03:04:05.000Z',
    })
    const { stdout } = await gatehouse.run(`accounts show ${sub}`)
    expect(stdout).toMatch(/^second factors +authenticator app, one passkey, codes by mail, 10 recovery codes$/m)
    expect(stdout).toMatch(/^deleted after +2040-01-02T03:04:05.000Z$/m)

    expect(await gatehouse.json(`accounts reset-mfa many@example.com`)).toEqual({ sub, removed: factors })
    expect(await gatehouse.json(`accounts show ${sub}`)).toMatchObject({
      factors: { totp: false, passkeys: 0, recovery_codes: 0, email_codes: false },
      locks: [{ kind: 'password' }],
    })
    expect(await devices.find(token, sub)).toMatchObject({ isRemembered: false, hasShownFactor: false })
    const happened = await createActivityLog(gatehouse.fresh).list(sub, { limit: 10 })
    expect(happened.map(({ type, details }) => [type, details.factor, details.by]).reverse()).toEqual(
      ['totp', 'passkey', 'email_code'].map((factor) => ['factor_removed', factor, 'operator']),
    )
    expect((await letters('many@example.com')).map(({ subject }) => subject)).toEqual([
      'Your second steps were removed',
    ])
  })

  it('that are not there are nothing to write about, but sessions end all the same', async () => {
    const { sub } = await gatehouse.json<AccountJson>('accounts create --email none@example.com')
    await database().query(
      `INSERT INTO sessions (uid, sub, payload, expires_at) VALUES ('of-none', $1, '{}', now() + interval '1 day')`,
      [sub],
    )
    const { stdout, stderr } = await gatehouse.run(`accounts reset-mfa ${sub}`)
    expect(stdout).toBe(`Removed from none@example.com (${sub}): none. It is signed out everywhere.\n`)
    expect(stderr).toContain('It has no password')
    expect(await database().query("SELECT 1 FROM sessions WHERE uid = 'of-none'")).toEqual([])
    expect(await letters('none@example.com')).toEqual([])
    expect(await gatehouse.refusal('accounts reset-mfa nobody@example.com')).toMatchObject({ error: 'not_found' })
  })
})

describe('signing out', () => {
  it('ends sessions, and tells the owner’s activity', async () => {
    const { sub } = await gatehouse.json<AccountJson>('accounts create --email out@example.com')
    await database().query(
      `INSERT INTO sessions (uid, sub, payload, expires_at) VALUES ('of-out', $1, '{}', now() + interval '1 day')`,
      [sub],
    )
    expect(await gatehouse.json('accounts sign-out out@example.com')).toEqual({ sub, signed_out: true })
    expect(await database().query("SELECT 1 FROM sessions WHERE uid = 'of-out'")).toEqual([])
    const [latest] = await createActivityLog(gatehouse.fresh).list(sub, { limit: 1 })
    expect(latest).toMatchObject({ type: 'sessions_ended', address: '', details: { by: 'operator' } })
    expect(await gatehouse.refusal('accounts sign-out nobody')).toMatchObject({ error: 'not_found' })
  })
})
