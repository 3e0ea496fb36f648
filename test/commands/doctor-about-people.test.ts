// What `doctor` finds out about people's factors, passwords, mail and brands, each as it would come about.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRecoveryCodes } from '../../src/accounts/factors/recovery-codes.ts'
import { createSealing } from '../../src/sealing.ts'
import { createGatehouse, type Gatehouse } from './gatehouse.ts'

interface Finding {
  check: string
  status: string
  message: string
  fix?: string
}

let gatehouse: Gatehouse
beforeEach(async () => {
  gatehouse = await createGatehouse()
})
afterEach(() => gatehouse.close())

async function examine(check: string, env: Record<string, string> = {}): Promise<Finding[]> {
  const { stdout } = await gatehouse.run('doctor --json', { env })
  const { findings } = JSON.parse(stdout) as { findings: Finding[] }
  return findings.filter((finding) => finding.check === check)
}
const query = (text: string, values: unknown[] = []) => gatehouse.fresh.database.query(text, values)
const makeClient = async (rule: string) => {
  const args = `clients create --type spa --name Shop --redirect-uri https://s.example/ --second-factor ${rule}`
  return (await gatehouse.json<{ client_id: string }>(args)).client_id
}
const makeAccount = async (email: string) =>
  (await gatehouse.json<{ sub: string }>(`accounts create --email ${email}`)).sub

describe('second factors', () => {
  const rule = (text: string) => ({ GATEHOUSE_SECOND_FACTOR: text })

  it('a rule for a role that nobody has obliges nobody', async () => {
    expect(await examine('second factors', rule('required-for:owner'))).toMatchObject([{ status: 'ok' }])
    const [finding, ...more] = await examine('second factors', rule('required-for:owner,suport'))
    expect(more).toEqual([])
    expect(finding).toMatchObject({
      status: 'warning',
      message: expect.stringMatching(/^GATEHOUSE_SECOND_FACTOR names suport, a role that nobody has/),
      fix: 'Correct GATEHOUSE_SECOND_FACTOR, or give somebody the role; known are owner.',
    })
    const id = await makeClient('required-for:auditor')
    expect(await examine('second factors')).toMatchObject([
      {
        status: 'warning',
        message: expect.stringContaining(`${id} (Shop) names auditor`),
        fix: expect.stringContaining(id),
      },
    ])
  })

  it('a role that somebody has is known, and counts', async () => {
    await gatehouse.json('accounts create --email helper@example.com --role support')
    expect(await examine('second factors', rule('required-for:support'))).toMatchObject([{ status: 'ok' }])
    const id = await makeClient('optional')
    expect(await examine('second factors', rule('required-for:support'))).toMatchObject([
      { status: 'warning', message: expect.stringContaining(`${id} (Shop) has the rule optional`) },
    ])
  })

  it.each([
    ['off', 'optional', /are let in without it\.$/],
    ['off', 'required-for:owner', /are let in without it\.$/],
    ['off', 'required', /lets nobody off whom that obliges\.$/],
    ['optional', 'required', /lets nobody off whom that obliges\.$/],
    ['optional', 'required-for:owner', /lets nobody off whom that obliges\.$/],
  ])('a client that asks for less is named: %s under %s', async (own, deployment, words) => {
    const id = await makeClient(own)
    expect(await examine('second factors', rule(deployment))).toMatchObject([
      {
        status: 'warning',
        message: expect.stringMatching(words),
        fix: expect.stringContaining(`${id} --second-factor default`),
      },
    ])
  })

  it.each([
    ['optional', 'optional'],
    ['required', 'optional'],
    ['required-for:owner', 'optional'],
    ['required', 'required-for:owner'],
    ['off', 'off'],
  ])('a client that asks for as much or more is left alone: %s under %s', async (own, deployment) => {
    await makeClient(own)
    expect(await examine('second factors', rule(deployment))).toMatchObject([{ status: 'ok' }])
  })

  it('what is sealed under a key that is gone is broken, and under an older one that is configured it is not', async () => {
    const lost = Buffer.alloc(32, 9)
    const sealing = createSealing([lost])
    const sub = await makeAccount('ann@example.com')
    await createRecoveryCodes({ database: gatehouse.fresh.database, sealing }).regenerate(sub)
    await query(
      `INSERT INTO totp_authenticators (sub, sealed_secret, sealing_key, last_step) VALUES ($1, 'x', $2, 0)`,
      [sub, sealing.fingerprints[0]],
    )
    expect(await examine('second factors')).toMatchObject([
      {
        status: 'broken',
        message: expect.stringMatching(/^Authenticator apps \(1\) and recovery codes \(10\) are sealed under a key/),
        fix: expect.stringContaining('GATEHOUSE_SEALING_KEYS_OLD'),
      },
    ])
    expect((await gatehouse.run('doctor')).code).toBe(1)
    const old = { GATEHOUSE_SEALING_KEYS_OLD: lost.toString('base64url') }
    expect(await examine('second factors', old)).toMatchObject([{ status: 'ok' }])
  })
})

it('imported hashes that nobody has signed in with yet are counted by their scheme', async () => {
  expect(await examine('passwords')).toMatchObject([{ status: 'ok' }])
  const hashes = [
    '$2a$10$x',
    '$2b$10$x',
    '$2y$12$x',
    '$pbkdf2-sha256$i=1$x$y',
    '$firebase-scrypt-sealed$ln=14',
    '$argon2i$v=19$x',
  ]
  for (const [index, hash] of [...hashes, '$argon2id$v=19$x', null].entries())
    await query('INSERT INTO accounts (sub, email, password_hash) VALUES ($1, $1, $2)', [`p${index}@example.com`, hash])
  expect(await examine('passwords')).toEqual([
    {
      check: 'passwords',
      status: 'warning',
      message:
        'Imported hashes have not been replaced yet: 3 with bcrypt, 1 with argon2i, 1 with firebase-scrypt, 1 with pbkdf2-sha256.',
      fix: expect.stringContaining('docs/passwords.md'),
    },
  ])
})

it('mail that waits for long, was refused, or may not have arrived is told, with what the server said', async () => {
  const insert = (state: string, age: string, reason: string | null = null) =>
    query(
      `INSERT INTO mail_queue (state, created_at, finished_at, last_error)
       VALUES ($1, now() - $2::interval, CASE WHEN $1 <> 'queued' THEN now() - $2::interval END, $3)`,
      [state, age, reason],
    )
  await insert('queued', '59 minutes')
  await insert('sent', '2 hours')
  await insert('failed', '25 hours')
  expect(await examine('mail queue')).toMatchObject([{ status: 'ok' }])
  await insert('queued', '3 hours', 'no connection: refused')
  await insert('queued', '2 hours', 'other')
  await insert('failed', '2 hours', '550 no such user')
  await insert('uncertain', '3 hours', 'silence')
  const found = await examine('mail queue')
  expect(found.map(({ status, message }) => [status, message])).toEqual([
    ['warning', '2 messages are waiting for more than an hour; the last answer was: no connection: refused.'],
    [
      'warning',
      'Messages of the last day: 1 failed, 1 may or may not have arrived; the last answer was: 550 no such user.',
    ],
  ])
  expect(found[0]?.fix).toContain('No GATEHOUSE_SMTP_URL is set here')
  const [elsewhere] = await examine('mail queue', { GATEHOUSE_SMTP_URL: 'smtp://127.0.0.1:9' })
  expect(elsewhere?.fix).toContain('reaches the mail server')
})

it('a brand of a client that is not registered is named, and that of one that is not', async () => {
  const id = await makeClient('optional')
  const folder = join(gatehouse.dataDir, 'branding')
  for (const client of [id, 'client_GONE']) {
    mkdirSync(join(folder, 'clients', client), { recursive: true })
    writeFileSync(join(folder, 'clients', client, 'branding.json'), '{ "name": "Shop" }')
  }
  const found = await examine('branding', { GATEHOUSE_BRANDING_DIR: folder })
  expect(found.map(({ status, message }) => [status, message])).toEqual([
    ['ok', expect.stringContaining('Valid')],
    ['warning', 'clients/client_GONE is the brand of no client: there is none with this id.'],
  ])
})
