// A database with the throttle on two nodes, and the hand that moves time.
import { randomBytes } from 'node:crypto'
import { createFactorThrottle } from '../../../src/accounts/sign-in/factor-throttle.ts'
import { createMailThrottle } from '../../../src/accounts/sign-in/mail-throttle.ts'
import { createMailThrottleStore } from '../../../src/accounts/sign-in/mail-throttle-store.ts'
import { createSignInThrottle } from '../../../src/accounts/sign-in/sign-in-throttle.ts'
import { createSignInThrottleStore } from '../../../src/accounts/sign-in/sign-in-throttle-store.ts'
import { createDatabase, type Database } from '../../../src/database/database.ts'
import { DatabaseUnavailable } from '../../../src/database/faults.ts'
import { createSealing } from '../../../src/sealing.ts'
import { freshDatabase } from '../../support/fresh-database.ts'

const sealing = createSealing([randomBytes(32)])

export const throttlesOn = (database: Database) => {
  const store = createSignInThrottleStore({ database })
  return {
    store,
    signIn: createSignInThrottle({ store, sealing }),
    factor: createFactorThrottle({ store, sealing }),
    mail: createMailThrottle({ store: createMailThrottleStore({ database }), sealing }),
  }
}

export type ThrottleWorld = Awaited<ReturnType<typeof throttleWorld>>

export async function throttleWorld() {
  const fresh = await freshDatabase()
  const other = createDatabase({ url: fresh.url, poolSize: 5, preparedStatements: true, onError: () => undefined })
  const { database } = fresh
  return {
    database,
    other,
    url: fresh.url,
    nodes: [throttlesOn(database), throttlesOn(other)] as const,
    clear: () => database.query('TRUNCATE sign_in_throttle, mail_throttle, accounts CASCADE'),
    makeAccount: async (sub: string) => {
      await database.query('INSERT INTO accounts (sub, email) VALUES ($1, $2)', [sub, `${sub}@example.com`])
      return sub
    },
    /** As if that much time had gone by since everything that is stored. */
    pass: (seconds: number) =>
      database.query(
        `UPDATE sign_in_throttle SET blocked_until = blocked_until - make_interval(secs => $1),
           updated_at = updated_at - make_interval(secs => $1), expires_at = expires_at - make_interval(secs => $1)`,
        [seconds],
      ),
    /** A new connection for each of `count` nodes, opened beforehand: a lock is waited for no longer than a second. */
    openNodes: async (count: number) => {
      const opened = Array.from({ length: count }, () =>
        createDatabase({ url: fresh.url, poolSize: 1, preparedStatements: true, onError: () => undefined }),
      )
      await Promise.all(
        [...opened, ...opened].map((node) => node.independently(() => node.query('SELECT pg_sleep(0.05)'))),
      )
      return opened
    },
    close: async () => {
      await other.end()
      await fresh.drop()
    },
  }
}

export interface Burst {
  passed: number
  /** The delays that end while a slow machine still works through the burst let one more in each: 1, 3, 7 … seconds. */
  late: number
  unanswered: number
}

/** All at once; where the machine is too slow to answer in time, a try is refused (503) and nothing is looked at. */
export async function burst(count: number, attempt: (number: number) => Promise<{ ok: boolean }>): Promise<Burst> {
  const start = performance.now()
  const outcomes = await Promise.allSettled(Array.from({ length: count }, (_, number) => attempt(number)))
  const late = Math.floor(Math.log2((performance.now() - start) / 1000 + 1))
  const passed = outcomes.filter((outcome) => outcome.status === 'fulfilled' && outcome.value.ok).length
  const faults = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
  for (const fault of faults) expect(fault).toBeInstanceOf(DatabaseUnavailable)
  return { passed, late, unanswered: faults.length }
}
