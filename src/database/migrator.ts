// Brings the schema up or down under an advisory lock of our own, and tells where it stands.
import knexFactory, { type Knex } from 'knex'
import pg from 'pg'
import type { Database } from './database.ts'
import { migrationSource } from './migrations.ts'

export interface MigrationStatus {
  applied: string[]
  pending: string[]
  /** Applied by a newer version of Gatehouse. */
  unknown: string[]
}

// Any constant: two processes that migrate one database must use the same.
const lockId = 7_283_019_446

export interface Migrator {
  up(): Promise<string[]>
  down(): Promise<string[]>
  status(): Promise<MigrationStatus>
}

export function createMigrator({ url }: { url: string }): Migrator {
  const withKnex = async <T>(work: (knex: Knex) => Promise<T>): Promise<T> => {
    const knex = knexFactory({
      client: 'pg',
      connection: { connectionString: url, connectionTimeoutMillis: 5000 },
      pool: {
        min: 0,
        max: 2,
        // A migration that waits for a lock holds up everybody behind it: better fail and be run again.
        afterCreate: (connection: pg.Client, done: (error: Error | null) => void) =>
          connection.query("SET lock_timeout = '1s'", (error) => done(error ?? null)),
      },
      // What went wrong is thrown; knex would print it as well.
      log: { warn: () => undefined, error: () => undefined, debug: () => undefined, deprecate: () => undefined },
      migrations: { migrationSource, disableMigrationsListValidation: true },
    })
    try {
      return await work(knex)
    } finally {
      await knex.destroy()
    }
  }

  const migrate = (direction: 'latest' | 'down') =>
    withLock(url, () =>
      withKnex(async (knex) => {
        // Under our own lock nobody else migrates, so knex's flag can only be the rest of a killed run (knex #3538).
        if (await knex.schema.hasTable('knex_migrations_lock')) await knex.migrate.forceFreeMigrationsLock()
        const [, names] = await knex.migrate[direction]()
        return names as string[]
      }),
    )

  return { up: () => migrate('latest'), down: () => migrate('down'), status: () => withKnex(readStatus) }
}

async function readStatus(knex: Knex): Promise<MigrationStatus> {
  const known = await migrationSource.getMigrations([])
  const applied: string[] = (await knex.schema.hasTable('knex_migrations'))
    ? (await knex('knex_migrations').orderBy('id')).map((row: { name: string }) => row.name)
    : []
  return {
    applied,
    pending: known.filter((name) => !applied.includes(name)),
    unknown: applied.filter((name) => !known.includes(name)),
  }
}

/** Asked at every start and by the readiness probe, through the pool that serves requests. */
export async function pendingMigrations(database: Pick<Database, 'query'>): Promise<string[]> {
  const known = await migrationSource.getMigrations([])
  const [table] = await database.query<{ name: string | null }>("SELECT to_regclass('knex_migrations')::text AS name")
  if (!table?.name) return known
  const applied = await database.query<{ name: string }>('SELECT name FROM knex_migrations')
  return known.filter((name) => !applied.some((row) => row.name === name))
}

async function withLock<T>(url: string, work: () => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5000,
    application_name: 'gatehouse migration',
  })
  client.on('error', () => undefined)
  await client.connect()
  try {
    for (let waited = 0; ; waited += 1) {
      const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [lockId])
      if (rows[0]?.locked) break
      if (waited === 120)
        throw new Error('Another process has been migrating this database for 60 seconds. Look for it, then try again.')
      await new Promise((done) => setTimeout(done, 500))
    }
    return await work()
  } finally {
    await client.end()
  }
}
