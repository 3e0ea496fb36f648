// Stores how often an account's credentials have changed: what was begun under an earlier version is over.
import type { Database } from '../database/database.ts'

const isCurrent = {
  name: 'security-version-is-current',
  // Looked at again once the lock is had: a version that was raised meanwhile is seen.
  text: 'SELECT 1 FROM accounts WHERE sub = $1 AND security_version = $2::bigint AND disabled_at IS NULL FOR SHARE',
}

export type SecurityVersionStore = ReturnType<typeof createSecurityVersionStore>

export function createSecurityVersionStore({ database }: { database: Database }) {
  return {
    /** Also false for a disabled account. Inside a transaction it stays true until that ends: whoever raises it waits. */
    isCurrent: async (sub: string, version: number): Promise<boolean> =>
      (await database.query(isCurrent, [sub, version])).length > 0,

    /** The version, and nobody changes a credential until the transaction ends. Undefined for no account and a disabled one. */
    lock: async (sub: string): Promise<number | undefined> => {
      const [row] = await database.query<{ security_version: number }>(
        'SELECT security_version FROM accounts WHERE sub = $1 AND disabled_at IS NULL FOR NO KEY UPDATE',
        [sub],
      )
      return row?.security_version
    },

    /** Waits for every sign-in under way, so that what follows sees its session. False when there is no such account. */
    raise: async (sub: string): Promise<boolean> => {
      await database.query('SELECT 1 FROM accounts WHERE sub = $1 FOR UPDATE', [sub])
      const rows = await database.query(
        'UPDATE accounts SET security_version = security_version + 1 WHERE sub = $1 RETURNING 1',
        [sub],
      )
      return rows.length > 0
    },
  }
}
