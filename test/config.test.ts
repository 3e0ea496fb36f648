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
