import * as argon2 from 'argon2'
import { createHashSchemes } from '../../../src/accounts/password/imported/hash-schemes.ts'
import { createPasswords } from '../../../src/accounts/password/password.ts'
import { hash, needsRehash, unmatchableHash, verify } from '../../../src/accounts/password/password-hash.ts'
import { createPasswordQueue } from '../../../src/accounts/password/password-queue.ts'
import { createSealing } from '../../../src/sealing.ts'

const schemes = createHashSchemes({ sealing: createSealing([Buffer.alloc(32, 1)]) })

const password = 'correct horse battery staple'
const account = (passwordHash: string | undefined, disabledAt?: Date) => ({ passwordHash, disabledAt })

describe('hashing a password', () => {
  it('uses argon2id with the parameters that OWASP asks for, and a salt of its own each time', async () => {
    const [one, two] = await Promise.all([hash(password), hash(password)])
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(one).not.toBe(two)
    expect(await verify(one, password)).toBe(true)
    expect(await verify(one, `${password} `)).toBe(false)
  })

  it('takes a password typed composed or decomposed for the same', async () => {
    const stored = await hash('Zürich im Winter é'.normalize('NFD'))
    expect(await verify(stored, 'Zürich im Winter é'.normalize('NFC'))).toBe(true)
  })

  it('keeps characters apart that only look alike', async () => {
    expect(await verify(await hash('x² + y² = z² always'), 'x2 + y2 = z2 always')).toBe(false)
  })

  it('asks for a new hash when the parameters have been raised or the kind is another', async () => {
    expect(needsRehash(await hash(password))).toBe(false)
    expect(needsRehash(await argon2.hash(password, { memoryCost: 7168, timeCost: 5, parallelism: 1 }))).toBe(true)
    expect(
      needsRehash(
        await argon2.hash(password, { type: argon2.argon2i, memoryCost: 19_456, timeCost: 2, parallelism: 1 }),
      ),
    ).toBe(true)
  })

  it('has a hash that costs the same and fits nothing', async () => {
    expect(needsRehash(unmatchableHash())).toBe(false)
    expect((await hash(password)).length).toBe(unmatchableHash().length)
    expect(await verify(unmatchableHash(), '')).toBe(false)
  })
})

describe('checking a password', () => {
  const passwords = createPasswords({ queue: createPasswordQueue(), schemes })

  it('accepts the right one and says whether to hash it anew', async () => {
    const old = await argon2.hash(password, { memoryCost: 7168, timeCost: 5, parallelism: 1 })
    expect(await passwords.check(account(await hash(password)), password)).toEqual({ ok: true, needsRehash: false })
    expect(await passwords.check(account(old), password)).toEqual({ ok: true, needsRehash: true })
  })

  it('answers the same for a wrong password, no account, one without a password and a disabled one', async () => {
    const stored = await hash(password)
    for (const [candidate, typed] of [
      [account(stored), 'wrong horse battery staple'],
      [undefined, password],
      [account(undefined), password],
      [account(stored, new Date()), password],
    ] as const) {
      expect(await passwords.check(candidate, typed)).toEqual({ ok: false, reason: 'wrong' })
    }
  })

  it('hashes no more than 256 characters of what is sent to it', async () => {
    const long = 'x'.repeat(257)
    expect(await passwords.check(account(await hash(long)), long)).toEqual({ ok: false, reason: 'wrong' })
    const longest = 'xy🐎 '.repeat(64)
    expect(await passwords.check(account(await hash(longest)), longest)).toEqual({ ok: true, needsRehash: false })
  })

  it('takes as long for an unknown account as for a wrong password', async () => {
    const known = account(await hash(password))
    // Processor time of all threads, in milliseconds: by the clock, whatever else the machine does would count as well.
    const time = async (candidate: typeof known | undefined) => {
      const before = process.cpuUsage()
      await passwords.check(candidate, 'wrong horse battery staple')
      const { user, system } = process.cpuUsage(before)
      return (user + system) / 1000
    }
    const differences: number[] = []
    for (let pair = 0; pair < 30; pair += 1) {
      const first = await time(pair % 2 ? known : undefined)
      const second = await time(pair % 2 ? undefined : known)
      differences.push(pair % 2 ? second - first : first - second)
    }
    const median = differences.toSorted((a, b) => a - b)[15]
    expect(Math.abs(median ?? Number.NaN)).toBeLessThanOrEqual(5)
  })
})
