// Counts tries to sign in under one key or another; a try counts as a failure until it is given back.
import type { Database } from '../../database/database.ts'

/**
 * What is counted under a key. `password` and `code` stand for one account (or a name that has none) wherever the try comes
 * from, `…-address` for it at one address, `…-device` for it on one known device, `address` for one address at all accounts.
 */
export type CounterKind = 'password' | 'password-address' | 'password-device' | 'code' | 'code-device' | 'address'

export interface Limit {
  key: Buffer
  kind: CounterKind
  /** Failures an hour that cost no waiting. */
  free: number
  /** Failures since the last success after which there are no more tries; without it time alone heals. */
  inARow?: number
}

export interface Reservation {
  key: Buffer
  /** When the next try may come, in the database's own words: it also tells whether anybody else has tried since. */
  until: string
}

export type Reserved =
  | { ok: true; reservations: Reservation[] /** Should this one fail, there are no more tries. */; isLast: boolean }
  | { ok: false; retryAfter: number /** Waiting alone does not help. */; isLocked: boolean }

export interface AccountLock {
  sub: string
  kind: 'password' | 'code'
  /** Undefined: until it is lifted. */
  until: Date | undefined
}

export type SignInThrottleStore = ReturnType<typeof createSignInThrottleStore>

/** NIST SP 800-63B-4 section 3.2.2: no more than 100 failures in a row. */
export const mostInARow = 100
const noLimit = 2 ** 31 - 1

// An account's failures in a row stay as long as the account. Names that nobody has could be made up without end: they go
// after a day, unless somebody has come back to them; an address has 50 tries an hour to make rows with.
const expiry = (kind: string, sub: string, inARow: string) => `
  CASE WHEN ${kind} IN ('address', 'password-address') OR (${sub} IS NULL AND ${inARow} < 5) THEN clock_timestamp() + interval '1 day'
    WHEN ${sub} IS NULL THEN clock_timestamp() + interval '30 days'
    WHEN ${kind} IN ('password', 'code') THEN 'infinity'
    ELSE clock_timestamp() + interval '90 days' END`

// The limit is the condition of the upsert itself: it holds the row's lock and sees its last version, so that of any
// number of parallel tries no more pass than may. `blocked` only spares the refused their write. Rows are locked in the
// order of their keys, here and in every other statement: two that differ in that could wait for each other.
// A failure is forgotten every (1 h / free); `updated_at` is when that last happened, so that a busy address recovers too.
const reserveStatement = {
  name: 'sign-in-reserve',
  text: `
    WITH tries AS (SELECT * FROM unnest($1::bytea[], $2::text[], $3::int[], $4::int[]) AS tries (key, kind, free, most)),
    blocked AS (
      SELECT max(greatest(blocked_until, CASE WHEN in_a_row >= most THEN clock_timestamp() + interval '15 minutes' END)) AS until,
        bool_or(in_a_row >= most) AS is_locked
      FROM sign_in_throttle JOIN tries USING (key)
      WHERE blocked_until > clock_timestamp() OR in_a_row >= most
    ),
    counted AS (
      INSERT INTO sign_in_throttle AS kept (key, kind, sub, failures, in_a_row, blocked_until, updated_at, expires_at)
      SELECT key, kind, owner, 1, 1, clock_timestamp(), clock_timestamp(), ${expiry('kind', 'owner', '1')}
      FROM (SELECT key, kind, CASE WHEN kind <> 'address' THEN $5::text END AS owner FROM tries) AS fresh
      WHERE (SELECT until FROM blocked) IS NULL ORDER BY key
      ON CONFLICT (key) DO UPDATE SET (failures, in_a_row, blocked_until, updated_at, expires_at) = (
        SELECT left_over + 1, kept.in_a_row + 1,
          clock_timestamp() + CASE WHEN left_over + 1 < free THEN interval '0'
            ELSE least(interval '15 minutes', interval '1 second' * 2 ^ least(left_over + 1 - free, 10)) END,
          CASE WHEN forgotten > 0 THEN clock_timestamp() ELSE kept.updated_at END,
          ${expiry('kept.kind', 'kept.sub', 'kept.in_a_row + 1')}
        FROM (
          SELECT free, forgotten, CASE WHEN forgotten >= free THEN 0 ELSE greatest(kept.failures - forgotten, 0) END AS left_over
          FROM (
            SELECT free, floor(extract(epoch FROM clock_timestamp() - kept.updated_at) * free / 3600)::int AS forgotten
            FROM tries WHERE tries.key = excluded.key
          ) AS since
        ) AS counter
      )
      WHERE kept.blocked_until <= clock_timestamp()
        AND kept.in_a_row < (SELECT most FROM tries WHERE tries.key = excluded.key)
      RETURNING key, blocked_until, in_a_row
    )
    SELECT key, blocked_until::text AS until, in_a_row >= most AS is_locked, NULL::float AS seconds
    FROM counted JOIN tries USING (key)
    UNION ALL
    SELECT NULL, NULL, is_locked, extract(epoch FROM until - clock_timestamp()) FROM blocked WHERE until IS NOT NULL`,
}

// What this try alone had blocked is free again.
const giveBackStatement = {
  name: 'sign-in-give-back',
  text: `
    UPDATE sign_in_throttle SET failures = greatest(failures - 1, 0), in_a_row = greatest(in_a_row - 1, 0),
      blocked_until = CASE WHEN blocked_until = $2::timestamptz THEN clock_timestamp() ELSE blocked_until END
    WHERE key = $1`,
}

// In the order of the keys, as above.
const removeStatement = (name: string, condition: string) => ({
  name,
  text: `DELETE FROM sign_in_throttle WHERE key IN (SELECT key FROM sign_in_throttle WHERE ${condition} ORDER BY key FOR UPDATE)`,
})
const removeKeysStatement = removeStatement('sign-in-forget', 'key = ANY($1)')
const removeOfStatement = removeStatement('sign-in-unlock', 'sub = $1 AND kind = ANY($2)')

const isAccountStatement = { name: 'sign-in-is-account', text: 'SELECT 1 FROM accounts WHERE sub = $1' }

interface Row {
  key: Buffer | null
  until: string | null
  is_locked: boolean
  seconds: number | null
}

export function createSignInThrottleStore({ database }: { database: Database }) {
  // Neither the request's rollback may undo a count, nor its open transaction hold the row that others wait for.
  const query = <R extends object>(statement: { name: string; text: string }, values: unknown[]) =>
    database.independently(() => database.query<R>(statement, values))

  const giveBack = async ({ key, until }: Reservation) => {
    await query(giveBackStatement, [key, until])
  }

  return {
    /** Counts a try under every key, or under none when one of them has to wait; the reservations come in the order of `limits`. */
    reserve: async (limits: readonly Limit[], sub: string | undefined): Promise<Reserved> => {
      const rows = await query<Row>(reserveStatement, [
        limits.map(({ key }) => key),
        limits.map(({ kind }) => kind),
        limits.map(({ free }) => free),
        limits.map(({ inARow = noLimit }) => inARow),
        sub,
      ])
      const reservations = limits.flatMap(({ key }) => {
        const until = rows.find((row) => row.key?.equals(key))?.until
        return until ? [{ key, until }] : []
      })
      const isLocked = rows.some((row) => row.is_locked)
      if (reservations.length === limits.length) return { ok: true, reservations, isLast: isLocked }
      // Another try came in between under one of the keys: what was counted under the others was never used.
      for (const reservation of reservations) await giveBack(reservation)
      const refusal = rows.find((row) => row.key === null)
      const retryAfter = Math.max(1, Math.ceil(refusal?.seconds ?? 1))
      return { ok: false, retryAfter, isLocked: refusal?.is_locked ?? false }
    },

    giveBack,

    remove: async (keys: readonly Buffer[]): Promise<void> => {
      await query(removeKeysStatement, [keys])
    },

    removeOf: async (sub: string, kinds: readonly CounterKind[]): Promise<void> => {
      await query(removeOfStatement, [sub, kinds])
    },

    isAccount: async (sub: string): Promise<boolean> =>
      (await database.query<object>(isAccountStatement, [sub])).length > 0,

    /** What keeps strangers waiting at these accounts now; a known device waits for none of it. */
    listLocks: async (subs: readonly string[]): Promise<AccountLock[]> => {
      const rows = await database.query<{ sub: string; kind: 'password' | 'code'; until: Date | null }>(
        `SELECT sub, kind, CASE WHEN in_a_row < $2 THEN blocked_until END AS until FROM sign_in_throttle
         WHERE sub = ANY($1) AND kind IN ('password', 'code') AND (in_a_row >= $2 OR blocked_until > clock_timestamp())
         ORDER BY sub, kind DESC`,
        [subs, mostInARow],
      )
      return rows.map(({ sub, kind, until }) => ({ sub, kind, until: until ?? undefined }))
    },
  }
}
