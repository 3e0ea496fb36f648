// Removes what has expired, in batches so small that nobody waits for them.
import type { Database } from '../../database/database.ts'

const batch = 1000

const expired = (table: string, key: string, condition: string, limit = batch) => ({
  table,
  limit,
  text: `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} WHERE ${condition} LIMIT ${limit} FOR UPDATE SKIP LOCKED) RETURNING 1`,
})

// Not clock_timestamp(): what may change while a statement runs keeps the planner from its index. Each batch is a transaction.
const past = 'expires_at <= now()'
const kept = "state = 'sent' AND sealed_message IS NOT NULL"

// Grants last: their tokens are gone by then, so that a batch of them is small too.
const sweeps = [
  expired('artifacts', 'key', past),
  expired('replays', 'key', past),
  expired('session_keys', 'key', "superseded_at < now() - interval '1 minute'"),
  expired('sessions', 'uid', past),
  expired('one_time_links', 'key', past),
  expired('email_changes', 'sub', past),
  expired('registration_tokens', 'key', past),
  expired('sign_in_throttle', 'key', past),
  expired('mail_throttle', 'key', past),
  expired('devices', 'id', "last_seen_at < now() - interval '180 days'"),
  expired('account_activity', 'id', "at < now() - interval '180 days'"),
  expired('mail_queue', 'id', "state IN ('sent', 'failed', 'uncertain') AND created_at < now() - interval '30 days'"),
  // The development mailbox; in production no message that was sent is kept.
  expired('mail_queue', 'id', `${kept} AND created_at < now() - interval '7 days'`),
  expired(
    'mail_queue',
    'id',
    `${kept} AND created_at < (SELECT created_at FROM mail_queue WHERE ${kept} ORDER BY created_at DESC OFFSET 199 LIMIT 1)`,
  ),
  expired('client_secrets', 'id', "expires_at < now() - interval '1 day'"),
  expired('grants', 'key', past, 200),
]

// Any constant that no other lock uses.
const electionLock = 7_283_019_447

export function createExpiryStore({ database }: { database: Database }) {
  /** One batch; undefined when another node is at it. */
  const sweep = (text: string): Promise<number | undefined> =>
    database.transaction(async () => {
      const [row] = await database.query<{ elected: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS elected', [
        electionLock,
      ])
      return row?.elected ? (await database.query(text)).length : undefined
    })

  return {
    /** Rows removed by table; it stops when another node is elected. One table that fails does not keep the others waiting. */
    removeExpired: async (): Promise<Record<string, number>> => {
      const removed: Record<string, number> = {}
      const failures: unknown[] = []
      for (const { table, text, limit } of sweeps) {
        try {
          for (let count: number | undefined = limit; count === limit; ) {
            count = await sweep(text)
            if (count === undefined) return removed
            removed[table] = (removed[table] ?? 0) + count
          }
        } catch (error) {
          failures.push(error)
        }
      }
      if (failures.length > 0) throw failures[0]
      return removed
    },
  }
}
