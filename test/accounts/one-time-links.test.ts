import { randomBytes } from 'node:crypto'
import { createAccountStore } from '../../src/accounts/account-store.ts'
import { createOneTimeLinkStore } from '../../src/accounts/one-time-link-store.ts'
import { createSealing } from '../../src/sealing.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'

let fresh: FreshDatabase
let links: ReturnType<typeof createOneTimeLinkStore>
const sealingKey = randomBytes(32)

beforeAll(async () => {
  fresh = await freshDatabase({ poolSize: 10 })
  links = createOneTimeLinkStore({ database: fresh.database, sealing: createSealing([sealingKey]) })
})

afterAll(() => fresh.drop())

/** As another request would: on a connection of its own, outside the transaction under way. */
const outside = <T>(work: () => Promise<T>) => fresh.database.independently(work)

describe('a link that works once', () => {
  it('is found as often as one looks and redeemed once', async () => {
    const token = await links.create('set-up', { seconds: 60 })
    expect(token).toMatch(/^[\w-]{43}$/)
    expect(await links.find('set-up', token)).toEqual({ sub: undefined, details: {} })
    expect(await links.find('set-up', token)).toEqual({ sub: undefined, details: {} })
    expect(await links.redeem('set-up', token)).toEqual({ sub: undefined, details: {} })
    expect(await links.redeem('set-up', token)).toBeUndefined()
    expect(await links.find('set-up', token)).toBeUndefined()
  })

  it('names the account that it is for, and goes with it', async () => {
    const accounts = createAccountStore({ database: fresh.database })
    await accounts.insert({ sub: 'anna', email: 'anna@example.com' })
    const token = await links.create('recovery', { sub: 'anna', seconds: 60 })
    expect(await links.find('recovery', token)).toEqual({ sub: 'anna', details: {} })
    await accounts.remove('anna')
    expect(await links.redeem('recovery', token)).toBeUndefined()
  })

  it('serves no other purpose, and survives the attempt', async () => {
    const token = await links.create('set-up', { seconds: 60 })
    expect(await links.redeem('recovery', token)).toBeUndefined()
    expect(await links.redeem('set-up', `${token.slice(0, -2)}AA`)).toBeUndefined()
    expect(await links.redeem('set-up', token)).toBeDefined()
  })

  it('expires by the clock of the database', async () => {
    const token = await links.create('set-up', { seconds: 60 })
    await fresh.database.query("UPDATE one_time_links SET expires_at = clock_timestamp() + interval '50 ms'")
    expect(await links.find('set-up', token)).toBeDefined()
    await new Promise((done) => setTimeout(done, 60))
    expect(await links.find('set-up', token)).toBeUndefined()
    expect(await links.redeem('set-up', token)).toBeUndefined()
  })

  it('is withdrawn with all others of its purpose', async () => {
    const [one, two] = [
      await links.create('set-up', { seconds: 60 }),
      await links.create('recovery', { seconds: 60 }),
    ] as const
    await links.removeAll('set-up')
    expect(await links.find('set-up', one)).toBeUndefined()
    expect(await links.find('recovery', two)).toBeDefined()
  })

  it('is not in the database: neither the token nor its bytes', async () => {
    const token = await links.create('set-up', { seconds: 60 })
    const rows = await fresh.database.query<{ row: string }>('SELECT one_time_links::text AS row FROM one_time_links')
    const all = rows.map(({ row }) => row).join('\n')
    expect(all).toContain('set-up')
    expect(all).not.toContain(token)
    expect(all).not.toContain(Buffer.from(token, 'base64url').toString('hex'))
    expect(all).not.toContain(Buffer.from(token).toString('hex'))
  })

  it('lives on while the sealing key is rotated', async () => {
    const token = await links.create('set-up', { seconds: 60 })
    const sealing = createSealing([randomBytes(32), sealingKey])
    const rotated = createOneTimeLinkStore({ database: fresh.database, sealing })
    expect(await rotated.redeem('set-up', token)).toBeDefined()
  })

  it('comes back when the request that redeemed it fails', async () => {
    const token = await links.create('set-up', { seconds: 60 })
    const failing = fresh.database.transaction(async () => {
      expect(await links.redeem('set-up', token)).toBeDefined()
      throw new Error('the account could not be made')
    })
    await expect(failing).rejects.toThrow('could not be made')
    expect(await links.redeem('set-up', token)).toBeDefined()
  })

  it('is redeemed by exactly one of eight at once, 25 times over', async () => {
    for (let trial = 0; trial < 25; trial += 1) {
      const token = await links.create('set-up', { seconds: 60 })
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => links.redeem('set-up', token)))
      expect(outcomes.filter(Boolean)).toHaveLength(1)
    }
  })
})

describe('a link that was made under the credentials of an account', () => {
  const rise = (sub: string) =>
    fresh.database.query('UPDATE accounts SET security_version = security_version + 1 WHERE sub = $1', [sub])
  const make = async (sub: string) => {
    await createAccountStore({ database: fresh.database }).insert({ sub, email: `${sub}@example.com` })
    return links.create('reset', { sub, seconds: 60, securityVersion: 1, details: { from: 'the sign-in page' } })
  }

  it('brings along what was noted when it was made', async () => {
    const token = await make('berta')
    const link = { sub: 'berta', details: { from: 'the sign-in page' } }
    expect(await links.find('reset', token)).toEqual(link)
    expect(await links.redeem('reset', token)).toEqual(link)
    expect(await links.redeem('reset', token)).toBeUndefined()
  })

  it('is dead once they have changed', async () => {
    const token = await make('carla')
    const lasting = await links.create('not-me', { sub: 'carla', seconds: 60 })
    await rise('carla')
    expect(await links.find('reset', token)).toBeUndefined()
    expect(await links.redeem('reset', token)).toBeUndefined()
    expect(await links.redeem('not-me', lasting)).toBeDefined()
  })

  it('is dead where it names no account', async () => {
    const token = await links.create('reset', { seconds: 60, securityVersion: 1 })
    expect(await links.find('reset', token)).toBeUndefined()
    expect(await links.redeem('reset', token)).toBeUndefined()
  })

  it('waits for a change under way, and is then dead', async () => {
    const token = await make('dora')
    let redeemed: Promise<unknown> = Promise.resolve()
    await fresh.database.transaction(async () => {
      await rise('dora')
      redeemed = outside(() => links.redeem('reset', token))
      await new Promise((done) => setTimeout(done, 100))
    })
    expect(await redeemed).toBeUndefined()
  })

  it('makes a change wait until what it was redeemed for is done', async () => {
    const token = await make('emma')
    const order: string[] = []
    let change: Promise<unknown> = Promise.resolve()
    await fresh.database.transaction(async () => {
      expect(await links.redeem('reset', token)).toBeDefined()
      change = outside(() => rise('emma')).then(() => order.push('change'))
      await new Promise((done) => setTimeout(done, 100))
      order.push('redeemed')
    })
    await change
    expect(order).toEqual(['redeemed', 'change'])
  })

  it('is redeemed by exactly one of eight at once, and never beside a change, 25 times over', async () => {
    for (let trial = 0; trial < 25; trial += 1) {
      const sub = `trial-${trial}`
      const token = await make(sub)
      const [changed, ...outcomes] = await Promise.all([
        trial % 2 ? rise(sub) : undefined,
        ...Array.from({ length: 8 }, () => links.redeem('reset', token)),
      ])
      const winners = outcomes.filter(Boolean).length
      if (changed) expect(winners).toBeLessThanOrEqual(1)
      else expect(winners).toBe(1)
    }
  })
})
