// Stores each account's authenticator app: its sealed seed, and the last time step whose code was accepted.
import type { Database } from '../../database/database.ts'

export interface SealedSeed {
  sub: string
  sealedSecret: string
}

export interface NewAuthenticator extends SealedSeed {
  /** The fingerprint of the key that it is sealed under. */
  sealingKey: string
  /** Of the code that confirmed it. */
  step: number
}

interface Row {
  sub: string
  sealed_secret: string
}

const findStatement = { name: 'totp-find', text: 'SELECT sub, sealed_secret FROM totp_authenticators WHERE sub = $1' }

// The condition is the whole protection against replay: of any number that present the same step at once, the row's lock
// lets one through, and the others see what it wrote. The seed must still be the one that the code was checked against.
const useStepStatement = {
  name: 'totp-use-step',
  text: `UPDATE totp_authenticators SET last_step = $3, last_used_at = clock_timestamp()
    WHERE sub = $1 AND sealed_secret = $2 AND last_step < $3 RETURNING 1`,
}

const toSeed = (row: Row): SealedSeed => ({ sub: row.sub, sealedSecret: row.sealed_secret })

export function createTotpStore({ database }: { database: Database }) {
  const isChanged = async (statement: string | { name: string; text: string }, values: unknown[]) =>
    (await database.query(statement, values)).length > 0

  return {
    find: async (sub: string): Promise<SealedSeed | undefined> => {
      const [row] = await database.query<Row>(findStatement, [sub])
      return row && toSeed(row)
    },

    /** The last step never falls, even when one app replaces another: what was accepted is not accepted again. */
    put: async ({ sub, sealedSecret, sealingKey, step }: NewAuthenticator): Promise<void> => {
      await database.query(
        `INSERT INTO totp_authenticators AS kept (sub, sealed_secret, sealing_key, last_step, last_used_at)
         VALUES ($1, $2, $3, $4, clock_timestamp())
         ON CONFLICT (sub) DO UPDATE SET sealed_secret = excluded.sealed_secret, sealing_key = excluded.sealing_key,
           last_step = greatest(kept.last_step, excluded.last_step), created_at = now(), last_used_at = excluded.last_used_at`,
        [sub, sealedSecret, sealingKey, step],
      )
    },

    /** True for exactly one of those that present a step, and for none that comes with an earlier one. */
    useStep: ({ sub, sealedSecret }: SealedSeed, step: number): Promise<boolean> =>
      isChanged(useStepStatement, [sub, sealedSecret, step]),

    remove: (sub: string): Promise<boolean> =>
      isChanged('DELETE FROM totp_authenticators WHERE sub = $1 RETURNING 1', [sub]),

    /** At most `limit`, those whose sub sorts after `after`. */
    listSealedUnder: async (sealingKeys: readonly string[], after: string, limit: number): Promise<SealedSeed[]> => {
      const rows = await database.query<Row>(
        `SELECT sub, sealed_secret FROM totp_authenticators
         WHERE sealing_key = ANY($1) AND sub > $2 ORDER BY sub LIMIT $3`,
        [sealingKeys, after, limit],
      )
      return rows.map(toSeed)
    },

    reseal: ({ sub, sealedSecret }: SealedSeed, resealed: string, sealingKey: string): Promise<boolean> =>
      isChanged(
        `UPDATE totp_authenticators SET sealed_secret = $3, sealing_key = $4
         WHERE sub = $1 AND sealed_secret = $2 RETURNING 1`,
        [sub, sealedSecret, resealed, sealingKey],
      ),
  }
}
