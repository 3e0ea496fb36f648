// `gatehouse config`: checks the environment, and shows what is in effect.
import { Command } from 'commander'
import { ConfigError } from '../../config.ts'
import { findRunningPostgres } from '../../database/embedded-postgres.ts'
import { brandingProblems } from '../../server/pages/deployment-branding.ts'
import type { CommandParts } from '../command-parts.ts'
import { lines } from '../terminal.ts'
import { effectiveConfig } from './effective-config.ts'

export function configCommand({ config, terminal }: CommandParts): Command {
  const group = new Command('config')
  group
    .command('validate')
    .description('check the environment, and list every problem with its fix')
    .action(() => {
      const problems = brandingProblems(config())
      if (problems.length > 0) throw new ConfigError(problems)
      terminal.print({ valid: true }, 'The configuration is valid.')
    })
  group
    .command('print')
    .description('the effective configuration, with secrets masked')
    .action(async () => {
      const loaded = config()
      const embedded = loaded.database.url ? undefined : await findRunningPostgres(loaded.dataDir)
      const effective = effectiveConfig(loaded, embedded?.url)
      const shown = Object.entries(effective).map(([name, value]) => [name, value === null ? '-' : String(value)])
      terminal.print(effective, lines(Object.fromEntries(shown)))
      for (const problem of brandingProblems(loaded)) terminal.note(problem)
      if (effective.DATABASE_URL === null) terminal.note('The embedded database is not running.')
    })
  return group
}
