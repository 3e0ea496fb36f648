// Stores grants: what one person let one client do in one session. Everything issued under a grant goes when it goes.
import type { Database } from '../../database/database.ts'

export interface StoredGrant {
  payload: Record<string, unknown>
  expiresAt: Date
}

export interface NewGrant {
  /** Under every sealing key, newest first: what is there already is saved again where it stands. */
  keys: Buffer[]
  sub: string
  clientId: string
  payload: Record<string, unknown>
  /** Seconds. */
  expiresIn: number
}

const statements = {
  // A disabled account's grants are as good as gone, whatever raced with its disabling.
  find: {
    name: 'grant-find',
    text: `SELECT g.payload, g.expires_at FROM grants g JOIN accounts a ON a.sub = g.sub AND a.disabled_at IS NULL
      WHERE g.key = ANY($1) AND g.expires_at > clock_timestamp()`,
  },
  upsert: {
    name: 'grant-upsert',
    text: `INSERT INTO grants (key, sub, client_id, payload, expires_at)
      VALUES (coalesce((SELECT g.key FROM grants g WHERE g.key = ANY($1)), ($1::bytea[])[1]),
        $2, $3, $4, clock_timestamp() + make_interval(secs => $5))
      ON CONFLICT (key) DO UPDATE SET payload = excluded.payload, expires_at = greatest(grants.expires_at, excluded.expires_at)`,
  },
  bind: {
    name: 'grant-bind',
    text: `UPDATE grants SET session_uid = coalesce($2, session_uid), offline = offline OR $3, last_used_at = clock_timestamp()
      WHERE key = ANY($1)`,
  },
  outlive: {
    name: 'grant-outlive',
    text: `UPDATE grants SET expires_at = greatest(expires_at, clock_timestamp() + make_interval(secs => $2)),
      last_used_at = clock_timestamp() WHERE key = ANY($1)`,
  },
  remove: { name: 'grant-remove', text: 'DELETE FROM grants WHERE key = ANY($1)' },
  removeOfSessions: {
    name: 'grant-remove-of-sessions',
    text: 'DELETE FROM grants WHERE session_uid = ANY($1) AND NOT offline',
  },
}

export type GrantStore = ReturnType<typeof createGrantStore>

export function createGrantStore({ database }: { database: Database }) {
  return {
    find: async (keys: Buffer[]): Promise<StoredGrant | undefined> => {
      const [row] = await database.query<{ payload: Record<string, unknown>; expires_at: Date }>(statements.find, [
        keys,
      ])
      return row && { payload: row.payload, expiresAt: row.expires_at }
    },
    upsert: async ({ keys, sub, clientId, payload, expiresIn }: NewGrant): Promise<void> => {
      await database.query(statements.upsert, [keys, sub, clientId, payload, expiresIn])
    },
    /** Remembers the session it was used in, and whether its tokens outlive that session (`offline_access`). */
    bindToSession: async (keys: Buffer[], sessionUid: string | undefined, isOffline: boolean): Promise<void> => {
      await database.query(statements.bind, [keys, sessionUid, isOffline])
    },
    /** It was used, and stays at least so many seconds more: a grant is never shorter than its longest token. */
    outlive: async (keys: Buffer[], seconds: number): Promise<void> => {
      await database.query(statements.outlive, [keys, seconds])
    },
    remove: async (keys: Buffer[]): Promise<void> => {
      await database.query(statements.remove, [keys])
    },
    /** Those for offline use stay. */
    removeOfSessions: async (sessionUids: string[]): Promise<void> => {
      await database.query(statements.removeOfSessions, [sessionUids])
    },
    removeOfAccount: async (sub: string): Promise<void> => {
      await database.query('DELETE FROM grants WHERE sub = $1', [sub])
    },
    removeOfClient: async (clientId: string): Promise<void> => {
      await database.query('DELETE FROM grants WHERE client_id = $1', [clientId])
      await database.query('DELETE FROM artifacts WHERE client_id = $1', [clientId])
    },
    removeOfAccountAndClient: async (sub: string, clientId: string): Promise<void> => {
      await database.query('DELETE FROM grants WHERE sub = $1 AND client_id = $2', [sub, clientId])
    },
  }
}
