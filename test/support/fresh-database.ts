// Gives a test file a migrated database of its own, copied from the template in some 30 ms.
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { createDatabase, type Database, type DatabaseOptions } from '../../src/database/database.ts'

export interface FreshDatabase {
  url: string
  database: Database
  drop(): Promise<void>
}

/** `options` reach `createDatabase`, so that a test can count statements or choose the size of the pool. */
export async function freshDatabase(options: Partial<DatabaseOptions> = {}): Promise<FreshDatabase> {
  const adminUrl = process.env.TEST_ADMIN_URL
  if (!adminUrl) throw new Error('TEST_ADMIN_URL is missing: test/support/global-setup.ts sets it.')
  const name = `t_${process.env.JEST_WORKER_ID ?? '0'}_${randomBytes(6).toString('hex')}`
  await administer(adminUrl, `CREATE DATABASE ${name} TEMPLATE gatehouse_template`)
  const url = databaseUrl(adminUrl, name)
  const database = createDatabase({ url, poolSize: 5, preparedStatements: true, onError: () => undefined, ...options })
  return {
    url,
    database,
    drop: async () => {
      await database.end()
      await administer(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    },
  }
}

/** The same server, another database. */
export function databaseUrl(url: string, name: string): string {
  const changed = new URL(url)
  changed.pathname = `/${name}`
  return changed.href
}

/** Runs one statement that no transaction may hold, such as CREATE DATABASE. */
export async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
