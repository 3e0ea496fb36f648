import { generate } from 'otplib'
import { freshDatabase } from '../../support/fresh-database.ts'
import { type FactorWorld, factorsOn, factorWorld } from './factor-world.ts'

let world: FactorWorld

beforeAll(async () => {
  world = await factorWorld()
})
afterAll(() => world.drop())

const nothing = { hasTotp: false, passkeys: 0, recoveryCodesLeft: 0, hasEmailCode: false }

async function withEverything() {
  const account = await world.makeAccount()
  const { secret, enrolment } = await world.totp.begin(account)
  await world.totp.confirm(account.sub, enrolment, await generate({ secret, epoch: world.clock.now / 1000 }))
  await world.recoveryCodes.regenerate(account.sub)
  await world.store.setEmailCode(account.sub, true)
  await world.database.query(
    "INSERT INTO passkeys (credential_id, sub, public_key, sign_count, name, multi_device) VALUES ($1, $1, '', 0, 'Key', true)",
    [account.sub],
  )
  return account
}

describe('which factors an account has', () => {
  it('is told in one statement', async () => {
    const statements: string[] = []
    const fresh = await freshDatabase({ onQuery: (text) => void statements.push(text) })
    try {
      const { store } = factorsOn(fresh.database, [world.key], world.clock)
      expect(await store.summary('nobody')).toEqual(nothing)
      expect(statements).toHaveLength(1)
    } finally {
      await fresh.drop()
    }
    const { sub } = await withEverything()
    const all = { hasTotp: true, passkeys: 1, recoveryCodesLeft: 10, hasEmailCode: true }
    expect(await world.store.summary(sub)).toEqual(all)
    expect(await world.store.summary((await world.makeAccount()).sub)).toEqual(nothing)
  })

  it('changes when codes by mail are switched, and says whether it did', async () => {
    const { sub } = await world.makeAccount()
    expect(await world.store.setEmailCode(sub, true)).toBe(true)
    expect(await world.store.setEmailCode(sub, true)).toBe(false)
    expect(await world.store.summary(sub)).toMatchObject({ hasEmailCode: true })
    expect(await world.store.setEmailCode(sub, false)).toBe(true)
    expect(await world.store.setEmailCode('nobody', true)).toBe(false)
  })
})

describe('taking all factors away', () => {
  it('leaves none of this account, all of the others, and a higher security version', async () => {
    const [one, other] = [await withEverything(), await withEverything()]
    expect(await world.store.removeAll(one.sub)).toBe(true)
    expect(await world.store.summary(one.sub)).toEqual(nothing)
    expect(await world.store.summary(other.sub)).toMatchObject({ hasTotp: true, passkeys: 1, recoveryCodesLeft: 10 })
    expect((await world.accounts.find(one.sub))?.securityVersion).toBe(one.securityVersion + 1)
    expect(await world.store.removeAll('nobody')).toBe(false)
  })
})
