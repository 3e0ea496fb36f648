// Stores links that work once: 256-bit tokens, kept as digests only, redeemed by one conditional statement.
import { randomBytes } from 'node:crypto'
import type { Database } from '../database/database.ts'
import type { Sealing } from '../sealing.ts'

export interface OneTimeLink {
  /** The account that the link is for, if there is one yet. */
  sub: string | undefined
  details: Record<string, unknown>
}

export interface OneTimeLinkOptions {
  sub?: string | undefined
  seconds: number
  /** Of the account: once it has risen, the link is dead. */
  securityVersion?: number | undefined
  /** Nothing that somebody could use: it is stored as it is. */
  details?: Record<string, unknown> | undefined
}

export interface OneTimeLinkStore {
  /** Returns the token, which is nowhere kept. */
  create(purpose: string, options: OneTimeLinkOptions): Promise<string>
  /** Does not use the link up. */
  find(purpose: string, token: string): Promise<OneTimeLink | undefined>
  /** Succeeds once, whoever else tries at the same moment. */
  redeem(purpose: string, token: string): Promise<OneTimeLink | undefined>
  removeAll(purpose: string): Promise<void>
  /** Those of one account. */
  removeOf(purpose: string, sub: string): Promise<void>
}

interface Parts {
  database: Database
  sealing: Pick<Sealing, 'digest' | 'digests'>
}

interface Row {
  sub: string | null
  details: Record<string, unknown>
}

const toLink = (row: Row | undefined): OneTimeLink | undefined =>
  row && { sub: row.sub ?? undefined, details: row.details }

const isLive = (lock = '') => `link.key = ANY($1) AND link.purpose = $2 AND link.expires_at > clock_timestamp()
  AND (link.security_version IS NULL
    OR link.security_version = (SELECT security_version FROM accounts WHERE sub = link.sub${lock}))`

const findText = `SELECT sub, details FROM one_time_links AS link WHERE ${isLive()}`
// The account is locked, so that a change of credentials under way comes wholly before or wholly after.
const redeemText = `DELETE FROM one_time_links AS link WHERE ${isLive(' FOR NO KEY UPDATE')} RETURNING sub, details`

export function createOneTimeLinkStore({ database, sealing }: Parts): OneTimeLinkStore {
  const ask = async (text: string, purpose: string, token: string) => {
    const [row] = await database.query<Row>(text, [sealing.digests(token), purpose])
    return toLink(row)
  }

  return {
    create: async (purpose, { sub, seconds, securityVersion, details = {} }) => {
      const token = randomBytes(32).toString('base64url')
      await database.query(
        `INSERT INTO one_time_links (key, purpose, sub, expires_at, security_version, details)
         VALUES ($1, $2, $3, now() + make_interval(secs => $4), $5, $6)`,
        [sealing.digest(token), purpose, sub, seconds, securityVersion, details],
      )
      return token
    },
    find: (purpose, token) => ask(findText, purpose, token),
    redeem: (purpose, token) => ask(redeemText, purpose, token),
    removeOf: async (purpose, sub) => {
      await database.query('DELETE FROM one_time_links WHERE purpose = $1 AND sub = $2', [purpose, sub])
    },
    removeAll: async (purpose) => {
      await database.query('DELETE FROM one_time_links WHERE purpose = $1', [purpose])
    },
  }
}
