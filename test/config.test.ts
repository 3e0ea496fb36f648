// What the environment may say, and how every problem is told at once.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError, loadConfig } from '../src/config.ts'

const root = mkdtempSync(join(tmpdir(), 'gatehouse-config-'))
afterAll(() => rmSync(root, { recursive: true }))

const key = Buffer.alloc(32, 1).toString('base64url')
const production = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://localhost/gatehouse',
  GATEHOUSE_ISSUER: 'https://login.example.com',
  GATEHOUSE_SEALING_KEY: key,
  GATEHOUSE_COOKIE_KEYS: 'a-cookie-key-of-more-than-32-characters',
  GATEHOUSE_SMTP_URL: 'smtps://user:password@smtp.example.com',
}

const problemsOf = (env: Record<string, string>, nodeVersion = '24.0.0'): string[] => {
  try {
    loadConfig({ env, root, nodeVersion })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems
  }
}

describe('a production start', () => {
  it('accepts a complete environment', () => {
    expect(problemsOf(production)).toEqual([])
  })

  it('lists every development default at once, each with its fix', () => {
    const problems = problemsOf({ NODE_ENV: 'production' }, '20.20.2')
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      'GATEHOUSE_ISSUER',
      'DATABASE_URL',
      'GATEHOUSE_SEALING_KEY',
      'GATEHOUSE_COOKIE_KEYS',
      'GATEHOUSE_SMTP_URL',
      'Node 20.20.2 is too old',
    ])
  })

  it('wants https, unless it is told otherwise by name', () => {
    const http = { ...production, GATEHOUSE_ISSUER: 'http://login.example.com' }
    expect(problemsOf(http)).toEqual([expect.stringContaining('GATEHOUSE_INSECURE_HTTP=true')])
    expect(problemsOf({ ...http, GATEHOUSE_INSECURE_HTTP: 'true' })).toEqual([])
  })

  it.each(Object.keys(production).filter((name) => name !== 'NODE_ENV'))('misses %s by name', (name) => {
    const { [name as keyof typeof production]: _, ...rest } = production
    expect(problemsOf(rest)).toEqual([expect.stringContaining(name)])
  })
})

describe('the environment', () => {
  it.each([
    [{ PORT: 'eighty' }, 'PORT'],
    [{ GATEHOUSE_ISSUER: 'https://login.example.com/' }, 'write https://login.example.com'],
    [{ GATEHOUSE_ISSUER: 'https://login.example.com/auth' }, 'without path'],
    [{ GATEHOUSE_ISSUER: 'ftp://login.example.com' }, 'not an http(s) URL'],
    [{ GATEHOUSE_SEALING_KEY: 'short' }, '32 random bytes'],
    [{ GATEHOUSE_COOKIE_KEYS: 'short' }, '32 characters'],
    [{ DATABASE_URL: 'mysql://localhost' }, 'postgres://'],
    [{ GATEHOUSE_SMTP_URL: 'smtp.example.com:587' }, 'GATEHOUSE_SMTP_URL'],
    [{ GATEHOUSE_SMTP_URL: 'https://smtp.example.com' }, 'must be smtp://'],
    [{ GATEHOUSE_SMTP_URL: 'smtp://' }, 'must be smtp://'],
    [{ GATEHOUSE_SMTP_URL: 'smtp://only-a-user@smtp.example.com' }, 'must be smtp://'],
    [{ GATEHOUSE_SMTP_URL: 'smtp://user:50%@smtp.example.com' }, '%-encoded'],
    [{ GATEHOUSE_SMTP_URL: 'smtp://smtp.example.com/?tls.rejectUnauthorized=false' }, 'must be smtp://'],
    [{ GATEHOUSE_SMTP_URL: 'smtp://smtp.example.com?starttls=maybe' }, 'must be smtp://'],
    [{ GATEHOUSE_MAIL_FROM: 'nobody' }, 'must be an address'],
    [{ GATEHOUSE_MAIL_FROM: 'a@example.com, b@example.com' }, 'must be an address'],
    [{ GATEHOUSE_MAIL_FROM: 'Bad\r\nBcc: <b@example.com>' }, 'must be an address'],
    [{ GATEHOUSE_SIGN_UP: 'maybe' }, 'GATEHOUSE_SIGN_UP'],
    [{ GATEHOUSE_PASSWORD_MIN_LENGTH: '7' }, 'GATEHOUSE_PASSWORD_MIN_LENGTH'],
    [{ GATEHOUSE_PASSWORD_MIN_LENGTH: '65' }, 'GATEHOUSE_PASSWORD_MIN_LENGTH'],
    [
      { GATEHOUSE_PASSWORD_MIN_LENGTH_WITH_SECOND_FACTOR: '16' },
      'must not be more than GATEHOUSE_PASSWORD_MIN_LENGTH (15)',
    ],
    [{ GATEHOUSE_PASSWORD_MIN_STRENGTH: '5' }, 'GATEHOUSE_PASSWORD_MIN_STRENGTH'],
    [{ GATEHOUSE_PASSWORD_COMPOSITION: 'lower,emoji' }, 'GATEHOUSE_PASSWORD_COMPOSITION'],
    [{ GATEHOUSE_PASSWORD_HISTORY: '25' }, 'GATEHOUSE_PASSWORD_HISTORY'],
    [{ GATEHOUSE_PASSWORD_MAX_AGE_DAYS: '-1' }, 'GATEHOUSE_PASSWORD_MAX_AGE_DAYS'],
    [{ GATEHOUSE_BOOTSTRAP_ADMIN_EMAIL: 'a@example.com' }, 'both or neither'],
  ])('refuses %j', (env, text) => {
    expect(problemsOf(env).join('\n')).toContain(text)
  })

  it('is taken as unset where it is empty', () => {
    expect(problemsOf({ PORT: '', DATABASE_URL: '', GATEHOUSE_ISSUER: '' })).toEqual([])
  })

  it('may name files for secrets', () => {
    const file = join(root, 'sealing-key')
    writeFileSync(file, `${key}\n`)
    const config = loadConfig({ env: { GATEHOUSE_SEALING_KEY_FILE: file }, root })
    expect(config.sealingKeys[0]?.toString('base64url')).toBe(key)
    expect(problemsOf({ GATEHOUSE_SEALING_KEY_FILE: join(root, 'missing') })).toEqual([
      expect.stringContaining('cannot be read'),
    ])
    expect(problemsOf({ GATEHOUSE_SEALING_KEY_FILE: file, GATEHOUSE_SEALING_KEY: key })).toEqual([
      expect.stringContaining('only one'),
    ])
  })

  it('makes the sealing key of a developer’s machine once, for its owner only', () => {
    const first = loadConfig({ env: {}, root })
    const file = join(root, 'keys/development-sealing-key')
    expect(existsSync(file)).toBe(true)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(loadConfig({ env: {}, root }).sealingKeys).toEqual(first.sealingKeys)
    expect(readFileSync(file, 'utf8').trim()).toHaveLength(43)
  })

  it('cannot be changed once it is read', () => {
    const config = loadConfig({ env: {}, root })
    expect(() => Object.assign(config, { issuer: 'https://evil.example' })).toThrow(TypeError)
    expect(() => Object.assign(config.http, { port: 1 })).toThrow(TypeError)
  })
})

describe('the settings for mail', () => {
  const mailOf = (env: Record<string, string>) => loadConfig({ env, root }).mail
  const server = (url: string) => mailOf({ GATEHOUSE_SMTP_URL: url }).server

  it('are none in development: messages stay in the mailbox', () => {
    expect(mailOf({})).toEqual({ server: undefined, from: { name: 'Gatehouse', address: 'no-reply@localhost' } })
  })

  it.each([
    ['smtps://me:p%40ss%3A@smtp.example.com', { isSecure: true, port: 465, user: 'me', password: 'p@ss:' }],
    ['smtp://me:pass@smtp.example.com', { isSecure: false, port: 587, startTls: 'required' }],
    ['smtp://me:pass@smtp.example.com:2525?starttls=optional', { port: 2525, startTls: 'optional' }],
    ['smtp://me:pass@127.0.0.1:1025', { host: '127.0.0.1', port: 1025, startTls: 'optional' }],
    ['smtp://mailpit:1025', { host: 'mailpit', user: undefined, password: undefined, startTls: 'required' }],
    ['smtp://mailpit:1025?starttls=off', { host: 'mailpit', port: 1025, startTls: 'off' }],
    ['smtp://[::1]?starttls=off', { host: '::1', port: 25, startTls: 'off' }],
  ])('understand %s', (url, expected) => {
    expect(server(url)).toMatchObject(expected)
  })

  it.each([
    ['no-reply@example.com', '', 'no-reply@example.com'],
    ['Example <no-reply@example.com>', 'Example', 'no-reply@example.com'],
    ['"Example, Ltd." <no-reply@example.com>', 'Example, Ltd.', 'no-reply@example.com'],
    ['Größe 書店 <post@bücher.example>', 'Größe 書店', 'post@bücher.example'],
  ])('understand the sender %s', (text, name, address) => {
    expect(mailOf({ GATEHOUSE_MAIL_FROM: text }).from).toEqual({ name, address })
  })

  it('derive the sender from the issuer', () => {
    const env = (issuer: string) => mailOf({ GATEHOUSE_ISSUER: issuer }).from.address
    expect(env('https://login.example.com')).toBe('no-reply@login.example.com')
    expect(env('http://192.0.2.1:3000')).toBe('no-reply@localhost')
  })
})
