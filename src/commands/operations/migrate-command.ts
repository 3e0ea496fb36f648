// `gatehouse migrate`: brings the schema up or one step down, and tells where it stands.
import { Command } from 'commander'
import { createMigrator, type Migrator } from '../../database/migrator.ts'
import type { CommandParts } from '../command-parts.ts'
import { withDatabaseUrl } from '../open-database.ts'
import { CommandRefusal, reasonOf } from '../refusals.ts'
import { table } from '../terminal.ts'

export function migrateCommand({ config, terminal }: CommandParts): Command {
  const withMigrator = <T>(work: (migrator: Migrator) => Promise<T>) =>
    withDatabaseUrl(config(), (url) => work(createMigrator({ url })).catch(refuse))
  const group = new Command('migrate')
  group
    .command('up')
    .description('apply every migration that is missing')
    .action(async () => {
      const applied = await withMigrator((migrator) => migrator.up())
      terminal.print({ applied }, told('Applied', applied) ?? 'The schema is up to date.')
    })
  group
    .command('down')
    .description('take the last migration back, with the data in its tables')
    .action(async () => {
      const reverted = await withMigrator((migrator) => migrator.down())
      terminal.print({ reverted }, told('Took back', reverted) ?? 'There is no migration to take back.')
    })
  group
    .command('status')
    .description('which migrations are applied, and which are missing')
    .action(async () => {
      const status = await withMigrator((migrator) => migrator.status())
      const rows = Object.entries(status).flatMap(([state, names]: [string, string[]]) =>
        names.map((name) => [name, state]),
      )
      terminal.print(status, table(['MIGRATION', 'STATE'], rows, 'There is no migration.'))
    })
  return group
}

const told = (what: string, names: string[]) => (names.length > 0 ? `${what} ${names.join(', ')}.` : undefined)

function refuse(error: unknown): never {
  // A lock that another transaction holds, or a migration that fails on this data: the database's own words say which.
  throw new CommandRefusal('migration_failed', `The migration failed: ${reasonOf(error)}.`)
}
