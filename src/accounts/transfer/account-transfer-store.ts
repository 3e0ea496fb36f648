// Stores accounts many at a time, as they come from another system, and lists them with their secrets for another.
import type { Database } from '../../database/database.ts'

/** What an account is called in the database and in an import alike. */
export interface AccountNames {
  sub?: string | undefined
  email: string
  username?: string | undefined
}

/** Who has these names already. */
export interface Holders {
  subOfSub: string | undefined
  ofEmail: { sub: string; name: string | undefined; username: string | undefined; createdAt: Date } | undefined
  subOfUsername: string | undefined
}

export interface TransferredAccount {
  sub: string
  email: string
  isEmailVerified: boolean
  username: string | undefined
  name: string | undefined
  profile: Record<string, unknown>
  locale: string | undefined
  passwordHash: string | undefined
  passwordChangedAt: Date | undefined
  isPasswordShort: boolean
  isEmailCodeEnabled: boolean
  roles: string[]
  isDisabled: boolean
  /** Unset for one that is made now. */
  createdAt: Date | undefined
  totp: SealedTotp | undefined
}

export interface SealedTotp {
  sealedSecret: string
  /** The fingerprint of the key that it is sealed under. */
  sealingKey: string
}

export type AccountTransferStore = ReturnType<typeof createAccountTransferStore>

interface HoldersRow {
  sub_of_sub: string | null
  sub_of_email: string | null
  name: string | null
  username: string | null
  created_at: Date | null
  sub_of_username: string | null
}

interface AccountRow {
  sub: string
  email: string
  email_verified: boolean
  username: string | null
  name: string | null
  profile: Record<string, unknown>
  locale: string | null
  password_hash: string | null
  password_changed_at: Date | null
  password_is_short: boolean
  email_code_enabled: boolean
  roles: string[]
  disabled_at: Date | null
  created_at: Date
  totp_sealed_secret: string | null
  totp_sealing_key: string | null
}

// LATERAL … LIMIT 1 keeps PostgreSQL at the indexes whatever it believes of the size of a table that is being filled.
const findHolders = {
  name: 'account-transfer-find',
  text: `
    SELECT s.sub AS sub_of_sub, e.sub AS sub_of_email, e.name, e.username, e.created_at, u.sub AS sub_of_username
    FROM json_to_recordset($1) AS given (place int, sub text, email text, username text)
    LEFT JOIN LATERAL (SELECT sub FROM accounts WHERE sub = given.sub LIMIT 1) s ON true
    LEFT JOIN LATERAL (
      SELECT sub, name, username, created_at FROM accounts WHERE lower(email) = lower(given.email) LIMIT 1
    ) e ON true
    LEFT JOIN LATERAL (SELECT sub FROM accounts WHERE lower(username) = lower(given.username) LIMIT 1) u ON true
    ORDER BY given.place`,
}

// One statement, so that a batch is there as a whole or not at all.
const insertAccounts = {
  name: 'account-transfer-insert',
  text: `
    WITH given AS MATERIALIZED (
      SELECT * FROM json_to_recordset($1) AS given (sub text, email text, email_verified boolean, username text, name text,
        profile jsonb, locale text, password_hash text, password_changed_at timestamptz, password_is_short boolean,
        email_code_enabled boolean, roles text[], disabled boolean, created_at timestamptz, totp_sealed_secret text,
        totp_sealing_key text)
    ), made AS (
      INSERT INTO accounts (sub, email, email_verified, username, name, profile, locale, password_hash,
        password_changed_at, password_is_short, email_code_enabled, roles, disabled_at, created_at)
      SELECT sub, email, email_verified, username, name, profile, locale, password_hash,
        CASE WHEN password_hash IS NOT NULL THEN coalesce(password_changed_at, now()) END, password_is_short,
        email_code_enabled, roles, CASE WHEN disabled THEN now() END, coalesce(created_at, now())
      FROM given
      ON CONFLICT DO NOTHING RETURNING sub
    ), with_totp AS (
      INSERT INTO totp_authenticators (sub, sealed_secret, sealing_key, last_step)
      SELECT sub, totp_sealed_secret, totp_sealing_key, 0 FROM given JOIN made USING (sub)
      WHERE totp_sealed_secret IS NOT NULL
    )
    SELECT sub FROM made`,
}

export function createAccountTransferStore({ database }: { database: Database }) {
  return {
    /** In the order of `names`. */
    findHolders: async (names: readonly AccountNames[]): Promise<Holders[]> => {
      const given = names.map(({ sub, email, username }, place) => ({ place, sub, email, username }))
      const rows = await database.query<HoldersRow>(findHolders, [JSON.stringify(given)])
      return rows.map(toHolders)
    },

    /** Returns the subs of those that were made; the others clash with an account that is there. */
    insert: async (accounts: readonly TransferredAccount[]): Promise<Set<string>> => {
      const rows = await database.query<{ sub: string }>(insertAccounts, [JSON.stringify(accounts.map(toRow))])
      return new Set(rows.map(({ sub }) => sub))
    },

    /** At most `limit` accounts whose sub sorts after `after`. */
    list: async ({ after, limit }: { after: string; limit: number }): Promise<TransferredAccount[]> => {
      const rows = await database.query<AccountRow>(
        `SELECT accounts.*, totp.sealed_secret AS totp_sealed_secret, totp.sealing_key AS totp_sealing_key
         FROM accounts LEFT JOIN totp_authenticators AS totp USING (sub) WHERE sub > $1 ORDER BY sub LIMIT $2`,
        [after, limit],
      )
      return rows.map(toTransferred)
    },
  }
}

const toHolders = (row: HoldersRow): Holders => ({
  subOfSub: row.sub_of_sub ?? undefined,
  ofEmail:
    row.sub_of_email !== null && row.created_at !== null
      ? {
          sub: row.sub_of_email,
          name: row.name ?? undefined,
          username: row.username ?? undefined,
          createdAt: row.created_at,
        }
      : undefined,
  subOfUsername: row.sub_of_username ?? undefined,
})

const toRow = (account: TransferredAccount) => ({
  sub: account.sub,
  email: account.email,
  email_verified: account.isEmailVerified,
  username: account.username,
  name: account.name,
  profile: account.profile,
  locale: account.locale,
  password_hash: account.passwordHash,
  password_changed_at: account.passwordChangedAt,
  password_is_short: account.isPasswordShort,
  email_code_enabled: account.isEmailCodeEnabled,
  roles: account.roles,
  disabled: account.isDisabled,
  created_at: account.createdAt,
  totp_sealed_secret: account.totp?.sealedSecret,
  totp_sealing_key: account.totp?.sealingKey,
})

const toTransferred = (row: AccountRow): TransferredAccount => ({
  sub: row.sub,
  email: row.email,
  isEmailVerified: row.email_verified,
  username: row.username ?? undefined,
  name: row.name ?? undefined,
  profile: row.profile,
  locale: row.locale ?? undefined,
  passwordHash: row.password_hash ?? undefined,
  passwordChangedAt: row.password_changed_at ?? undefined,
  isPasswordShort: row.password_is_short,
  isEmailCodeEnabled: row.email_code_enabled,
  roles: row.roles,
  isDisabled: row.disabled_at !== null,
  createdAt: row.created_at,
  totp:
    row.totp_sealed_secret !== null && row.totp_sealing_key !== null
      ? { sealedSecret: row.totp_sealed_secret, sealingKey: row.totp_sealing_key }
      : undefined,
})
