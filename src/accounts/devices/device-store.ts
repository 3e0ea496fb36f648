// Stores the browsers that people have signed in with; a browser is kept as the digest of its cookie, for each account apart.
import type { Database } from '../../database/database.ts'

export interface Device {
  id: string
  userAgent: string
  address: string
  createdAt: Date
  lastSeenAt: Date
  /** Undefined when it is not spared the second factor, or no longer. */
  rememberedUntil: Date | undefined
}

export interface DeviceVisit {
  address: string
  userAgent: string
  /** Days for which the second factor is spared from now on; 0 leaves things as they are. */
  rememberDays: number
  /** Whether more than one factor was shown. */
  hasShownFactor: boolean
}

export interface KnownDevice {
  id: string
  isRemembered: boolean
  hasShownFactor: boolean
}

interface Row {
  id: string
  user_agent: string
  address: string
  created_at: Date
  last_seen_at: Date
  remembered_until: Date | null
}

const toDevice = (row: Row): Device => ({
  id: row.id,
  userAgent: row.user_agent,
  address: row.address,
  createdAt: row.created_at,
  lastSeenAt: row.last_seen_at,
  rememberedUntil: row.remembered_until ?? undefined,
})

const findStatement = {
  name: 'device-find',
  text: `SELECT id, coalesce(remembered_until > clock_timestamp(), false) AS "isRemembered", factor_shown_at IS NOT NULL AS "hasShownFactor"
    FROM devices WHERE key = ANY($1) AND sub = $2`,
}

// Use prolongs nothing: what is still remembered keeps its end.
const remembered = `CASE WHEN $5 > 0 AND coalesce(devices.remembered_until <= clock_timestamp(), true)
  THEN clock_timestamp() + make_interval(days => $5) ELSE devices.remembered_until END`

// Under the key of the cookie from now on: a renewed one, or the same under the newest sealing key.
const updateStatement = {
  name: 'device-update',
  text: `UPDATE devices SET key = $6, factor_shown_at = CASE WHEN $7 THEN clock_timestamp() ELSE factor_shown_at END, address = $3, user_agent = $4, last_seen_at = clock_timestamp(),
      remembered_until = ${remembered}
    WHERE key = ANY($1) AND sub = $2 RETURNING id`,
}

// Of two tabs that arrive at once, one makes the row.
const insertStatement = {
  name: 'device-insert',
  text: `INSERT INTO devices (key, sub, address, user_agent, remembered_until, factor_shown_at)
    VALUES ($1, $2, $3, $4, CASE WHEN $5 > 0 THEN clock_timestamp() + make_interval(days => $5) END,
      CASE WHEN $6 THEN clock_timestamp() END)
    ON CONFLICT (key, sub) DO UPDATE SET last_seen_at = clock_timestamp(), remembered_until = ${remembered}
    RETURNING (xmax = 0) AS is_new`,
}

const cutStatement = {
  name: 'device-cut',
  text: `DELETE FROM devices WHERE id IN (
      SELECT id FROM devices WHERE sub = $1 ORDER BY last_seen_at DESC, id OFFSET $2 FOR UPDATE SKIP LOCKED)`,
}

export function createDeviceStore({ database }: { database: Database }) {
  return {
    find: async (keys: readonly Buffer[], sub: string): Promise<KnownDevice | undefined> => {
      const [row] = await database.query<KnownDevice>(findStatement, [keys, sub])
      return row
    },

    /** Whether the account had never been here before. `keys` are those of the cookie so far, `key` that of the next one. */
    note: async (keys: readonly Buffer[], key: Buffer, sub: string, visit: DeviceVisit): Promise<boolean> => {
      const { address, userAgent, rememberDays, hasShownFactor } = visit
      const known = await database.query(updateStatement, [
        keys,
        sub,
        address,
        userAgent,
        rememberDays,
        key,
        hasShownFactor,
      ])
      if (known.length > 0) return false
      const values = [key, sub, address, userAgent, rememberDays, hasShownFactor]
      const [row] = await database.query<{ is_new: boolean }>(insertStatement, values)
      return row?.is_new ?? false
    },

    /** The same browser, for the other accounts that have been here. */
    rekey: async (keys: readonly Buffer[], key: Buffer): Promise<void> => {
      await database.query('UPDATE devices SET key = $2 WHERE key = ANY($1)', [keys, key])
    },

    /** The oldest go. */
    cut: async (sub: string, most: number): Promise<void> => {
      await database.query(cutStatement, [sub, most])
    },

    /** Last seen first. */
    list: async (sub: string): Promise<Device[]> => {
      const rows = await database.query<Row>(
        `SELECT id, user_agent, address, created_at, last_seen_at,
           CASE WHEN remembered_until > clock_timestamp() THEN remembered_until END AS remembered_until
         FROM devices WHERE sub = $1 ORDER BY last_seen_at DESC, id`,
        [sub],
      )
      return rows.map(toDevice)
    },

    remove: async (sub: string, id: string): Promise<boolean> =>
      (await database.query('DELETE FROM devices WHERE sub = $1 AND id = $2 RETURNING 1', [sub, id])).length > 0,

    removeAll: async (sub: string): Promise<number> =>
      (await database.query('DELETE FROM devices WHERE sub = $1 RETURNING 1', [sub])).length,
  }
}
