// A database with accounts, and factors on it as the server builds them; a second node is a second pool.
import { randomBytes, randomUUID } from 'node:crypto'
import { createAccountStore } from '../../../src/accounts/account-store.ts'
import { createEmailCodes } from '../../../src/accounts/factors/email-codes.ts'
import { createFactorResealing } from '../../../src/accounts/factors/factor-resealing.ts'
import { createFactorStore } from '../../../src/accounts/factors/factor-store.ts'
import { createPasskeys } from '../../../src/accounts/factors/passkeys.ts'
import { createRecoveryCodes } from '../../../src/accounts/factors/recovery-codes.ts'
import { createTotp } from '../../../src/accounts/factors/totp.ts'
import { createDatabase, type Database } from '../../../src/database/database.ts'
import { createSealing } from '../../../src/sealing.ts'
import { freshDatabase } from '../../support/fresh-database.ts'

export const issuer = 'https://id.example.com'

/** A clock that a test turns, in milliseconds. */
export interface Clock {
  now: number
}

export function factorsOn(database: Database, keys: Buffer[], clock: Clock) {
  const sealing = createSealing(keys)
  return {
    sealing,
    store: createFactorStore({ canUseEmailCodes: true, database }),
    totp: createTotp({ database, sealing, issuerName: 'Gatehouse', now: () => clock.now }),
    recoveryCodes: createRecoveryCodes({ database, sealing }),
    passkeys: createPasskeys({ database, issuer, productName: 'Gatehouse' }),
    emailCodes: createEmailCodes({ database, sealing }),
    resealing: createFactorResealing({ database, sealing }),
  }
}

export type Factors = ReturnType<typeof factorsOn>

export async function factorWorld() {
  const fresh = await freshDatabase({ poolSize: 10 })
  const clock: Clock = { now: Date.now() }
  const key = randomBytes(32)
  const accounts = createAccountStore({ database: fresh.database })
  const extraPools: Database[] = []
  return {
    ...factorsOn(fresh.database, [key], clock),
    url: fresh.url,
    database: fresh.database,
    accounts,
    clock,
    key,
    /** The same, with a pool and keys of its own. */
    otherNode: (keys: Buffer[] = [key], change: (database: Database) => Database = (same) => same) => {
      const { url } = fresh
      const pool = createDatabase({ url, poolSize: 8, preparedStatements: true, onError: () => undefined })
      extraPools.push(pool)
      return factorsOn(change(pool), keys, clock)
    },
    makeAccount: async () => {
      const sub = randomUUID()
      const made = await accounts.insert({ sub, email: `${sub}@example.com` })
      if (!made.ok) throw new Error(made.reason)
      return made.account
    },
    drop: async () => {
      await Promise.all(extraPools.map((pool) => pool.end()))
      await fresh.drop()
    },
  }
}

export type FactorWorld = Awaited<ReturnType<typeof factorWorld>>

/** Trials by how many of their contenders got through. */
export async function tally(trials: number, trial: (index: number) => Promise<boolean[]>) {
  const bySuccesses: Record<number, number> = {}
  for (let index = 0; index < trials; index += 1) {
    const successes = (await trial(index)).filter(Boolean).length
    bySuccesses[successes] = (bySuccesses[successes] ?? 0) + 1
  }
  return bySuccesses
}

/** What nobody should be able to pass for a code of six digits. */
export const junk: unknown[] = [
  ...['', ' ', '12345', '1234567', '12a456', '-12345', '+12345', '1e5', '0x1234', '12.456', '１２３４５６', '١٢٣٤٥٦'],
  ...['१२३४५६', '123456\u0000', "' OR 1=1 --", '\ud800', '9'.repeat(1_048_576), ' '.repeat(1_048_576)],
  ...[undefined, null, 123456, ['123456'], { code: '123456' }, true, Number.NaN],
]
