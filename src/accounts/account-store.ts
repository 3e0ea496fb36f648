// Stores the accounts of people.
import { randomUUID } from 'node:crypto'
import type { Database } from '../database/database.ts'
import { isUniqueViolation } from '../database/faults.ts'

export interface Account {
  sub: string
  email: string
  isEmailVerified: boolean
  name: string | undefined
  roles: string[]
  disabledAt: Date | undefined
  hasPassword: boolean
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
  name?: string | undefined
  passwordHash?: string | undefined
  roles?: string[] | undefined
  createdAt?: Date | undefined
}

export type AccountChanges = Partial<Pick<Account, 'email' | 'isEmailVerified' | 'name' | 'roles'>>
export type InsertResult = { ok: true; account: Account } | { ok: false; reason: 'email_taken' | 'sub_taken' }

interface Row {
  sub: string
  email: string
  email_verified: boolean
  name: string | null
  password_hash: string | null
  roles: string[]
  disabled_at: Date | null
  version: number
  created_at: Date
  updated_at: Date
}

const toAccount = (row: Row): Account => ({
  sub: row.sub,
  email: row.email,
  isEmailVerified: row.email_verified,
  name: row.name ?? undefined,
  roles: row.roles,
  disabledAt: row.disabled_at ?? undefined,
  hasPassword: row.password_hash !== null,
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const findStatement = { name: 'account-find', text: 'SELECT * FROM accounts WHERE sub = $1' }
const findByEmailStatement = {
  name: 'account-find-by-email',
  text: 'SELECT * FROM accounts WHERE lower(email) = lower($1)',
}

export type AccountStore = ReturnType<typeof createAccountStore>

export function createAccountStore({ database }: { database: Database }) {
  return {
    insert: (account: NewAccount): Promise<InsertResult> => insert(database, account),

    find: async (sub: string): Promise<Account | undefined> => {
      const [row] = await database.query<Row>(findStatement, [sub])
      return row && toAccount(row)
    },

    findByEmail: async (email: string): Promise<AccountWithPassword | undefined> => {
      const [row] = await database.query<Row>(findByEmailStatement, [email])
      return row && { ...toAccount(row), passwordHash: row.password_hash ?? undefined }
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

    /** With `replacing` only while that hash is still the one: a password that was just changed is not put back. */
    setPassword: async (
      sub: string,
      passwordHash: string,
      { replacing }: { replacing?: string | undefined } = {},
    ): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE accounts SET password_hash = $2, password_changed_at = now(), version = version + 1, updated_at = now()
         WHERE sub = $1 AND ($3::text IS NULL OR password_hash = $3) RETURNING 1`,
        [sub, passwordHash, replacing],
      )
      return rows.length > 0
    },

    /** Locks the row, so that a sign-in under way is either seen by what follows or refused. */
    setDisabled: async (sub: string, isDisabled: boolean): Promise<boolean> => {
      await database.query('SELECT 1 FROM accounts WHERE sub = $1 FOR UPDATE', [sub])
      const rows = await database.query(
        `UPDATE accounts SET disabled_at = CASE WHEN $2 THEN coalesce(disabled_at, now()) END, version = version + 1, updated_at = now()
         WHERE sub = $1 RETURNING sub`,
        [sub, isDisabled],
      )
      return rows.length > 0
    },

    /** Its sessions, grants, tokens and consents go with it. */
    remove: async (sub: string): Promise<boolean> => {
      const rows = await database.query('DELETE FROM accounts WHERE sub = $1 RETURNING sub', [sub])
      return rows.length > 0
    },

    /** Serialises every decision about who is an owner, so that two at once cannot remove the last two. */
    countOtherOwners: async (sub: string): Promise<number> => {
      await database.query("SELECT pg_advisory_xact_lock(hashtext('gatehouse owners'))")
      const [row] = await database.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM accounts WHERE 'owner' = ANY(roles) AND disabled_at IS NULL AND sub <> $1`,
        [sub],
      )
      return row?.count ?? 0
    },
  }
}

/** Undefined when there is no such account, or when it is no longer at `version`. */
async function update(
  database: Database,
  sub: string,
  changes: AccountChanges,
  version?: number,
): Promise<Account | 'email_taken' | undefined> {
  try {
    const [row] = await database.query<Row>(
      `UPDATE accounts SET email = coalesce($2, email), email_verified = coalesce($3, email_verified), name = coalesce($4, name),
         roles = coalesce($5, roles), version = version + 1, updated_at = now()
       WHERE sub = $1 AND ($6::int IS NULL OR version = $6) RETURNING *`,
      [sub, changes.email, changes.isEmailVerified, changes.name, changes.roles, version],
    )
    return row && toAccount(row)
  } catch (error) {
    if (isUniqueViolation(error)) return 'email_taken'
    throw error
  }
}

async function insert(database: Database, account: NewAccount): Promise<InsertResult> {
  const rows = await database.query<Row>(
    `INSERT INTO accounts (sub, email, email_verified, name, password_hash, password_changed_at, roles, created_at)
     VALUES ($1, $2, $3, $4, $5, CASE WHEN $5::text IS NULL THEN NULL ELSE now() END, $6, coalesce($7, now()))
     ON CONFLICT DO NOTHING RETURNING *`,
    [
      account.sub ?? randomUUID(),
      account.email,
      account.isEmailVerified ?? false,
      account.name,
      account.passwordHash,
      account.roles ?? [],
      account.createdAt,
    ],
  )
  if (rows[0]) return { ok: true, account: toAccount(rows[0]) }
  const [sameSub] = account.sub ? await database.query<Row>(findStatement, [account.sub]) : []
  return { ok: false, reason: sameSub ? 'sub_taken' : 'email_taken' }
}
