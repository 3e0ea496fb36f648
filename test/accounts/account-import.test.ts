// Imports that meet others: people who sign up meanwhile, and the same file twice at once.
import { createAccountStore } from '../../src/accounts/account-store.ts'
import { createHashSchemes } from '../../src/accounts/password/imported/hash-schemes.ts'
import { createAccountImport, type ImportedAccount } from '../../src/accounts/transfer/account-import.ts'
import { createAccountTransferStore } from '../../src/accounts/transfer/account-transfer-store.ts'
import { createSealing } from '../../src/sealing.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'

let fresh: FreshDatabase
beforeAll(async () => {
  fresh = await freshDatabase()
})
afterAll(() => fresh.drop())

const sealing = createSealing([Buffer.alloc(32, 1)])
const begin = () => {
  const store = createAccountTransferStore(fresh)
  return createAccountImport({ store, schemes: createHashSchemes({ sealing }), sealing }).begin()
}
const people = (prefix: string, count: number): ImportedAccount[] =>
  Array.from({ length: count }, (_, index) => ({
    line: index + 1,
    account: { email: `${prefix}${index}@example.com`, username: `${prefix}-${index}` },
    totpSecret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP',
    isDisabled: false,
  }))
const states = (checked: { state: string }[]) => checked.map(({ state }) => state)

describe('an import', () => {
  it('never overwrites who took an address or a username since the file was checked', async () => {
    const run = begin()
    const checked = await run.check(people('meanwhile', 4))
    expect(states(checked)).toEqual(['new', 'new', 'new', 'new'])
    const accounts = createAccountStore(fresh)
    await accounts.insert({ email: 'MEANWHILE1@example.com', name: 'Quicker' })
    await accounts.insert({ email: 'quicker@example.com', username: 'Meanwhile-2' })
    const inserted = await run.insert(checked)
    expect(states(inserted)).toEqual(['new', 'wrong', 'wrong', 'new'])
    expect(inserted[1]).toMatchObject({ problems: [{ key: 'account-fields.taken_meanwhile' }] })
    expect(await accounts.findByEmail('meanwhile1@example.com')).toMatchObject({ name: 'Quicker', username: undefined })
    const secrets = await fresh.database.query('SELECT 1 FROM totp_authenticators')
    expect(secrets).toHaveLength(2)
  })

  it('of one file, run twice at the same time, makes each account once', async () => {
    const batch = people('twice', 300)
    const results = await Promise.all(
      [1, 2].map(async () => {
        const run = begin()
        return run.insert(await run.check(batch))
      }),
    )
    expect(results.flat().filter(({ state }) => state === 'new')).toHaveLength(300)
    const [row] = await fresh.database.query<{ accounts: number; secrets: number }>(
      `SELECT count(*)::int AS accounts, count(totp_authenticators.sub)::int AS secrets
       FROM accounts LEFT JOIN totp_authenticators USING (sub) WHERE email LIKE 'twice%'`,
    )
    expect(row).toEqual({ accounts: 300, secrets: 300 })
  })
})
