// Stores initial access tokens for dynamic client registration (RFC 7591 section 3): how often each may be used, and until when.
import type { Database } from '../../database/database.ts'

export interface RegistrationToken {
  id: string
  /** Undefined: as often as one likes. */
  usesLeft: number | undefined
  createdAt: Date
  expiresAt: Date
}

interface Row {
  id: string
  uses_left: number | null
  created_at: Date
  expires_at: Date
}

const toToken = (row: Row): RegistrationToken => ({
  id: row.id,
  usesLeft: row.uses_left ?? undefined,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
})

const usable = 'expires_at > clock_timestamp() AND (uses_left IS NULL OR uses_left > 0)'

export type RegistrationTokenStore = ReturnType<typeof createRegistrationTokenStore>

export function createRegistrationTokenStore({ database }: { database: Database }) {
  return {
    find: async (keys: Buffer[]): Promise<RegistrationToken | undefined> => {
      const [row] = await database.query<Row>(`SELECT * FROM registration_tokens WHERE key = ANY($1) AND ${usable}`, [
        keys,
      ])
      return row && toToken(row)
    },
    /** Takes one use; false when none was left. */
    use: async (keys: Buffer[]): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE registration_tokens SET uses_left = uses_left - 1 WHERE key = ANY($1) AND ${usable} RETURNING 1`,
        [keys],
      )
      return rows.length > 0
    },
    insert: async (key: Buffer, uses: number | undefined, seconds: number): Promise<RegistrationToken> => {
      const rows = await database.query<Row>(
        `INSERT INTO registration_tokens (key, uses_left, expires_at) VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3)) RETURNING *`,
        [key, uses, seconds],
      )
      return toToken(rows[0] as Row)
    },
    list: async (): Promise<RegistrationToken[]> => {
      const rows = await database.query<Row>(`SELECT * FROM registration_tokens WHERE ${usable} ORDER BY created_at`)
      return rows.map(toToken)
    },
    remove: async (id: string): Promise<boolean> => {
      const rows = await database.query('DELETE FROM registration_tokens WHERE id::text = $1 RETURNING 1', [id])
      return rows.length > 0
    },
  }
}
