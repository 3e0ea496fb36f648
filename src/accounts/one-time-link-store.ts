// Stores links that work once: 256-bit tokens, kept as digests only, redeemed by one conditional statement.
import { randomBytes } from 'node:crypto'
import type { Database } from '../database/database.ts'
import type { Sealing } from '../sealing.ts'

export interface OneTimeLink {
  /** The account that the link is for, if there is one yet. */
  sub: string | undefined
}

export interface OneTimeLinkStore {
  /** Returns the token, which is nowhere kept. */
  create(purpose: string, options: { sub?: string | undefined; seconds: number }): Promise<string>
  /** Does not use the link up. */
  find(purpose: string, token: string): Promise<OneTimeLink | undefined>
  /** Succeeds once, whoever else tries at the same moment. */
  redeem(purpose: string, token: string): Promise<OneTimeLink | undefined>
  removeAll(purpose: string): Promise<void>
}

interface Parts {
  database: Database
  sealing: Pick<Sealing, 'digest' | 'digests'>
}

interface Row {
  sub: string | null
}

const toLink = (row: Row | undefined): OneTimeLink | undefined => row && { sub: row.sub ?? undefined }

export function createOneTimeLinkStore({ database, sealing }: Parts): OneTimeLinkStore {
  const ask = async (text: string, purpose: string, token: string) => {
    const [row] = await database.query<Row>(text, [sealing.digests(token), purpose])
    return toLink(row)
  }

  return {
    create: async (purpose, { sub, seconds }) => {
      const token = randomBytes(32).toString('base64url')
      await database.query(
        'INSERT INTO one_time_links (key, purpose, sub, expires_at) VALUES ($1, $2, $3, now() + make_interval(secs => $4))',
        [sealing.digest(token), purpose, sub, seconds],
      )
      return token
    },
    find: (purpose, token) =>
      ask(
        'SELECT sub FROM one_time_links WHERE key = ANY($1) AND purpose = $2 AND expires_at > clock_timestamp()',
        purpose,
        token,
      ),
    redeem: (purpose, token) =>
      ask(
        'DELETE FROM one_time_links WHERE key = ANY($1) AND purpose = $2 AND expires_at > clock_timestamp() RETURNING sub',
        purpose,
        token,
      ),
    removeAll: async (purpose) => {
      await database.query('DELETE FROM one_time_links WHERE purpose = $1', [purpose])
    },
  }
}
