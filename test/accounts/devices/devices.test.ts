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

const visit = { address: '192.0.2.1', userAgent: 'Mozilla/5.0 Firefox/140.0', remember: false }
const remembering = { ...visit, remember: true }
const days = 24 * 3600
const pass = (seconds: number) =>
  fresh.database.query(
    `UPDATE devices SET last_seen_at = last_seen_at - make_interval(secs => $1),
       remembered_until = remembered_until - make_interval(secs => $1)`,
    [seconds],
  )
const isRemembered = async (token: string) => (await devices.find(token, 'anna'))?.isRemembered

describe('a browser', () => {
  it('is known to an account once it has signed in there, and to no other', async () => {
    const token = devices.newToken()
    expect(await devices.find(token, 'anna')).toBeUndefined()
    expect(await devices.noteSignIn(token, 'anna', visit)).toEqual({ isNew: true })
    expect(await devices.noteSignIn(token, 'anna', visit)).toEqual({ isNew: false })
    expect(await devices.find(token, 'anna')).toEqual({ id: expect.any(String), isRemembered: false })
    expect(await devices.find(token, 'bert')).toBeUndefined()
    expect(await devices.noteSignIn(token, 'bert', visit)).toEqual({ isNew: true })
    expect((await devices.find(token, 'bert'))?.id).not.toBe((await devices.find(token, 'anna'))?.id)
  })

  it('is new once, also when two of its tabs arrive at the same moment', async () => {
    for (let round = 0; round < 20; round += 1) {
      const token = devices.newToken()
      const answers = await Promise.all(Array.from({ length: 5 }, () => devices.noteSignIn(token, 'anna', visit)))
      expect(answers.filter(({ isNew }) => isNew)).toHaveLength(1)
    }
  })

  it('is listed with where and when it was seen last, the latest first, its token nowhere', async () => {
    const tokens = [devices.newToken(), devices.newToken()] as const
    for (const token of tokens) await devices.noteSignIn(token, 'anna', visit)
    await devices.noteSignIn(tokens[0], 'anna', { ...remembering, address: '192.0.2.7' })
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
    const token = devices.newToken()
    await devices.noteSignIn(token, 'anna', remembering)
    const { id } = (await devices.find(token, 'anna')) ?? { id: '' }
    expect(await devices.forget('bert', id)).toBe(false)
    for (const junk of ['', '1', "' OR 1=1", 'a'.repeat(10_000), '\0'])
      expect(await devices.forget('anna', junk)).toBe(false)
    expect(await devices.forget('anna', id)).toBe(true)
    expect(await devices.forget('anna', id)).toBe(false)
    expect(await devices.find(token, 'anna')).toBeUndefined()
  })

  it('goes with all others, but not with those of others', async () => {
    for (const sub of ['anna', 'anna', 'bert']) await devices.noteSignIn(devices.newToken(), sub, visit)
    expect(await devices.forgetAll('anna')).toBe(2)
    expect(await devices.list('bert')).toHaveLength(1)
  })

  it('is one of fifty at most: those that were not seen for longest go', async () => {
    const first = devices.newToken()
    await devices.noteSignIn(first, 'anna', visit)
    for (let number = 0; number < 50; number += 1) await devices.noteSignIn(devices.newToken(), 'anna', visit)
    expect(await devices.list('anna')).toHaveLength(50)
    expect(await devices.find(first, 'anna')).toBeUndefined()
    await Promise.all(Array.from({ length: 30 }, () => devices.noteSignIn(devices.newToken(), 'anna', visit)))
    await devices.noteSignIn(devices.newToken(), 'anna', visit)
    expect(await devices.list('anna')).toHaveLength(50)
  })

  it('is forgotten after 180 days without a visit', async () => {
    await devices.noteSignIn(devices.newToken(), 'anna', visit)
    await pass(181 * days)
    await devices.noteSignIn(devices.newToken(), 'anna', visit)
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
    if (token !== undefined) await expect(deaf.noteSignIn(token, 'anna', visit)).rejects.toThrow(TypeError)
  })

  it('stays known while the sealing key is being rotated, and after', async () => {
    const token = devices.newToken()
    await devices.noteSignIn(token, 'anna', remembering)
    const both = createDevices({ database: fresh.database, sealing: createSealing([newKey, oldKey]) })
    expect(await both.find(token, 'anna')).toMatchObject({ isRemembered: true })
    expect(await both.noteSignIn(token, 'anna', visit)).toEqual({ isNew: false })
    const after = createDevices({ database: fresh.database, sealing: createSealing([newKey]) })
    expect(await after.find(token, 'anna')).toMatchObject({ isRemembered: true })
    expect(await devices.list('anna')).toHaveLength(1)
  })
})

describe('a remembered browser', () => {
  it('is spared the second factor for 30 days, which use does not prolong', async () => {
    const token = devices.newToken()
    await devices.noteSignIn(token, 'anna', remembering)
    await pass(29 * days)
    await devices.noteSignIn(token, 'anna', visit)
    await devices.noteSignIn(token, 'anna', remembering)
    expect(await isRemembered(token)).toBe(true)
    await pass(days + 1)
    expect(await isRemembered(token)).toBe(false)
    expect((await devices.list('anna'))[0]?.rememberedUntil).toBeUndefined()
    await devices.noteSignIn(token, 'anna', visit)
    expect(await isRemembered(token)).toBe(false)
    await devices.noteSignIn(token, 'anna', remembering)
    expect(await isRemembered(token)).toBe(true)
  })

  it('is only known when the password has changed', async () => {
    const token = devices.newToken()
    await devices.noteSignIn(token, 'anna', remembering)
    await devices.noteSignIn(token, 'bert', remembering)
    await createPasswordStore(fresh).set('anna', { hash: 'x', isShort: false, historySize: 0 })
    expect(await isRemembered(token)).toBe(false)
    expect((await devices.find(token, 'bert'))?.isRemembered).toBe(true)
  })
})
