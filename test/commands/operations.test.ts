import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { findRunningPostgres } from '../../src/database/embedded-postgres.ts'
import { administer, databaseUrl } from '../support/fresh-database.ts'
import { startSmtpServer } from '../support/smtp-server.ts'
import { createGatehouse, type Gatehouse } from './gatehouse.ts'

interface Finding {
  check: string
  status: string
  message: string
  fix?: string
}
interface Examined {
  ok: boolean
  findings: Finding[]
}

let gatehouse: Gatehouse
let env: { DATABASE_URL: string }
const name = `t_empty_${randomBytes(6).toString('hex')}`
beforeAll(async () => {
  gatehouse = await createGatehouse()
  await administer(gatehouse.fresh.url, `CREATE DATABASE ${name}`)
  env = { DATABASE_URL: databaseUrl(gatehouse.fresh.url, name) }
})
afterAll(async () => {
  await administer(gatehouse.fresh.url, `DROP DATABASE ${name} WITH (FORCE)`)
  await gatehouse.close()
})

const production = {
  NODE_ENV: 'production',
  GATEHOUSE_ISSUER: 'http://localhost:1',
  GATEHOUSE_INSECURE_HTTP: 'true',
  GATEHOUSE_COOKIE_KEYS: 'k'.repeat(40),
  GATEHOUSE_SMTP_URL: 'smtp://127.0.0.1:9',
}

describe('an empty database', () => {
  it('is refused in production, with what to do', async () => {
    const { code, stderr } = await gatehouse.run('clients list', { env: { ...env, ...production } })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^[^\n]*run gatehouse migrate up\.\n$/)
    const { stdout } = await gatehouse.run('doctor --json', { env: { ...env, ...production } })
    const { findings } = JSON.parse(stdout) as Examined
    expect(findings).toContainEqual(expect.objectContaining({ check: 'schema', status: 'broken' }))
  })

  it('is migrated by hand, up and down', async () => {
    type Status = { applied: string[]; pending: string[]; unknown: string[] }
    const status = () => gatehouse.json<Status>('migrate status', { env })
    const before = await status()
    expect(before).toMatchObject({ applied: [], unknown: [] })
    expect(await gatehouse.json('migrate up', { env })).toEqual({ applied: before.pending })
    expect(await gatehouse.json('migrate down', { env })).toEqual({ reverted: before.pending.slice(-1) })
    expect((await status()).pending).toEqual(before.pending.slice(-1))
  })

  it('is brought up by any command in development', async () => {
    expect(await gatehouse.json('apis list', { env })).toEqual({ apis: [] })
    expect(await gatehouse.json('migrate status', { env })).toMatchObject({ pending: [] })
  })

  it('reports a migration that cannot wait any longer for a lock, in one line', async () => {
    const client = new pg.Client({ connectionString: env.DATABASE_URL })
    await client.connect()
    await client.query('BEGIN')
    // Whatever the last migration is about.
    const tables =
      "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public' AND tablename !~ '^knex'"
    const { rows } = await client.query<{ name: string }>(tables)
    await client.query(`LOCK TABLE ${rows.map(({ name }) => name).join(', ')}`)
    const refusal = await gatehouse.refusal('migrate down', { env })
    expect(refusal).toEqual({ error: 'migration_failed', message: expect.stringContaining('lock timeout') })
    await client.end()
  })
})

describe('gatehouse doctor', () => {
  const examine = (more: Record<string, string> = {}) => gatehouse.json<Examined>('doctor', { env: more })
  const finding = ({ findings }: Examined, check: string) => findings.filter((one) => one.check === check)

  it('has nothing broken to tell about a new database', async () => {
    const examined = await examine()
    expect(examined.ok).toBe(true)
    expect(new Set(examined.findings.map(({ check }) => check))).toEqual(
      new Set([
        'node',
        'configuration',
        'database',
        'clock',
        'schema',
        'sealing key',
        'keys',
        'admin API',
        'clients',
        'second factors',
        'passwords',
        'mail queue',
        'mail',
      ]),
    )
    for (const check of ['database', 'clock', 'schema']) expect(finding(examined, check)[0]?.status).toBe('ok')
  })

  it('warns of a production server without TLS, and of clients that are set up riskily', async () => {
    await gatehouse.json('token issue --admin')
    const { client_id: id } = await gatehouse.json<{ client_id: string }>(
      'clients create --type web --name Risky --redirect-uri http://localhost/cb --no-pkce',
    )
    await gatehouse.json(`clients update ${id} --disable`)
    const smtp = await startSmtpServer()
    const examined = await examine({ ...production, GATEHOUSE_SMTP_URL: `smtp://127.0.0.1:${smtp.port}` })
    await smtp.stop()
    expect(finding(examined, 'mail')[0]?.status).toBe('ok')
    expect(smtp).toMatchObject({ connections: 1, received: [] })
    expect(examined.ok).toBe(true)
    expect(examined.findings).toContainEqual(
      expect.objectContaining({ status: 'warning', message: expect.stringContaining('GATEHOUSE_INSECURE_HTTP') }),
    )
    const clients = finding(examined, 'clients').map(({ message }) => message)
    expect(clients).toEqual(['without PKCE', 'without TLS', 'disabled'].map((text) => expect.stringContaining(text)))
    expect(finding(examined, 'keys')[0]?.status).toBe('ok')
    expect(finding(examined, 'sealing key')[0]?.message).toContain('was sealed with')
  })

  it('says where mail goes in development', async () => {
    expect(finding(await examine(), 'mail')[0]?.message).toContain('/dev/mailbox')
  })

  it('exits with 1 where the mail server cannot be used, and never tells its password', async () => {
    const smtp = await startSmtpServer({ onAuth: (_, __, done) => done(new Error('Invalid username or password')) })
    const url = (port: number) => ({ GATEHOUSE_SMTP_URL: `smtp://me:hush-hush@127.0.0.1:${port}` })
    const refused = await gatehouse.run('doctor', { env: url(smtp.port) })
    await smtp.stop()
    const gone = await gatehouse.run('doctor', { env: url(smtp.port) })
    for (const { code, stdout } of [refused, gone]) {
      expect(code).toBe(1)
      expect(stdout).toMatch(/^BROKEN {3}mail: 127\.0\.0\.1:\d+ cannot be used: .*\n {9}Check GATEHOUSE_SMTP_URL/m)
      expect(stdout).not.toContain('hush')
      expect(stdout).not.toContain(Buffer.from('\0me\0hush-hush').toString('base64'))
    }
    expect(refused.stdout).toContain('AUTH PLAIN: 535')
    expect(gone.stdout).toContain('ECONNREFUSED')
  })

  it('exits with 1 on another sealing key, and says how to mend it', async () => {
    const other = { GATEHOUSE_SEALING_KEY: Buffer.alloc(32, 8).toString('base64url') }
    const { code, stdout, stderr } = await gatehouse.run('doctor', { env: other })
    expect(code).toBe(1)
    expect(stdout).toMatch(/^BROKEN {3}sealing key: .*\n {9}.*GATEHOUSE_SEALING_KEYS_OLD/m)
    expect(stderr).toBe('One thing is broken.\n')
  })

  it('warns when the issuer is not the one that the server has', async () => {
    const examined = await examine({ GATEHOUSE_ISSUER: 'http://localhost:2' })
    expect(finding(examined, 'admin API')[0]).toMatchObject({ status: 'warning' })
  })

  it('finds a rotation that nobody finished', async () => {
    const update = `UPDATE signing_keys SET retires_at = now() + interval '1 hour' WHERE alg = 'ES256'`
    await gatehouse.fresh.database.query(update)
    const { stdout } = await gatehouse.run('doctor --json')
    expect(finding(JSON.parse(stdout), 'keys')[0]).toMatchObject({
      status: 'broken',
      fix: expect.stringContaining('rotate'),
    })
    await gatehouse.fresh.database.query('UPDATE signing_keys SET retires_at = NULL')
  })

  it('tells every problem of the configuration, and a database that is not there', async () => {
    const wrong = await gatehouse.run('doctor --json', { env: { PORT: 'x', GATEHOUSE_ISSUER: 'nowhere' } })
    expect({ code: wrong.code, found: (JSON.parse(wrong.stdout) as Examined).findings.length }).toEqual({
      code: 1,
      found: 2,
    })
    const gone = await gatehouse.run('doctor --json', { env: { DATABASE_URL: 'postgres://me:hush@127.0.0.1:1/x' } })
    expect(finding(JSON.parse(gone.stdout), 'database')[0]).toMatchObject({ status: 'broken' })
    expect(gone.stdout + gone.stderr).not.toContain('hush')
  })
})

describe('the embedded database', () => {
  it('is started by a command that needs it, keeps what was written, and is stopped again', async () => {
    const embedded = { DATABASE_URL: undefined }
    const args = 'apis create --audience urn:kept --name Kept'
    expect(await gatehouse.json(args, { env: embedded })).toMatchObject({ audience: 'urn:kept' })
    expect(await findRunningPostgres(gatehouse.dataDir)).toBeUndefined()
    expect(await gatehouse.json('apis list', { env: embedded })).toMatchObject({ apis: [{ audience: 'urn:kept' }] })
    const printed = await gatehouse.json<{ DATABASE_URL: unknown }>('config print', { env: embedded })
    expect(printed.DATABASE_URL).toBeNull()
  })
})
