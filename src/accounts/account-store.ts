// Stores the accounts of people.
import { randomUUID } from 'node:crypto'
import type { Database } from '../database/database.ts'
import { isUniqueViolation } from '../database/faults.ts'
import { accountStates } from './account-state-store.ts'

export interface Account {
  sub: string
  email: string
  isEmailVerified: boolean
  /** A second name to sign in by; it holds no @. */
  username: string | undefined
  name: string | undefined
  /** Further standard claims by their own names, such as `given_name` (OpenID Connect Core section 5.1). */
  profile: Record<string, unknown>
  /** The language that the person chose, as a BCP 47 tag. */
  locale: string | undefined
  roles: string[]
  disabledAt: Date | undefined
  /** When it will be deleted, because its owner asked for that. */
  deleteAfter: Date | undefined
  hasPassword: boolean
  passwordChangedAt: Date | undefined
  /** Long enough only beside a second factor. */
  isPasswordShort: boolean
  /** Codes by mail serve as a second factor. */
  isEmailCodeEnabled: boolean
  /** Rises whenever a credential changes: what was begun under an earlier one is over. */
  securityVersion: number
  version: number
  createdAt: Date
  updatedAt: Date
}

export interface AccountWithPassword extends Account {
  passwordHash: string | undefined
}

export interface NewAccount {
  sub?: string | undefined
  email: string
  isEmailVerified?: boolean | undefined
  username?: string | undefined
  name?: string | undefined
  profile?: Record<string, unknown> | undefined
  locale?: string | undefined
  passwordHash?: string | undefined
  isPasswordShort?: boolean | undefined
  roles?: string[] | undefined
  createdAt?: Date | undefined
}

/** An empty `username` or `locale` takes it away. */
export type AccountChanges = Partial<
  Pick<Account, 'email' | 'isEmailVerified' | 'username' | 'name' | 'profile' | 'locale' | 'roles'>
>
export type Taken = 'email_taken' | 'username_taken'
export type InsertResult = { ok: true; account: Account } | { ok: false; reason: Taken | 'sub_taken' }

interface Row {
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
  security_version: number
  roles: string[]
  disabled_at: Date | null
  delete_after: Date | null
  version: number
  created_at: Date
  updated_at: Date
}

const toAccount = (row: Row): Account => ({
  sub: row.sub,
  email: row.email,
  isEmailVerified: row.email_verified,
  username: row.username ?? undefined,
  name: row.name ?? undefined,
  profile: row.profile,
  locale: row.locale ?? undefined,
  roles: row.roles,
  disabledAt: row.disabled_at ?? undefined,
  deleteAfter: row.delete_after ?? undefined,
  hasPassword: row.password_hash !== null,
  passwordChangedAt: row.password_changed_at ?? undefined,
  isPasswordShort: row.password_is_short,
  isEmailCodeEnabled: row.email_code_enabled,
  securityVersion: row.security_version,
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const findStatement = { name: 'account-find', text: 'SELECT * FROM accounts WHERE sub = $1' }
const findByEmailStatement = {
  name: 'account-find-by-email',
  text: 'SELECT * FROM accounts WHERE lower(email) = lower($1)',
}
const findByUsernameStatement = {
  name: 'account-find-by-username',
  text: 'SELECT * FROM accounts WHERE lower(username) = lower($1)',
}

export type AccountStore = ReturnType<typeof createAccountStore>

export function createAccountStore({ database }: { database: Database }) {
  return {
    insert: (account: NewAccount): Promise<InsertResult> => insert(database, account),

    find: async (sub: string): Promise<Account | undefined> => {
      const [row] = await database.query<Row>(findStatement, [sub])
      return row && toAccount(row)
    },

    findByEmail: async (email: string): Promise<AccountWithPassword | undefined> =>
      withPassword(await database.query<Row>(findByEmailStatement, [email])),

    /** By what a person types to sign in: an e-mail address or a username. */
    findByIdentifier: async (identifier: string): Promise<AccountWithPassword | undefined> => {
      const statement = identifier.includes('@') ? findByEmailStatement : findByUsernameStatement
      return withPassword(await database.query<Row>(statement, [identifier]))
    },

    /** At most `limit` accounts whose sub sorts after `after`; `email` narrows to those that contain it. */
    list: async ({
      after = '',
      limit,
      email,
    }: {
      after?: string | undefined
      limit: number
      email?: string | undefined
    }): Promise<Account[]> => {
      const rows = await database.query<Row>(
        `SELECT * FROM accounts WHERE sub > $1 AND ($3::text IS NULL OR strpos(lower(email), lower($3)) > 0) ORDER BY sub LIMIT $2`,
        [after, limit, email],
      )
      return rows.map(toAccount)
    },

    update: (sub: string, changes: AccountChanges, version?: number) => update(database, sub, changes, version),

    ...accountStates(database),
  }
}

/** Undefined when there is no such account, or when it is no longer at `version`. */
async function update(
  database: Database,
  sub: string,
  changes: AccountChanges,
  version?: number,
): Promise<Account | Taken | undefined> {
  try {
    const [row] = await database.query<Row>(
      `UPDATE accounts SET email = coalesce($2, email), email_verified = coalesce($3, email_verified), name = coalesce($4, name),
         roles = coalesce($5, roles), username = nullif(coalesce($7, username), ''), profile = coalesce($8, profile),
         locale = nullif(coalesce($9, locale), ''),
         -- What was mailed to the former address is worth nothing any more, nor a link that was made when it could do less.
         security_version = security_version + (lower(coalesce($2, email)) <> lower(email) OR coalesce($5, roles) <> roles)::int,
         version = version + 1, updated_at = now()
       WHERE sub = $1 AND ($6::int IS NULL OR version = $6) RETURNING *`,
      [
        sub,
        changes.email,
        changes.isEmailVerified,
        changes.name,
        changes.roles,
        version,
        changes.username,
        changes.profile,
        changes.locale,
      ],
    )
    return row && toAccount(row)
  } catch (error) {
    if (isUniqueViolation(error)) return takenBy(error)
    throw error
  }
}

/** Which of the two names another account has: PostgreSQL says which index refused. */
const takenBy = (error: unknown): Taken =>
  (error as { constraint?: string }).constraint === 'accounts_username' ? 'username_taken' : 'email_taken'

const withPassword = ([row]: Row[]): AccountWithPassword | undefined =>
  row && { ...toAccount(row), passwordHash: row.password_hash ?? undefined }

async function insert(database: Database, account: NewAccount): Promise<InsertResult> {
  const rows = await database.query<Row>(
    `INSERT INTO accounts (sub, email, email_verified, username, name, profile, locale, password_hash, password_changed_at,
       password_is_short, roles, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $8::text IS NULL THEN NULL ELSE now() END, $9, $10, coalesce($11, now()))
     ON CONFLICT DO NOTHING RETURNING *`,
    [
      account.sub ?? randomUUID(),
      account.email,
      account.isEmailVerified ?? false,
      account.username,
      account.name,
      account.profile ?? {},
      account.locale,
      account.passwordHash,
      account.isPasswordShort ?? false,
      account.roles ?? [],
      account.createdAt,
    ],
  )
  if (rows[0]) return { ok: true, account: toAccount(rows[0]) }
  const [sameSub] = account.sub ? await database.query<Row>(findStatement, [account.sub]) : []
  if (sameSub) return { ok: false, reason: 'sub_taken' }
  const [sameEmail] = await database.query<Row>(findByEmailStatement, [account.email])
  return { ok: false, reason: sameEmail || !account.username ? 'email_taken' : 'username_taken' }
}
