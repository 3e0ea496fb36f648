// Counts tries to sign in under one key or another; a try counts as a failure until it is given back.
import type { Database } from '../../database/database.ts'

export interface Limit {
  key: Buffer
  /** Failures an hour that cost no waiting. */
  free: number
}

export interface Reservation {
  key: Buffer
  /** When the next try may come, in the database's own words: it also tells whether anybody else has tried since. */
  until: string
}

export type Reserved = { ok: true; reservations: Reservation[] } | { ok: false; retryAfter: number }

export interface SignInThrottleStore {
  /** Counts a try under every key, or under none when one of them has to wait; the reservations come in the order of `limits`. */
  reserve(limits: readonly Limit[]): Promise<Reserved>
  giveBack(reservation: Reservation): Promise<void>
  remove(key: Buffer): Promise<void>
}

// The limit is the condition of the upsert itself: it holds the row's lock and sees its last version, so that of any
// number of parallel tries no more pass than may. `blocked` only spares the refused their write. Account before
// address, always: two statements that lock rows in different orders could wait for each other.
// A failure is forgotten every (1 h / free); `updated_at` is when that last happened, so that a busy address recovers too.
const reserveStatement = {
  name: 'sign-in-reserve',
  text: `
    WITH tries AS (SELECT * FROM unnest($1::bytea[], $2::int[]) AS tries (key, free)),
    blocked AS (
      SELECT max(blocked_until) AS until FROM sign_in_throttle
      WHERE key = ANY($1) AND blocked_until > clock_timestamp()
    ),
    counted AS (
      INSERT INTO sign_in_throttle AS kept (key, failures, blocked_until, updated_at)
      SELECT key, 1, clock_timestamp(), clock_timestamp() FROM tries WHERE (SELECT until FROM blocked) IS NULL
      ON CONFLICT (key) DO UPDATE SET (failures, blocked_until, updated_at) = (
        SELECT left_over + 1,
          clock_timestamp() + CASE WHEN left_over + 1 < free THEN interval '0'
            ELSE least(interval '15 minutes', interval '1 second' * 2 ^ least(left_over + 1 - free, 10)) END,
          CASE WHEN forgotten > 0 THEN clock_timestamp() ELSE kept.updated_at END
        FROM (
          SELECT free, forgotten, CASE WHEN forgotten >= free THEN 0 ELSE greatest(kept.failures - forgotten, 0) END AS left_over
          FROM (
            SELECT free, floor(extract(epoch FROM clock_timestamp() - kept.updated_at) * free / 3600)::int AS forgotten
            FROM tries WHERE tries.key = excluded.key
          ) AS since
        ) AS counter
      )
      WHERE kept.blocked_until <= clock_timestamp()
      RETURNING key, blocked_until
    )
    SELECT key, blocked_until::text AS until, NULL::float AS seconds FROM counted
    UNION ALL
    SELECT NULL, NULL, extract(epoch FROM until - clock_timestamp()) FROM blocked WHERE until IS NOT NULL`,
}

// What this try alone had blocked is free again.
const giveBackStatement = {
  name: 'sign-in-give-back',
  text: `
    UPDATE sign_in_throttle SET failures = greatest(failures - 1, 0),
      blocked_until = CASE WHEN blocked_until = $2::timestamptz THEN clock_timestamp() ELSE blocked_until END
    WHERE key = $1`,
}

interface Row {
  key: Buffer | null
  until: string | null
  seconds: number | null
}

export function createSignInThrottleStore({ database }: { database: Database }): SignInThrottleStore {
  // Neither the request's rollback may undo a count, nor its open transaction hold the row that others wait for.
  const query = <R extends object>(statement: { name: string; text: string }, values: unknown[]) =>
    database.independently(() => database.query<R>(statement, values))

  const giveBack = async ({ key, until }: Reservation) => {
    await query(giveBackStatement, [key, until])
  }

  return {
    reserve: async (limits) => {
      const rows = await query<Row>(reserveStatement, [limits.map(({ key }) => key), limits.map(({ free }) => free)])
      const reservations = limits.flatMap(({ key }) => {
        const until = rows.find((row) => row.key?.equals(key))?.until
        return until ? [{ key, until }] : []
      })
      if (reservations.length === limits.length) return { ok: true, reservations }
      // Another try came in between under one of the keys: what was counted under the others was never used.
      for (const reservation of reservations) await giveBack(reservation)
      return { ok: false, retryAfter: Math.max(1, Math.ceil(rows.at(-1)?.seconds ?? 1)) }
    },
    giveBack,
    remove: async (key) => {
      await query({ name: 'sign-in-forget', text: 'DELETE FROM sign_in_throttle WHERE key = $1' }, [key])
    },
  }
}
