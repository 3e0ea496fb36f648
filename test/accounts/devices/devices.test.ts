import { randomBytes } from 'node:crypto'
import { createDevices } from '../../../src/accounts/devices/devices.ts'
import { createPasswordStore } from '../../../src/accounts/password/password-store.ts'
import { createExpiryStore } from '../../../src/oidc/storage/expiry-store.ts'
import { createSealing } from '../../../src/sealing.ts'
import { type FreshDatabase, freshDatabase } from '../../support/fresh-database.ts'

const [oldKey, newKey] = [randomBytes(32), randomBytes(32)]
let fresh: FreshDatabase
let devices: ReturnType<typeof createDevices>

beforeAll(async () => {
  fresh = await freshDatabase()
  devices = createDevices({ database: fresh.database, sealing: createSealing([oldKey]) })
})
beforeEach(async () => {
  await fresh.database.query('TRUNCATE accounts CASCADE')
  await fresh.database.query(
    "INSERT INTO accounts (sub, email) VALUES ('anna', 'anna@example.com'), ('bert', 'bert@example.com')",
  )
})
afterAll(() => fresh.drop())

const visit = { address: '192.0.2.1', userAgent: 'Mozilla/5.0 Firefox/140.0', remember: false, hasShownFactor: false }
const remembering = { ...visit, remember: true }
const days = 24 * 3600
const pass = (seconds: number) =>
  fresh.database.query(
    `UPDATE devices SET last_seen_at = last_seen_at - make_interval(secs => $1),
       remembered_until = remembered_until - make_interval(secs => $1)`,
    [seconds],
  )
/** The browser's token from then on. */
const signIn = async (sub = 'anna', how = visit, token?: string) => (await devices.noteSignIn(token, sub, how)).token
const isRemembered = async (token: string) => (await devices.find(token, 'anna'))?.isRemembered

describe('a browser', () => {
  it('is known to an account once it has signed in there, and to no other', async () => {
    expect(await devices.find(randomBytes(32).toString('base64url'), 'anna')).toBeUndefined()
    const first = await devices.noteSignIn(undefined, 'anna', visit)
    expect(first.isNew).toBe(true)
    expect(await devices.noteSignIn(first.token, 'anna', visit)).toEqual({ isNew: false, token: first.token })
    const known = { id: expect.any(String), isRemembered: false, hasShownFactor: false }
    expect(await devices.find(first.token, 'anna')).toEqual(known)
    expect(await devices.find(first.token, 'bert')).toBeUndefined()
    const second = await devices.noteSignIn(first.token, 'bert', visit)
    expect(second.isNew).toBe(true)
    expect((await devices.find(second.token, 'bert'))?.id).not.toBe((await devices.find(second.token, 'anna'))?.id)
  })

  it('gets another token where trust begins, so that a copy of the one before is a stranger', async () => {
    const copied = await signIn('bert')
    const first = await signIn('anna', visit, copied)
    expect([await devices.find(copied, 'anna'), await devices.find(copied, 'bert')]).toEqual([undefined, undefined])
    expect(await devices.find(first, 'bert')).toBeDefined()
    const trusted = await signIn('anna', remembering, first)
    expect(await devices.find(first, 'anna')).toBeUndefined()
    expect(await devices.find(trusted, 'anna')).toMatchObject({ isRemembered: true })
  })

  it('has shown a second factor only when it has', async () => {
    const token = await signIn()
    expect(await devices.find(token, 'anna')).toMatchObject({ hasShownFactor: false })
    await signIn('anna', { ...visit, hasShownFactor: true }, token)
    await signIn('anna', visit, token)
    expect(await devices.find(token, 'anna')).toMatchObject({ hasShownFactor: true })
  })

  it('is listed with where and when it was seen last, the latest first, its token nowhere', async () => {
    const tokens = [await signIn(), await signIn()] as const
    await signIn('anna', { ...remembering, address: '192.0.2.7' }, tokens[0])
    const [first, second] = await devices.list('anna')
    expect(first).toMatchObject({
      address: '192.0.2.7',
      rememberedUntil: expect.any(Date),
      createdAt: expect.any(Date),
    })
    expect(second).toMatchObject({ address: '192.0.2.1', rememberedUntil: undefined })
    const rows = await fresh.database.query("SELECT *, encode(key, 'escape') FROM devices")
    for (const token of tokens) expect(JSON.stringify(rows)).not.toContain(token)
  })

  it('is forgotten when its owner says so, and by nobody else', async () => {
    const token = await signIn('anna', remembering)
    const { id } = (await devices.find(token, 'anna')) ?? { id: '' }
    expect(await devices.forget('bert', id)).toBe(false)
    for (const junk of ['', '1', "' OR 1=1", 'a'.repeat(10_000), '\0'])
      expect(await devices.forget('anna', junk)).toBe(false)
    expect(await devices.forget('anna', id)).toBe(true)
    expect(await devices.forget('anna', id)).toBe(false)
    expect(await devices.find(token, 'anna')).toBeUndefined()
  })

  it('goes with all others, but not with those of others', async () => {
    for (const sub of ['anna', 'anna', 'bert']) await signIn(sub)
    expect(await devices.forgetAll('anna')).toBe(2)
    expect(await devices.list('bert')).toHaveLength(1)
  })

  it('is one of fifty at most: those that were not seen for longest go', async () => {
    const first = await signIn()
    for (let number = 0; number < 50; number += 1) await signIn()
    expect(await devices.list('anna')).toHaveLength(50)
    expect(await devices.find(first, 'anna')).toBeUndefined()
    await Promise.all(Array.from({ length: 30 }, () => signIn()))
    await signIn()
    expect(await devices.list('anna')).toHaveLength(50)
  })

  it('is forgotten after 180 days without a visit', async () => {
    await signIn()
    await pass(181 * days)
    await signIn()
    await createExpiryStore(fresh).removeExpired()
    expect(await devices.list('anna')).toHaveLength(1)
  })

  it.each([
    '',
    'x',
    'a'.repeat(42),
    'a'.repeat(44),
    `${'a'.repeat(42)}=`,
    `${'a'.repeat(42)}\n`,
    `${'a'.repeat(42)}\0`,
    undefined,
  ])('with junk for a token is a stranger, and asks the database nothing: %j', async (token) => {
    const deaf = createDevices({
      database: { ...fresh.database, query: () => Promise.reject(new Error('was asked')) },
      sealing: createSealing([oldKey]),
    })
    expect(await deaf.find(token, 'anna')).toBeUndefined()
  })

  it('stays known while the sealing key is being rotated, and after', async () => {
    const token = await signIn('anna', remembering)
    const both = createDevices({ database: fresh.database, sealing: createSealing([newKey, oldKey]) })
    expect(await both.find(token, 'anna')).toMatchObject({ isRemembered: true })
    expect(await both.noteSignIn(token, 'anna', visit)).toEqual({ isNew: false, token })
    const after = createDevices({ database: fresh.database, sealing: createSealing([newKey]) })
    expect(await after.find(token, 'anna')).toMatchObject({ isRemembered: true })
    expect(await devices.list('anna')).toHaveLength(1)
  })
})

describe('a remembered browser', () => {
  it('is spared the second factor for 30 days, which use does not prolong', async () => {
    const first = await signIn('anna', remembering)
    await pass(29 * days)
    await signIn('anna', visit, first)
    const token = await signIn('anna', remembering, first)
    expect(await isRemembered(token)).toBe(true)
    await pass(days + 1)
    expect(await isRemembered(token)).toBe(false)
    expect((await devices.list('anna'))[0]?.rememberedUntil).toBeUndefined()
    await signIn('anna', visit, token)
    expect(await isRemembered(token)).toBe(false)
    expect(await isRemembered(await signIn('anna', remembering, token))).toBe(true)
  })

  it('is only known when the password has changed', async () => {
    const token = await signIn('bert', remembering, await signIn('anna', remembering))
    await createPasswordStore(fresh).set('anna', { hash: 'x', isShort: false, historySize: 0 })
    expect(await isRemembered(token)).toBe(false)
    expect((await devices.find(token, 'bert'))?.isRemembered).toBe(true)
  })
})
