// Stores changes of address that wait until both ends have agreed: one for each account, under the credentials that it was asked with.
import type { Database } from '../../database/database.ts'

export type End = 'old' | 'new'

export interface NewEmailChange {
  sub: string
  newEmail: string
  /** Stays signed in when the change is made. */
  sessionUid: string
  /** Of the account: once it has risen, the change is over. */
  securityVersion: number
  /** Nobody has ever shown that the old address is theirs, so there is nobody to agree. */
  isOldConfirmed: boolean
  /** Until it is over. */
  seconds: number
}

export interface EmailChange {
  sub: string
  newEmail: string
  sessionUid: string
  securityVersion: number
  isOldConfirmed: boolean
  isNewConfirmed: boolean
  expiresAt: Date
}

interface Row {
  sub: string
  new_email: string
  session_uid: string
  security_version: number
  old_confirmed_at: Date | null
  new_confirmed_at: Date | null
  expires_at: Date
}

const toChange = (row: Row | undefined): EmailChange | undefined =>
  row && {
    sub: row.sub,
    newEmail: row.new_email,
    sessionUid: row.session_uid,
    securityVersion: row.security_version,
    isOldConfirmed: row.old_confirmed_at !== null,
    isNewConfirmed: row.new_confirmed_at !== null,
    expiresAt: row.expires_at,
  }

const isLive = `pending.expires_at > clock_timestamp() AND accounts.sub = pending.sub
  AND accounts.security_version = pending.security_version AND accounts.disabled_at IS NULL`

export type EmailChangeStore = ReturnType<typeof createEmailChangeStore>

export function createEmailChangeStore({ database }: { database: Database }) {
  return {
    /** Takes the place of an earlier one, which nobody can confirm any more. */
    put: async (change: NewEmailChange): Promise<void> => {
      await database.query(
        `INSERT INTO email_changes (sub, new_email, session_uid, security_version, old_confirmed_at, expires_at)
         VALUES ($1, $2, $3, $4, CASE WHEN $5 THEN clock_timestamp() END, clock_timestamp() + make_interval(secs => $6))
         ON CONFLICT (sub) DO UPDATE SET new_email = excluded.new_email, session_uid = excluded.session_uid,
           security_version = excluded.security_version, old_confirmed_at = excluded.old_confirmed_at,
           new_confirmed_at = NULL, expires_at = excluded.expires_at`,
        [change.sub, change.newEmail, change.sessionUid, change.securityVersion, change.isOldConfirmed, change.seconds],
      )
    },

    /** Undefined when there is none, or none any more. */
    find: async (sub: string): Promise<EmailChange | undefined> => {
      const [row] = await database.query<Row>(
        `SELECT pending.* FROM email_changes AS pending, accounts WHERE pending.sub = $1 AND ${isLive}`,
        [sub],
      )
      return toChange(row)
    },

    /** Of two ends that confirm at once one comes second, and sees both. */
    confirm: async (sub: string, newEmail: string, end: End): Promise<EmailChange | undefined> => {
      const column = end === 'old' ? 'old_confirmed_at' : 'new_confirmed_at'
      const [row] = await database.query<Row>(
        `UPDATE email_changes AS pending SET ${column} = clock_timestamp() FROM accounts
         WHERE pending.sub = $1 AND pending.new_email = $2 AND ${isLive} RETURNING pending.*`,
        [sub, newEmail],
      )
      return toChange(row)
    },

    remove: async (sub: string): Promise<void> => {
      await database.query('DELETE FROM email_changes WHERE sub = $1', [sub])
    },
  }
}
