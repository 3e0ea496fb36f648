// Starts one PostgreSQL for the whole run and migrates the template that every test database is copied from.
import { createMigrator } from '../../src/database/migrator.ts'
import { administer, databaseUrl } from './fresh-database.ts'
import { startTestPostgres } from './postgres.ts'

type Shared = typeof globalThis & { testPostgres?: { stop(): Promise<void> } }

export default async function globalSetup(): Promise<void> {
  const postgres = await startTestPostgres()
  const shared: Shared = globalThis
  shared.testPostgres = postgres
  try {
    await administer(postgres.url, 'DROP DATABASE IF EXISTS gatehouse_template WITH (FORCE)')
    await administer(postgres.url, 'CREATE DATABASE gatehouse_template')
    await createMigrator({ url: databaseUrl(postgres.url, 'gatehouse_template') }).up()
  } catch (error) {
    // Without this a broken migration would leave a server behind: jest calls no teardown after a failed set-up.
    await postgres.stop()
    throw error
  }
  process.env.TEST_ADMIN_URL = postgres.url
}
