// What an account may still do, in the store: disabled, due for deletion, verified, and the version that a sign-in holds on to.
import type { Database } from '../database/database.ts'

// In the order of the keys, as all that lock these rows do.
const forgetFailuresStatement = `UPDATE sign_in_throttle SET expires_at = now() WHERE key IN (
  SELECT key FROM sign_in_throttle WHERE sub = $1 AND expires_at = 'infinity' ORDER BY key FOR UPDATE)`

/** Part of the account store. */
export function accountStates(database: Database) {
  return {
    /** Locks the row, so that a sign-in under way is either seen by what follows or refused. */
    setDisabled: async (sub: string, isDisabled: boolean): Promise<boolean> => {
      await database.query('SELECT 1 FROM accounts WHERE sub = $1 FOR UPDATE', [sub])
      const rows = await database.query(
        `UPDATE accounts SET disabled_at = CASE WHEN $2 THEN coalesce(disabled_at, now()) END,
           security_version = security_version + 1, version = version + 1, updated_at = now()
         WHERE sub = $1 RETURNING sub`,
        [sub, isDisabled],
      )
      return rows.length > 0
    },

    /**
     * The security version, as of now and until the transaction ends: whoever changes a credential waits, or has already
     * been seen. Undefined when the account is gone or disabled.
     */
    lockForSignIn: async (sub: string): Promise<number | undefined> => {
      const [row] = await database.query<{ security_version: number }>(
        'SELECT security_version FROM accounts WHERE sub = $1 AND disabled_at IS NULL FOR NO KEY UPDATE',
        [sub],
      )
      return row?.security_version
    },

    /** Its owner has come by mail: the mailbox is theirs. */
    setEmailVerified: async (sub: string): Promise<void> => {
      await database.query(
        `UPDATE accounts SET email_verified = true, version = version + 1, updated_at = now()
         WHERE sub = $1 AND NOT email_verified`,
        [sub],
      )
    },

    /** Undoes a change of address; false when another account has taken the old one since. */
    restoreEmail: async (sub: string, email: string): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE accounts SET email = $2, email_verified = true, security_version = security_version + 1,
           version = version + 1, updated_at = now()
         WHERE sub = $1 AND NOT EXISTS (SELECT 1 FROM accounts other WHERE lower(other.email) = lower($2) AND other.sub <> $1)
         RETURNING sub`,
        [sub, email],
      )
      return rows.length > 0
    },

    /** Null takes a request for deletion back. */
    setDeleteAfter: async (sub: string, deleteAfter: Date | null): Promise<void> => {
      await database.query('UPDATE accounts SET delete_after = $2, version = version + 1 WHERE sub = $1', [
        sub,
        deleteAfter,
      ])
    },

    /** Whose time has come. */
    listDueForDeletion: async (limit: number): Promise<string[]> => {
      const rows = await database.query<{ sub: string }>(
        'SELECT sub FROM accounts WHERE delete_after < now() ORDER BY delete_after LIMIT $1',
        [limit],
      )
      return rows.map(({ sub }) => sub)
    },

    /** True when its time has come and nobody has taken the request back; a sign-in that would do so waits until the transaction ends. */
    lockIfDueForDeletion: async (sub: string): Promise<boolean> => {
      const rows = await database.query('SELECT 1 FROM accounts WHERE sub = $1 AND delete_after < now() FOR UPDATE', [
        sub,
      ])
      return rows.length > 0
    },

    /** Its sessions, grants, tokens and consents go with it, and what was counted of its failed sign-ins. */
    remove: async (sub: string): Promise<boolean> => {
      const rows = await database.query('DELETE FROM accounts WHERE sub = $1 RETURNING sub', [sub])
      // Nothing refers to these: a reserved try must not wait for whoever holds the account's row.
      await database.query(forgetFailuresStatement, [sub])
      return rows.length > 0
    },

    /** Serialises every decision about who is an owner, so that two at once cannot remove the last two. */
    countOtherOwners: async (sub: string): Promise<number> => {
      await database.query("SELECT pg_advisory_xact_lock(hashtext('gatehouse owners'))")
      const [row] = await database.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM accounts WHERE 'owner' = ANY(roles) AND disabled_at IS NULL
           AND delete_after IS NULL AND sub <> $1`,
        [sub],
      )
      return row?.count ?? 0
    },
  }
}
