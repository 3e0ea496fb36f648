// Stores signing keys: the public half as it is, the private half sealed, and the times that decide what each one does.
import type { JWK } from 'jose'
import type { Database } from '../database/database.ts'
import type { SigningAlgorithm } from './generate-signing-key.ts'

export interface StoredKey {
  kid: string
  alg: SigningAlgorithm
  publicJwk: JWK
  sealedPrivateJwk: string
  createdAt: Date
  signsFrom: Date
  retiresAt: Date | undefined
  /** Milliseconds until `signsFrom` by the database's clock; zero or less once it has passed. */
  signsIn: number
  /** The same until `retiresAt`. */
  retiresIn: number | undefined
}

export interface NewStoredKey extends Pick<StoredKey, 'kid' | 'alg' | 'publicJwk' | 'sealedPrivateJwk'> {
  /** Seconds from now until it signs. */
  delaySeconds: number
}

interface Row {
  kid: string
  alg: SigningAlgorithm
  public_jwk: JWK
  sealed_private_jwk: string
  created_at: Date
  signs_from: Date
  retires_at: Date | null
  signs_in: number
  retires_in: number | null
}

// One reading of the clock for all rows: nodes may differ about the time, the database does not.
const select = `
  WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now)
  SELECT k.*, (extract(epoch FROM k.signs_from - clock.now) * 1000)::float8 AS signs_in,
    (extract(epoch FROM k.retires_at - clock.now) * 1000)::float8 AS retires_in
  FROM signing_keys k, clock`

// Any constant: every node must use the same.
const lockId = 7_283_019_447

const toKey = (row: Row): StoredKey => ({
  kid: row.kid,
  alg: row.alg,
  publicJwk: row.public_jwk,
  sealedPrivateJwk: row.sealed_private_jwk,
  createdAt: row.created_at,
  signsFrom: row.signs_from,
  retiresAt: row.retires_at ?? undefined,
  signsIn: row.signs_in,
  retiresIn: row.retires_in ?? undefined,
})

export type SigningKeyStore = ReturnType<typeof createSigningKeyStore>

export function createSigningKeyStore({ database }: { database: Database }) {
  return {
    /** Holds every other change of keys back until the transaction under way ends. */
    lock: async (): Promise<void> => {
      await database.query('SELECT pg_advisory_xact_lock($1)', [lockId])
    },

    find: async (kid: string): Promise<StoredKey | undefined> => {
      const [row] = await database.query<Row>(`${select} WHERE k.kid = $1`, [kid])
      return row && toKey(row)
    },

    list: async (): Promise<StoredKey[]> => {
      const rows = await database.query<Row>(`${select} ORDER BY k.signs_from DESC, k.kid`)
      return rows.map(toKey)
    },

    /** Returns the time from which it signs. */
    insert: async ({ kid, alg, publicJwk, sealedPrivateJwk, delaySeconds }: NewStoredKey): Promise<Date> => {
      const rows = await database.query<{ signs_from: Date }>(
        `INSERT INTO signing_keys (kid, alg, public_jwk, sealed_private_jwk, signs_from)
         VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5)) RETURNING signs_from`,
        [kid, alg, JSON.stringify(publicJwk), sealedPrivateJwk, delaySeconds],
      )
      return (rows[0] as { signs_from: Date }).signs_from
    },

    /** It leaves at once. */
    retire: async (kid: string): Promise<void> => {
      await database.query('UPDATE signing_keys SET retires_at = clock_timestamp() WHERE kid = $1', [kid])
    },

    /** Whoever signs before `successor` leaves `overlapSeconds` after it has begun; returns that time. */
    retireAfter: async (successor: string, overlapSeconds: number): Promise<Date | undefined> => {
      const rows = await database.query<{ retires_at: Date }>(
        `UPDATE signing_keys old SET retires_at = new.signs_from + make_interval(secs => $2) FROM signing_keys new
         WHERE new.kid = $1 AND old.alg = new.alg AND old.kid <> new.kid AND old.retires_at IS NULL RETURNING old.retires_at`,
        [successor, overlapSeconds],
      )
      return rows[0]?.retires_at
    },

    /** Takes a planned retirement back. */
    keep: async (kid: string): Promise<void> => {
      await database.query('UPDATE signing_keys SET retires_at = NULL WHERE kid = $1', [kid])
    },

    /** An upcoming key signs from now on. */
    signNow: async (kid: string): Promise<void> => {
      await database.query('UPDATE signing_keys SET signs_from = clock_timestamp() WHERE kid = $1', [kid])
    },

    reseal: async (kid: string, sealedPrivateJwk: string): Promise<void> => {
      await database.query('UPDATE signing_keys SET sealed_private_jwk = $2 WHERE kid = $1', [kid, sealedPrivateJwk])
    },

    /** Removes what retired a day ago; returns how many. */
    removeRetired: async (): Promise<number> => {
      const condition = `retires_at < clock_timestamp() - interval '1 day'`
      // A DELETE announces itself to every node even when it removes nothing.
      const due = await database.query(`SELECT 1 FROM signing_keys WHERE ${condition} LIMIT 1`)
      if (due.length === 0) return 0
      return (await database.query(`DELETE FROM signing_keys WHERE ${condition} RETURNING kid`)).length
    },

    remove: async (kid: string): Promise<boolean> => {
      const rows = await database.query('DELETE FROM signing_keys WHERE kid = $1 RETURNING kid', [kid])
      return rows.length > 0
    },
  }
}
