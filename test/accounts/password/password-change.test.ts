import { createAccountStore } from '../../../src/accounts/account-store.ts'
import { createHashSchemes } from '../../../src/accounts/password/imported/hash-schemes.ts'
import { createPasswords } from '../../../src/accounts/password/password.ts'
import { createPasswordChange } from '../../../src/accounts/password/password-change.ts'
import { createPasswordPolicy } from '../../../src/accounts/password/password-policy.ts'
import { createPasswordQueue } from '../../../src/accounts/password/password-queue.ts'
import { createPasswordStore } from '../../../src/accounts/password/password-store.ts'
import { loadConfig } from '../../../src/config.ts'
import { createSealing } from '../../../src/sealing.ts'
import { type FreshDatabase, freshDatabase } from '../../support/fresh-database.ts'

const schemes = createHashSchemes({ sealing: createSealing([Buffer.alloc(32, 1)]) })
const { password: rules } = loadConfig({ root: '/tmp', env: { GATEHOUSE_SEALING_KEY: 'A'.repeat(43) } })
let fresh: FreshDatabase
beforeAll(async () => {
  fresh = await freshDatabase()
})
afterAll(() => fresh.drop())

const set = (changes: Partial<typeof rules>, queue = createPasswordQueue()) => {
  const accounts = createAccountStore(fresh)
  const passwordStore = createPasswordStore(fresh)
  const passwords = createPasswords({ queue, schemes })
  const policy = createPasswordPolicy({
    rules: { ...rules, ...changes },
    productName: 'Gatehouse',
    strength: { score: async () => ({ ok: true, value: 4 }) },
    passwords,
    now: () => new Date(),
  })
  return { accounts, passwords, ...createPasswordChange({ passwordStore, policy, passwords }) }
}

let counter = 0
async function person(parts: ReturnType<typeof set>, passwordHash?: string) {
  const made = await parts.accounts.insert({
    email: `p${++counter}@example.com`,
    name: 'Wilhelmina Bell',
    passwordHash,
  })
  if (!made.ok) throw new Error(made.reason)
  return made.account
}
const alone = { hasSecondFactor: false }
const nth = (n: number) => `quiet otters juggle ${n} lamps`

describe('changing a password', () => {
  it('sets it, ends what was begun under the old one, and says what is wrong with a bad one', async () => {
    const parts = set({})
    const account = await person(parts)
    expect(await parts.change(account, nth(1), alone)).toEqual({ ok: true, securityVersion: 2 })
    const after = await parts.accounts.findByEmail(account.email)
    expect(after).toMatchObject({ securityVersion: 2, isPasswordShort: false, passwordChangedAt: expect.any(Date) })
    expect(await parts.passwords.check(after, nth(1))).toMatchObject({ ok: true })
    expect(await parts.change(account, 'short', alone)).toEqual({
      ok: false,
      reason: 'refused',
      problem: { key: 'password.too_short', values: { minimum: 15 } },
    })
    expect(await parts.change(account, 'Wilhelmina Bell!', alone)).toMatchObject({
      problem: { key: 'password.personal' },
    })
  })

  it('takes a short one beside a second factor, and remembers that it is', async () => {
    const parts = set({})
    const account = await person(parts)
    expect(await parts.change(account, 'kT7#vQ2!', { hasSecondFactor: true })).toMatchObject({ ok: true })
    expect(await parts.accounts.find(account.sub)).toMatchObject({ isPasswordShort: true })
    await parts.change(account, nth(1), { hasSecondFactor: true })
    expect(await parts.accounts.find(account.sub)).toMatchObject({ isPasswordShort: false })
  })

  it('lets any come back unless history is kept', async () => {
    const parts = set({})
    const account = await person(parts)
    for (const n of [1, 1, 2, 1]) expect(await parts.change(account, nth(n), alone)).toMatchObject({ ok: true })
    expect(await fresh.database.query('SELECT 1 FROM password_history WHERE sub = $1', [account.sub])).toEqual([])
  })

  it('refuses the present one and the last N, and forgets those before', async () => {
    const parts = set({ historySize: 2 })
    const account = await person(parts)
    for (const n of [1, 2, 3, 4]) expect(await parts.change(account, nth(n), alone)).toMatchObject({ ok: true })
    for (const n of [4, 3, 2])
      expect(await parts.change(account, nth(n), alone)).toEqual({
        ok: false,
        reason: 'refused',
        problem: { key: 'password.used_before' },
      })
    expect(await parts.change(account, nth(1), alone)).toMatchObject({ ok: true })
  })

  it('refuses the present one where passwords expire, also one that came from another system', async () => {
    const parts = set({ maxAgeDays: 90 })
    const { hash } = await import('@node-rs/bcrypt')
    const account = await person(parts, await hash(nth(7), { cost: 4 }))
    expect(await parts.change(account, nth(7), alone)).toMatchObject({ problem: { key: 'password.used_before' } })
    expect(await parts.change(account, nth(8), alone)).toMatchObject({ ok: true })
    expect(await parts.change(account, nth(7), alone)).toMatchObject({ ok: true })
  })

  it('says that it is busy, and leaves the password as it was', async () => {
    const parts = set({}, createPasswordQueue({ concurrency: 0, waiting: 0 }))
    const account = await person(parts)
    expect(await parts.change(account, nth(1), alone)).toEqual({ ok: false, reason: 'busy' })
    expect(await parts.accounts.find(account.sub)).toMatchObject({ hasPassword: false, securityVersion: 1 })
  })

  it('refuses where the account is gone', async () => {
    const parts = set({})
    const account = await person(parts)
    await parts.accounts.remove(account.sub)
    await expect(parts.change(account, nth(1), alone)).rejects.toMatchObject({ status: 404 })
  })
})
