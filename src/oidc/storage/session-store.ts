// Stores sign-in sessions: one row for each browser however many tabs renew its cookie, and every cookie value a key to it.
import type { Database } from '../../database/database.ts'

export interface StoredSession {
  uid: string
  payload: Record<string, unknown>
  /** Found by a cookie value that another tab has renewed already. */
  isSuperseded: boolean
}

export interface NewSession {
  key: Buffer
  uid: string
  sub: string | undefined
  payload: Record<string, unknown>
  /** Seconds. */
  expiresIn: number
  /** Of the browser that uses it now; without them the last ones stay. */
  address?: string | undefined
  userAgent?: string | undefined
}

/** As its owner sees it. */
export interface ListedSession {
  uid: string
  address: string
  userAgent: string
  createdAt: Date
  lastSeenAt: Date
  expiresAt: Date
}

// Other tabs still carry the cookie that one tab has just renewed. It opens the session a little longer, but only for the
// account that it was renewed for: a cookie from before the sign-in never becomes somebody's session (session fixation).
const aliasGrace = '30 s'

const alive = `s.expires_at > clock_timestamp() AND (s.sub IS NULL OR EXISTS (SELECT 1 FROM accounts a WHERE a.sub = s.sub AND a.disabled_at IS NULL))`
const byKey = `SELECT s.uid, s.payload, k.superseded_at IS NOT NULL AS "isSuperseded" FROM sessions s JOIN session_keys k ON k.uid = s.uid
  WHERE k.key = ANY($1) AND ${alive}
    AND (k.superseded_at IS NULL OR (k.superseded_sub = s.sub AND k.superseded_at > clock_timestamp() - interval '${aliasGrace}'))`

const statements = {
  find: { name: 'session-find', text: byKey },
  findForUpdate: { name: 'session-find-for-update', text: `${byKey} FOR UPDATE OF s` },
  findByUid: {
    name: 'session-find-by-uid',
    text: `SELECT s.uid, s.payload, false AS "isSuperseded" FROM sessions s WHERE s.uid = $1 AND ${alive}`,
  },
  // Not for an account that was disabled or deleted while its owner was signing in.
  upsert: {
    name: 'session-upsert',
    text: `WITH session AS (
        INSERT INTO sessions (uid, sub, payload, expires_at, address, user_agent, last_seen_at)
        SELECT $2, $3, $4, clock_timestamp() + make_interval(secs => $5), coalesce($6, ''), coalesce($7, ''), clock_timestamp()
        WHERE $3::text IS NULL OR EXISTS (SELECT 1 FROM accounts WHERE sub = $3 AND disabled_at IS NULL FOR KEY SHARE)
        ON CONFLICT (uid) DO UPDATE SET sub = excluded.sub, payload = excluded.payload, expires_at = excluded.expires_at,
          address = coalesce($6, sessions.address), user_agent = coalesce($7, sessions.user_agent), last_seen_at = excluded.last_seen_at
        RETURNING uid)
      INSERT INTO session_keys (key, uid) SELECT $1, uid FROM session ON CONFLICT (key) DO NOTHING`,
  },
  addKey: { name: 'session-add-key', text: 'INSERT INTO session_keys (key, uid) VALUES ($1, $2)' },
  supersede: {
    name: 'session-supersede',
    text: `UPDATE session_keys k SET superseded_at = clock_timestamp(), superseded_sub = s.sub
      FROM sessions s WHERE s.uid = k.uid AND k.key = ANY($1) AND k.superseded_at IS NULL`,
  },
  // Never shorter, and never one that is over: whoever ends a session has the last word. The engine reads the end in the payload.
  touch: {
    name: 'session-touch',
    text: `UPDATE sessions SET last_seen_at = clock_timestamp(), expires_at = greatest(expires_at, used.until),
        payload = payload || jsonb_build_object('exp', floor(extract(epoch FROM greatest(expires_at, used.until)))::bigint)
      FROM (SELECT clock_timestamp() + make_interval(secs => $2) AS until) used
      WHERE uid = $1 AND expires_at > clock_timestamp() RETURNING 1`,
  },
  list: {
    name: 'session-list',
    text: `SELECT uid, address, user_agent AS "userAgent", created_at AS "createdAt", last_seen_at AS "lastSeenAt", expires_at AS "expiresAt"
      FROM sessions WHERE sub = $1 AND expires_at > clock_timestamp() ORDER BY last_seen_at DESC, uid`,
  },
  remove: {
    name: 'session-remove',
    text: 'DELETE FROM sessions WHERE uid IN (SELECT uid FROM session_keys WHERE key = ANY($1)) RETURNING uid',
  },
}

export type SessionStore = ReturnType<typeof createSessionStore>

export function createSessionStore({ database }: { database: Database }) {
  return {
    /** Inside a transaction it locks the session, so that parallel tabs add to it one after another. */
    find: async (keys: Buffer[]): Promise<StoredSession | undefined> => {
      const statement = database.isInTransaction() ? statements.findForUpdate : statements.find
      const [row] = await database.query<StoredSession>(statement, [keys])
      return row
    },
    findByUid: async (uid: string): Promise<StoredSession | undefined> => {
      const [row] = await database.query<StoredSession>(statements.findByUid, [uid])
      return row
    },
    upsert: async ({ key, uid, sub, payload, expiresIn, address, userAgent }: NewSession): Promise<void> => {
      await database.query(statements.upsert, [key, uid, sub, payload, expiresIn, address, userAgent])
    },
    /** It was used, and lives at least so many seconds more. False when it is over. */
    touch: async (uid: string, seconds: number): Promise<boolean> =>
      (await database.query(statements.touch, [uid, seconds])).length > 0,
    /** The live ones, the one used last first. */
    listOfAccount: (sub: string): Promise<ListedSession[]> => database.query<ListedSession>(statements.list, [sub]),
    /** One more cookie value for a session that is there. */
    addKey: async (key: Buffer, uid: string): Promise<void> => {
      await database.query(statements.addKey, [key, uid])
    },
    /** The cookie value was renewed: from now on it only serves the tabs that have not heard of it. */
    supersede: async (keys: Buffer[]): Promise<void> => {
      await database.query(statements.supersede, [keys])
    },
    /** Ends the session for every tab; answers its uid. */
    remove: async (keys: Buffer[]): Promise<string | undefined> => {
      const [row] = await database.query<{ uid: string }>(statements.remove, [keys])
      return row?.uid
    },
    /** False when this account has no such session. */
    removeOne: async (sub: string, uid: string): Promise<boolean> =>
      (await database.query('DELETE FROM sessions WHERE sub = $1 AND uid = $2 RETURNING 1', [sub, uid])).length > 0,
    /** All but the one to keep; answers their uids. */
    removeOthers: async (sub: string, keepUid: string | undefined): Promise<string[]> => {
      const text = 'DELETE FROM sessions WHERE sub = $1 AND uid IS DISTINCT FROM $2 RETURNING uid'
      return (await database.query<{ uid: string }>(text, [sub, keepUid])).map(({ uid }) => uid)
    },
    /** For a transaction that ends them after having locked the account: sessions come first, as the engine takes its locks. */
    lockOfAccount: async (sub: string): Promise<void> => {
      await database.query('SELECT 1 FROM sessions WHERE sub = $1 ORDER BY uid FOR UPDATE', [sub])
    },
    removeOfAccount: async (sub: string): Promise<void> => {
      await database.query('DELETE FROM sessions WHERE sub = $1', [sub])
    },
  }
}
