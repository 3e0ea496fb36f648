import {
  type AccountInput,
  type AccountInputChanges,
  createAccountRegistration,
} from '../../src/accounts/account-registration.ts'
import { createAccountStore } from '../../src/accounts/account-store.ts'
import { createHashSchemes } from '../../src/accounts/password/imported/hash-schemes.ts'
import { createSealing } from '../../src/sealing.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'

const argon2Hash = `$argon2id$v=19$m=19456,t=2,p=1$${'c2FsdHNhbHRzYWx0'}$${'a'.repeat(43)}`

let fresh: FreshDatabase
let store: ReturnType<typeof createAccountStore>
let registration: ReturnType<typeof createAccountRegistration>
let isBusy = false
let isPolicyBusy = false
const asked: { password: string; personalWords: string[] }[] = []

beforeAll(async () => {
  fresh = await freshDatabase()
  store = createAccountStore({ database: fresh.database })
  registration = createAccountRegistration({
    store,
    transaction: fresh.database.transaction,
    policy: {
      problem: async (password, { personalWords, hasSecondFactor }) => {
        if (isPolicyBusy) return 'busy'
        asked.push({ password, personalWords: [...personalWords] })
        return password.length < (hasSecondFactor ? 8 : 15) ? { key: 'password.too_short' } : undefined
      },
      isShort: (password) => password.length < 15,
    },
    schemes: createHashSchemes({ sealing: createSealing([Buffer.alloc(32, 1)]) }),
    requiresSecondFactor: false,
    hashPassword: async (password) =>
      isBusy ? { ok: false, reason: 'busy' } : { ok: true, hash: `$test$${password.length}` },
  })
})
afterAll(() => fresh.drop())

const made = async (input: AccountInput) => {
  const result = await registration.create(input)
  if (!result.ok) throw new Error(JSON.stringify(result))
  return result.account
}

describe('making an account', () => {
  it.each<[string, Partial<AccountInput>, keyof AccountInput]>([
    ...[
      '',
      'ann',
      'ann@',
      '@example.com',
      'ann@example',
      'a@b@example.com',
      'ann bell@example.com',
      'ann@exa mple.com',
      'ann@example..com',
      '.ann@example.com',
      'ann.@example.com',
      'ann@-example.com',
      'ann@example.com\nBcc: b@example.com',
      'ann\u0000@example.com',
      'ann\u202e@example.com',
      '<ann@example.com>',
      'ann@example.com,bob@example.com',
      `${'a'.repeat(65)}@example.com`,
      `ann@${'a'.repeat(250)}.com`,
    ].map((email): [string, Partial<AccountInput>, keyof AccountInput] => [
      `the address ${JSON.stringify(email.slice(0, 40))}`,
      { email },
      'email',
    ]),
    ['an empty name', { name: ' ' }, 'name'],
    ['a name with a line break', { name: 'a\nb' }, 'name'],
    ['a role that is no name', { roles: ['owner', 'a god'] }, 'roles'],
    ['a role without a name', { roles: [''] }, 'roles'],
    ['more roles than anybody has', { roles: Array.from({ length: 51 }, (_, index) => `role-${index}`) }, 'roles'],
    ['a sub like a client id', { sub: 'client_1' }, 'sub'],
    ['a sub like a built-in client id', { sub: 'gatehouse-x' }, 'sub'],
    ['a sub with a space', { sub: 'a b' }, 'sub'],
    ['an endless sub', { sub: 'a'.repeat(256) }, 'sub'],
    ['a weak password', { password: 'short' }, 'password'],
    ['a password and a hash', { password: 'a long enough password', passwordHash: argon2Hash }, 'password'],
    ...['ab', 'a'.repeat(65), 'ann@home', '.ann', 'ann-', 'ann bell', 'jörg', 'аnn', 'an\nn', 'ann＠home'].map(
      (username): [string, Partial<AccountInput>, keyof AccountInput] => [
        `the username ${JSON.stringify(username)}`,
        { username },
        'username',
      ],
    ),
    ['a locale that is none', { locale: 'de_AT!' }, 'locale'],
    ['a bare hash', { passwordHash: 'd41d8cd98f00b204e9800998ecf8427e' }, 'passwordHash'],
    ['an impossible time', { createdAt: new Date('never') }, 'createdAt'],
  ])('refuses %s', async (_, change, field) => {
    const result = await registration.create({ email: 'good@example.com', ...change })
    expect(result).toEqual({ ok: false, problems: [expect.objectContaining({ field, key: expect.any(String) })] })
    expect(await store.list({ limit: 100 })).toEqual([])
  })

  it.each(['ann@example.com', "o'neil+tag@mail.example.co.uk", 'root@localhost', 'jörg@münchen.example'])(
    'accepts the address %s',
    async (email) => {
      expect(await made({ email: ` ${email} ` })).toMatchObject({ email, isEmailVerified: false, roles: [] })
    },
  )

  it('keeps what another system knew', async () => {
    const createdAt = new Date('2020-01-02T03:04:05Z')
    const account = await made({
      email: 'old@example.com',
      name: ' Old ',
      isEmailVerified: true,
      sub: 'auth0|1',
      createdAt,
      passwordHash: argon2Hash,
      roles: ['owner', 'owner'],
    })
    expect(account).toMatchObject({ name: 'Old', isEmailVerified: true, sub: 'auth0|1', createdAt, roles: ['owner'] })
    expect(await store.findByEmail('OLD@example.com')).toMatchObject({ passwordHash: argon2Hash })
  })

  it('asks about a password with the person’s own words, and stores its hash only', async () => {
    await made({ email: 'pat.lee@example.com', name: 'Pat Lee', password: 'correct horse battery' })
    expect(asked.at(-1)?.personalWords).toEqual([
      'pat.lee@example.com',
      'pat.lee',
      'example.com',
      'Pat Lee',
      'Pat',
      'Lee',
    ])
    expect((await store.findByEmail('pat.lee@example.com'))?.passwordHash).toBe('$test$21')
  })

  it('says that the address or the sub is taken, or that it is too busy to hash', async () => {
    await made({ email: 'taken@example.com', sub: 'taken' })
    expect(await registration.create({ email: 'TAKEN@example.com' })).toEqual({ ok: false, reason: 'email_taken' })
    expect(await registration.create({ email: 'x@example.com', sub: 'taken' })).toEqual({
      ok: false,
      reason: 'sub_taken',
    })
    isBusy = true
    const busy = await registration.create({ email: 'busy@example.com', password: 'correct horse battery' })
    isBusy = false
    expect(busy).toEqual({ ok: false, reason: 'busy' })
    isPolicyBusy = true
    const unjudged = await registration.create({ email: 'busy@example.com', password: 'correct horse battery' })
    isPolicyBusy = false
    expect(unjudged).toEqual({ ok: false, reason: 'busy' })
    expect(await store.findByEmail('busy@example.com')).toBeUndefined()
  })
})

describe('usernames and claims', () => {
  it('keeps a username as it is written, and knows it in any case', async () => {
    const { sub } = await made({ email: 'named@example.com', username: ' Ann.Bell_2-x ' })
    expect(await store.find(sub)).toMatchObject({ username: 'Ann.Bell_2-x' })
    expect(await store.findByIdentifier('ANN.BELL_2-X')).toMatchObject({ sub })
    expect(await registration.create({ email: 'other@example.com', username: 'ann.bell_2-X' })).toEqual({
      ok: false,
      reason: 'username_taken',
    })
  })

  it('changes it, takes it away, and says when it is taken, also to two at once', async () => {
    const [one, two] = await Promise.all([1, 2].map((n) => made({ email: `u${n}@example.com` })))
    const results = await Promise.all(
      [one, two].map((account) => registration.update(account?.sub ?? '', { username: 'wanted' })),
    )
    expect(results.filter(({ ok }) => ok)).toHaveLength(1)
    expect(results.filter((result) => 'reason' in result && result.reason === 'username_taken')).toHaveLength(1)
    const winner = results.findIndex(({ ok }) => ok)
    const sub = [one, two][winner]?.sub ?? ''
    expect(await registration.update(sub, { username: 'Wanted' })).toMatchObject({ account: { username: 'Wanted' } })
    expect(await registration.update(sub, { name: 'N' })).toMatchObject({ account: { username: 'Wanted' } })
    expect(await registration.update(sub, { username: '' })).toMatchObject({ account: { username: undefined } })
    expect(await registration.update(sub, { username: 'a@b.example' })).toMatchObject({
      problems: [{ field: 'username', key: 'account-fields.username' }],
    })
  })

  it('keeps claims in the form of the standard, and names the one that is wrong', async () => {
    const { sub, profile, locale } = await made({
      email: 'claims@example.com',
      locale: 'PT-br',
      profile: { given_name: ' Ann ', nickname: '', phone_number: '+44 (20) 7946-0018' },
    })
    expect({ profile, locale }).toEqual({
      locale: 'pt-BR',
      profile: { given_name: 'Ann', phone_number: '+442079460018' },
    })
    expect(
      await registration.update(sub, { profile: { birthdate: '1990-02-30', email: 'x@example.com' } }),
    ).toMatchObject({
      problems: [
        { field: 'profile.birthdate', key: 'account-fields.birthdate' },
        { field: 'profile.email', key: 'account-fields.unknown_claim', values: { claim: 'email' } },
      ],
    })
    expect(await registration.update(sub, { profile: {}, locale: '' })).toMatchObject({
      account: { profile: {}, locale: undefined },
    })
  })
})

describe('where everybody has a second factor', () => {
  it('takes a shorter password and remembers that it is short', async () => {
    const shorter = createAccountRegistration({
      store,
      transaction: fresh.database.transaction,
      policy: {
        problem: async (password, { hasSecondFactor }) =>
          password.length < (hasSecondFactor ? 8 : 15) ? { key: 'password.too_short' } : undefined,
        isShort: (password) => password.length < 15,
      },
      hashPassword: async () => ({ ok: true, hash: '$test$' }),
      schemes: createHashSchemes({ sealing: createSealing([Buffer.alloc(32, 1)]) }),
      requiresSecondFactor: true,
    })
    const short = await shorter.create({ email: 'short@example.com', password: 'kT7#vQ2!' })
    const long = await shorter.create({ email: 'long@example.com', password: 'kT7#vQ2!kT7#vQ3?' })
    expect([short, long]).toMatchObject([
      { account: { isPasswordShort: true } },
      { account: { isPasswordShort: false } },
    ])
    expect(await shorter.create({ email: 's@example.com', password: 'kT7#vQ2' })).toMatchObject({ ok: false })
  })
})

describe('changing an account', () => {
  it('takes a new address for unverified until it is said otherwise', async () => {
    const { sub } = await made({ email: 'first@example.com', isEmailVerified: true })
    const moved = await registration.update(sub, { email: 'second@example.com' }, 1)
    expect(moved).toMatchObject({ ok: true, account: { email: 'second@example.com', isEmailVerified: false } })
    const verified = await registration.update(sub, { isEmailVerified: true })
    expect(verified).toMatchObject({ account: { isEmailVerified: true, version: 3 } })
  })

  it.each<[string, AccountInputChanges, number | undefined, object]>([
    ['a wrong address', { email: 'x' }, undefined, { problems: [{ field: 'email' }] }],
    ['a role that is no name', { roles: ['a god'] }, undefined, { problems: [{ field: 'roles' }] }],
    ['an old version', { name: 'x' }, 9, { reason: 'version_conflict' }],
    ['a taken address', { email: 'taken@example.com' }, undefined, { reason: 'email_taken' }],
  ])('refuses %s', async (_, changes, version, refusal) => {
    const account = (await store.findByEmail('second@example.com')) ?? { sub: '' }
    expect(await registration.update(account.sub, changes, version)).toMatchObject({ ok: false, ...refusal })
    expect(await registration.update('nobody', changes, version)).toEqual({ ok: false, reason: 'not_found' })
  })

  it('says that an address is taken also when two accounts reach for it at once', async () => {
    const subs = await Promise.all([1, 2, 3, 4].map((n) => made({ email: `racer${n}@example.com` })))
    const results = await Promise.all(subs.map(({ sub }) => registration.update(sub, { email: 'prize@example.com' })))
    expect(results.filter(({ ok }) => ok)).toHaveLength(1)
    expect(results.filter((result) => 'reason' in result && result.reason === 'email_taken')).toHaveLength(3)
  })
})

describe('the last owner', () => {
  it('stays an owner, even when all are demoted at once', async () => {
    await fresh.database.query("UPDATE accounts SET roles = '{}'")
    for (let round = 0; round < 20; round += 1) {
      const owners = await Promise.all(
        [1, 2, 3].map((n) => made({ email: `owner${round}-${n}@example.com`, roles: ['owner'] })),
      )
      const results = await Promise.all(owners.map(({ sub }) => registration.update(sub, { roles: [] })))
      expect(results.filter((result) => 'reason' in result && result.reason === 'last_owner')).toHaveLength(1)
      await fresh.database.query("UPDATE accounts SET roles = '{}'")
    }
  })

  it('is not somebody who is disabled or has no role', async () => {
    const owner = await made({ email: 'one@example.com', roles: ['owner'] })
    const other = await made({ email: 'two@example.com', roles: ['owner'] })
    await store.setDisabled(other.sub, true)
    const isLast = (sub: string) => fresh.database.transaction(() => registration.isLastOwner(sub))
    expect([await isLast(owner.sub), await isLast(other.sub), await isLast('nobody')]).toEqual([true, false, false])
  })
})
