// Counts what `doctor` wants to know about people: how their passwords and factors are kept, and what became of their mail.
import type { Database } from '../../database/database.ts'

export interface SealedFactors {
  /** The fingerprint of the key that they are sealed under. */
  sealingKey: string
  authenticators: number
  recoveryCodes: number
}

export interface MailFacts {
  /** Waiting for more than an hour. */
  late: number
  /** What the server said last about the one that waits longest. */
  lateReason: string | undefined
  /** In the last day. */
  failed: number
  uncertain: number
  lastReason: string | undefined
}

interface MailRow {
  late: number
  late_reason: string | null
  failed: number
  uncertain: number
  last_reason: string | null
}

export type PeopleFacts = ReturnType<typeof createPeopleFacts>

export function createPeopleFacts({ database }: { database: Database }) {
  return {
    sealedFactors: (): Promise<SealedFactors[]> =>
      database.query<SealedFactors>(
        `SELECT sealing_key AS "sealingKey", sum(authenticators)::int AS authenticators, sum(codes)::int AS "recoveryCodes"
         FROM (
           SELECT sealing_key, count(*) AS authenticators, 0 AS codes FROM totp_authenticators GROUP BY 1
           UNION ALL SELECT sealing_key, 0, count(*) FROM recovery_codes WHERE used_at IS NULL GROUP BY 1
         ) AS counted GROUP BY 1 ORDER BY 1`,
      ),

    roles: async (): Promise<string[]> =>
      (await database.query<{ role: string }>('SELECT DISTINCT unnest(roles) AS role FROM accounts ORDER BY 1')).map(
        ({ role }) => role,
      ),

    /** By the name that stands in the hash, most frequent first. */
    foreignHashes: (): Promise<{ scheme: string; accounts: number }[]> =>
      database.query<{ scheme: string; accounts: number }>(
        `SELECT split_part(password_hash, '$', 2) AS scheme, count(*)::int AS accounts FROM accounts
         WHERE password_hash NOT LIKE '$argon2id$%' GROUP BY 1 ORDER BY 2 DESC, 1`,
      ),

    mail: async (): Promise<MailFacts> => {
      const [row] = await database.query<MailRow>(
        `WITH late AS (
           SELECT created_at, last_error FROM mail_queue
           WHERE state IN ('queued', 'handed_over') AND created_at < now() - interval '1 hour'
         ), ended AS (
           SELECT state, finished_at, last_error FROM mail_queue
           WHERE state IN ('failed', 'uncertain') AND finished_at > now() - interval '1 day'
         )
         SELECT (SELECT count(*)::int FROM late) AS late,
           (SELECT last_error FROM late ORDER BY created_at LIMIT 1) AS late_reason,
           (SELECT count(*)::int FROM ended WHERE state = 'failed') AS failed,
           (SELECT count(*)::int FROM ended WHERE state = 'uncertain') AS uncertain,
           (SELECT last_error FROM ended ORDER BY finished_at DESC LIMIT 1) AS last_reason`,
      )
      const { late = 0, failed = 0, uncertain = 0 } = row ?? {}
      const [lateReason, lastReason] = [row?.late_reason ?? undefined, row?.last_reason ?? undefined]
      return { late, lateReason, failed, uncertain, lastReason }
    },
  }
}
