// Counts mail that is asked for in windows that move with time: a key holds the moments of the last requests, no more than its limits need.
import type { Database } from '../../database/database.ts'

export interface MailLimit {
  key: Buffer
  most: number
  seconds: number
}

export type CountedMail = { ok: true } | { ok: false; retryAfter: number }

export type MailThrottleStore = ReturnType<typeof createMailThrottleStore>

// As with failed sign-ins: the limits are the condition of the upsert, and rows are locked in the order of their keys. A key
// may have several limits; `asked_at` is cut to the largest of them, and each is kept when its own last-but-most request
// has left its window.
const reserveStatement = {
  name: 'mail-reserve',
  text: `
    WITH limits AS (SELECT * FROM unnest($1::bytea[], $2::int[], $3::int[]) AS limits (key, most, seconds)),
    keys AS (SELECT key, max(most) AS kept, max(seconds) AS seconds FROM limits GROUP BY key),
    blocked AS (
      SELECT max(asked_at[most] + make_interval(secs => seconds)) AS until
      FROM mail_throttle JOIN limits USING (key)
      WHERE asked_at[most] + make_interval(secs => seconds) > clock_timestamp()
    ),
    counted AS (
      INSERT INTO mail_throttle AS kept (key, asked_at, expires_at)
      SELECT key, ARRAY[clock_timestamp()], clock_timestamp() + make_interval(secs => seconds) FROM keys
      WHERE (SELECT until FROM blocked) IS NULL ORDER BY key
      ON CONFLICT (key) DO UPDATE SET (asked_at, expires_at) = (
        SELECT (array_prepend(clock_timestamp(), kept.asked_at))[1:keys.kept], clock_timestamp() + make_interval(secs => keys.seconds)
        FROM keys WHERE keys.key = excluded.key
      )
      WHERE NOT EXISTS (
        SELECT 1 FROM limits WHERE limits.key = excluded.key
          AND kept.asked_at[most] + make_interval(secs => limits.seconds) > clock_timestamp()
      )
      RETURNING key, asked_at[1]::text AS at
    )
    SELECT key, at, NULL::float AS seconds FROM counted
    UNION ALL
    SELECT NULL, NULL, extract(epoch FROM until - clock_timestamp()) FROM blocked WHERE until IS NOT NULL`,
}

const giveBackStatement = {
  name: 'mail-give-back',
  text: 'UPDATE mail_throttle SET asked_at = array_remove(asked_at, $2::timestamptz) WHERE key = $1',
}

interface Row {
  key: Buffer | null
  at: string | null
  seconds: number | null
}

export function createMailThrottleStore({ database }: { database: Database }) {
  // Whatever becomes of the request: what was asked for was asked for.
  const query = <R extends object>(statement: { name: string; text: string }, values: unknown[]) =>
    database.independently(() => database.query<R>(statement, values))

  return {
    /** Counts the request under every key, or under none when one of them is full. */
    reserve: async (limits: readonly MailLimit[]): Promise<CountedMail> => {
      const rows = await query<Row>(reserveStatement, [
        limits.map(({ key }) => key),
        limits.map(({ most }) => most),
        limits.map(({ seconds }) => seconds),
      ])
      const counted = rows.filter(({ key }) => key !== null)
      if (counted.length === new Set(limits.map(({ key }) => key.toString('hex'))).size) return { ok: true }
      // Another request came in between under one of the keys: under the others this one has asked for nothing.
      for (const { key, at } of counted) await query(giveBackStatement, [key, at])
      const seconds = rows.find(({ key }) => key === null)?.seconds ?? 1
      return { ok: false, retryAfter: Math.max(1, Math.ceil(seconds)) }
    },
  }
}
