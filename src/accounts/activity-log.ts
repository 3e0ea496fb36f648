// Keeps what happened to an account, for its owner to read; it is no audit log: after 180 days it is gone.
import type { Database } from '../database/database.ts'
import type { Sentence } from '../language/translations.ts'

/** Each has a text `activity.TYPE` in views/locales/. */
export const activityTypes = [
  'signed_up',
  'invited',
  'signed_in',
  'sign_in_failed',
  'locked',
  'unlocked',
  'password_changed',
  'password_reset',
  'factor_added',
  'factor_removed',
  'recovery_code_used',
  'recovery_codes_regenerated',
  'passkey_added',
  'passkey_removed',
  'email_changed',
  'email_verified',
  'profile_changed',
  'device_remembered',
  'device_forgotten',
  'session_ended',
  'sessions_ended',
  'consent_given',
  'consent_withdrawn',
  'exported',
  'deletion_requested',
  'deletion_cancelled',
] as const

export type ActivityType = (typeof activityTypes)[number]
export type ActivityDetails = Record<string, string | number | boolean>

export interface Happening {
  type: ActivityType
  address: string
  userAgent: string
  /** Such as `{ factor: 'totp' }`; no secret, and nothing that the owner may not see. */
  details?: ActivityDetails
}

export interface Activity extends Required<Happening> {
  /** Larger than those of all that happened before. */
  id: string
  at: Date
}

export type ActivityLog = ReturnType<typeof createActivityLog>

interface Row {
  id: string
  at: Date
  type: ActivityType
  address: string
  user_agent: string
  details: ActivityDetails
}

const longestUserAgent = 512

// Failures are other people's doing: they must not bury what the owner did. Without an account there is nobody to tell.
const appendStatement = {
  name: 'activity-append',
  text: `
    INSERT INTO account_activity (sub, type, address, user_agent, details)
    SELECT sub, $2, $3, $4, $5 FROM accounts WHERE sub = $1 AND ($2 <> 'sign_in_failed' OR 20 > (
      SELECT count(*) FROM account_activity
      WHERE sub = $1 AND type = 'sign_in_failed' AND at > clock_timestamp() - interval '1 hour'))`,
}

// A type that a newer version has written has no text here.
const listStatement = {
  name: 'activity-list',
  text: `
    SELECT id, at, type, address, user_agent, details FROM account_activity
    WHERE sub = $1 AND id < $2 AND type = ANY($3) ORDER BY id DESC LIMIT $4`,
}

const newest = '9223372036854775807'

export function createActivityLog({ database }: { database: Database }) {
  return {
    /** Belongs to the transaction under way: what was rolled back has not happened. */
    append: async (sub: string, { type, address, userAgent, details = {} }: Happening): Promise<void> => {
      const clipped = userAgent.slice(0, longestUserAgent).toWellFormed()
      await database.query(appendStatement, [sub, type, address, clipped, details])
    },

    has: async (sub: string, type: ActivityType): Promise<boolean> => {
      const rows = await database.query('SELECT 1 FROM account_activity WHERE sub = $1 AND type = $2 LIMIT 1', [
        sub,
        type,
      ])
      return rows.length > 0
    },

    /** Newest first; `before` is the id of the last one that was seen. */
    list: async (sub: string, { before = newest, limit }: { before?: string; limit: number }): Promise<Activity[]> => {
      if (!/^\d{1,18}$/.test(before) && before !== newest) return []
      const rows = await database.query<Row>(listStatement, [sub, before, activityTypes, limit])
      return rows.map(({ user_agent: userAgent, ...row }) => ({ ...row, userAgent }))
    },
  }
}

export const activitySentence = ({ type }: Pick<Activity, 'type'>): Sentence => ({ key: `activity.${type}` })
