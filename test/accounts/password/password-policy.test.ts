import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createHashSchemes } from '../../../src/accounts/password/imported/hash-schemes.ts'
import { createPasswords } from '../../../src/accounts/password/password.ts'
import { createPasswordPolicy, type PasswordContext } from '../../../src/accounts/password/password-policy.ts'
import { createPasswordQueue } from '../../../src/accounts/password/password-queue.ts'
import { createPasswordStrength } from '../../../src/accounts/password/password-strength.ts'
import { loadConfig } from '../../../src/config.ts'
import { createSealing } from '../../../src/sealing.ts'

const strength = createPasswordStrength({ patience: 30_000, idle: 60_000 })
afterAll(() => strength.close())
const schemes = createHashSchemes({ sealing: createSealing([Buffer.alloc(32, 1)]) })
const passwords = createPasswords({ queue: createPasswordQueue(), schemes })
const now = new Date('2026-06-01T00:00:00Z')

const policyOf = (
  env: Record<string, string> = {},
  parts: Partial<Parameters<typeof createPasswordPolicy>[0]> = {},
) => {
  const named = Object.entries(env).map(([name, value]) => [`GATEHOUSE_PASSWORD_${name}`, value])
  const { password } = loadConfig({
    root: '/tmp',
    env: { GATEHOUSE_SEALING_KEY: 'A'.repeat(43), ...Object.fromEntries(named) },
  })
  return createPasswordPolicy({
    rules: password,
    productName: 'Gatehouse',
    strength,
    passwords,
    now: () => now,
    ...parts,
  })
}
const context: PasswordContext = { personalWords: ['ann.bell@example.com', 'Ann', 'Bell'], hasSecondFactor: false }

describe('the password policy', () => {
  it.each<[Record<string, string>, string, boolean, string | undefined]>([
    // As it is by default.
    [{}, 'correct horse battery staple', false, undefined],
    [{}, 'kT7#vQ2!mZp9xLw', false, undefined],
    [{}, 'kT7#vQ2!mZp9xL', false, 'too_short'],
    [{}, 'kT7#vQ2!', true, undefined],
    [{}, 'kT7#vQ2', true, 'too_short'],
    [{}, 'password password', false, 'common'],
    [{}, 'Gatehouse-2026-11', false, 'personal'],
    [{}, 'manchesterunited', false, 'too_easy'],
    [{}, 'L1verp00l', true, 'too_easy'],
    // Length.
    [{ MIN_LENGTH: '20' }, 'correct horse batt', false, 'too_short'],
    [{ MIN_LENGTH: '10', MIN_LENGTH_WITH_SECOND_FACTOR: '10' }, 'kT7#vQ2!mZ', false, undefined],
    [{ MIN_LENGTH_WITH_SECOND_FACTOR: '12' }, 'kT7#vQ2!mZ9', true, 'too_short'],
    // Strength.
    [{ MIN_STRENGTH: '0' }, 'manchesterunited', false, undefined],
    [{ MIN_STRENGTH: '1' }, 'manchesterunited', false, undefined],
    [{ MIN_STRENGTH: '3' }, 'kT7#vQ2!', true, 'too_easy'],
    [{ MIN_STRENGTH: '4' }, 'correct horse battery staple', false, undefined],
    // Composition.
    [{ COMPOSITION: 'upper, digit' }, 'correct horse battery staple', false, 'lacks_upper'],
    [{ COMPOSITION: 'upper, digit' }, 'Correct horse battery staple', false, 'lacks_digit'],
    [{ COMPOSITION: 'upper, digit' }, 'Correct horse battery 7 staples', false, undefined],
  ])('%j: “%s”, beside a second factor: %s → %s', async (env, password, hasSecondFactor, key) => {
    const problem = await policyOf(env).problem(password, { ...context, hasSecondFactor })
    expect(typeof problem === 'object' ? problem.key : problem).toBe(key && `password.${key}`)
  })

  it('knows who the person is when it judges strength', async () => {
    const personal = { ...context, personalWords: ['zorblax', 'quimvits'] }
    const password = 'zorblaxquimvits'
    const strict = policyOf({ MIN_STRENGTH: '4' })
    expect(await strict.problem(password, { ...context, personalWords: [] })).toBeUndefined()
    expect(await strict.problem(password, personal)).toEqual({ key: 'password.too_easy' })
  })

  it('refuses what was used before, whatever it was hashed with', async () => {
    const password = 'correct horse battery staple'
    const { hash } = await import('@node-rs/bcrypt')
    const own = await passwords.hash('another horse battery staple')
    const earlierHashes = [own.ok ? own.hash : '', await hash(password, { cost: 4 }), 'junk']
    const policy = policyOf()
    expect(await policy.problem(password, { ...context, earlierHashes })).toEqual({ key: 'password.used_before' })
    expect(await policy.problem('another horse battery staple', { ...context, earlierHashes })).toEqual({
      key: 'password.used_before',
    })
    expect(await policy.problem('third horse battery staple', { ...context, earlierHashes })).toBeUndefined()
  })

  it('says that it is busy rather than let a password through unjudged', async () => {
    const busy = { ok: false, reason: 'busy' } as const
    const noStrength = policyOf({}, { strength: { score: async () => busy } })
    expect(await noStrength.problem('correct horse battery staple', context)).toBe('busy')
    const noHash = policyOf({}, { passwords: { matches: async () => busy } })
    expect(await noHash.problem('correct horse battery staple', { ...context, earlierHashes: ['x'] })).toBe('busy')
  })

  it.each<[string, string | undefined, boolean]>([
    ['0', '2000-01-01', false],
    ['90', '2026-03-04', false],
    ['90', '2026-03-02', true],
    ['90', undefined, false],
  ])('with at most %s days, a password of %s is expired: %s', (MAX_AGE_DAYS, changed, expected) => {
    const passwordChangedAt = changed ? new Date(`${changed}T00:00:00Z`) : undefined
    expect(policyOf({ MAX_AGE_DAYS }).isExpired({ passwordChangedAt })).toBe(expected)
  })

  it('tells beforehand what it asks for', () => {
    expect(policyOf().hints(false)).toEqual([{ key: 'password.hint_length', values: { minimum: 15 } }])
    expect(
      policyOf({ COMPOSITION: 'digit', HISTORY: '3' })
        .hints(true)
        .map(({ key }) => key),
    ).toEqual(['password.hint_length', 'password.hint_digit', 'password.hint_history'])
  })
})

describe('judging the strength of a password', () => {
  it('looks at 64 characters at most, and holds up nobody meanwhile', async () => {
    await strength.score('warm up', [])
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const start = performance.now()
    const hard = [`${'@4$1!0'.repeat(42)}`, '1l1l1l1l1l1l1l1l4@4@4@4@', '@a4@a4@a4$5s1il!|'.repeat(15)]
    const scores = await Promise.all([...hard, ...hard, ...hard].map((password) => strength.score(password, [])))
    delay.disable()
    expect(scores.every(({ ok }) => ok)).toBe(true)
    expect(performance.now() - start).toBeGreaterThan(100)
    // On this thread they would take most of that time in one piece each.
    expect(delay.percentile(99) / 1e6).toBeLessThan(50)
  })

  it('stops what takes too long, and goes on with the next', async () => {
    const hasty = createPasswordStrength({ patience: 1, idle: 60_000 })
    expect(await hasty.score('correct horse battery staple', [])).toEqual({ ok: false, reason: 'busy' })
    await hasty.close()
    expect(await strength.score('correct horse battery staple', [])).toEqual({ ok: true, value: 4 })
  })

  it('starts anew after it was let go', async () => {
    const lazy = createPasswordStrength({ patience: 30_000, idle: 10 })
    expect(await lazy.score('password', [])).toEqual({ ok: true, value: 0 })
    await new Promise((done) => setTimeout(done, 200))
    expect(await lazy.score('password', [])).toEqual({ ok: true, value: 0 })
    await lazy.close()
    expect(await lazy.score('password', [])).toEqual({ ok: true, value: 0 })
    await lazy.close()
  })

  it('lets few wait', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => strength.score('password', [])))
    expect(answers.filter(({ ok }) => !ok)).toHaveLength(7)
  })
})
