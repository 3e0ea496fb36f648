// Stores password hashes: the one that counts, and the earlier ones that may not come back.
import type { Database } from '../../database/database.ts'

export type PasswordStore = ReturnType<typeof createPasswordStore>

export interface NewPassword {
  hash: string
  /** Long enough only beside a second factor. */
  isShort: boolean
  /** How many earlier hashes are kept, this one's predecessor included. */
  historySize: number
}

export function createPasswordStore({ database }: { database: Database }) {
  return {
    findHash: async (sub: string): Promise<string | undefined> => {
      const [row] = await database.query<{ password_hash: string | null }>(
        { name: 'password-find', text: 'SELECT password_hash FROM accounts WHERE sub = $1' },
        [sub],
      )
      return row?.password_hash ?? undefined
    },

    /** Newest first. */
    listEarlierHashes: async (sub: string, limit: number): Promise<string[]> => {
      const rows = await database.query<{ password_hash: string }>(
        'SELECT password_hash FROM password_history WHERE sub = $1 ORDER BY replaced_at DESC LIMIT $2',
        [sub, limit],
      )
      return rows.map((row) => row.password_hash)
    },

    /** A new password ends what was begun under the old one: the security version rises, remembered devices are forgotten. Answers that version; undefined: there is no such account. */
    set: (sub: string, { hash, isShort, historySize }: NewPassword): Promise<number | undefined> =>
      database.transaction(async () => {
        const [before] = await database.query<{ password_hash: string | null }>(
          'SELECT password_hash FROM accounts WHERE sub = $1 FOR UPDATE',
          [sub],
        )
        if (!before) return undefined
        const [after] = await database.query<{ security_version: number }>(
          `UPDATE accounts SET password_hash = $2, password_is_short = $3, password_changed_at = now(),
             security_version = security_version + 1, version = version + 1, updated_at = now()
           WHERE sub = $1 RETURNING security_version`,
          [sub, hash, isShort],
        )
        await database.query('UPDATE devices SET remembered_until = NULL WHERE sub = $1', [sub])
        if (before.password_hash !== null && historySize > 0)
          await database.query('INSERT INTO password_history (sub, password_hash) VALUES ($1, $2)', [
            sub,
            before.password_hash,
          ])
        await database.query(
          `DELETE FROM password_history WHERE sub = $1 AND ctid NOT IN
             (SELECT ctid FROM password_history WHERE sub = $1 ORDER BY replaced_at DESC LIMIT $2)`,
          [sub, historySize],
        )
        return after?.security_version
      }),

    /** The same password under better parameters, and only while `replaced` is still its hash: a new one is not put back. */
    rehash: async (sub: string, hash: string, replaced: string): Promise<boolean> => {
      const rows = await database.query(
        'UPDATE accounts SET password_hash = $2 WHERE sub = $1 AND password_hash = $3 RETURNING 1',
        [sub, hash, replaced],
      )
      return rows.length > 0
    },
  }
}
