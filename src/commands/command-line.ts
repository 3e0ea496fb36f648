// The command line: which commands there are, and what becomes of what they throw.
import { Command, CommanderError } from 'commander'
import { ConfigError, loadConfig } from '../config.ts'
import { EmbeddedPostgresError } from '../database/embedded-process.ts'
import { DatabaseUnavailable } from '../database/faults.ts'
import { AppError } from '../http/errors.ts'
import type { CommandParts } from './command-parts.ts'
import { packageRoot, packageVersion } from './package-root.ts'
import { CommandRefusal, reasonOf, UsageError } from './refusals.ts'
import { createTerminal, type Terminal } from './terminal.ts'

interface Group {
  description: string
  /** Each is loaded only when it is asked for: a health check must not cost what a server costs. */
  load?(): Promise<(parts: CommandParts) => Command>
}

const groups: Record<string, Group> = {
  serve: { description: 'start the server' },
  migrate: {
    description: 'the schema of the database',
    load: async () => (await import('./operations/migrate-command.ts')).migrateCommand,
  },
  doctor: {
    description: 'check configuration, database, keys, clock and clients, and say how to mend what is wrong',
    load: async () => (await import('./operations/doctor-command.ts')).doctorCommand,
  },
  config: {
    description: 'what the environment says',
    load: async () => (await import('./operations/config-command.ts')).configCommand,
  },
  clients: {
    description: 'client applications',
    load: async () => (await import('./registry/clients-command.ts')).clientsCommand,
  },
  apis: {
    description: 'APIs that tokens are issued for',
    load: async () => (await import('./registry/apis-command.ts')).apisCommand,
  },
  accounts: {
    description: 'accounts of people',
    load: async () => (await import('./registry/accounts-command.ts')).accountsCommand,
  },
  keys: {
    description: 'keys that sign tokens',
    load: async () => (await import('./tokens/keys-command.ts')).keysCommand,
  },
  'registration-token': {
    description: 'initial access tokens for dynamic client registration',
    load: async () => (await import('./tokens/registration-token-command.ts')).registrationTokenCommand,
  },
  token: {
    description: 'access tokens',
    load: async () => (await import('./tokens/token-command.ts')).tokenCommand,
  },
  healthcheck: {
    description: 'exit 0 when the server on this machine is ready, else 1',
    load: async () => (await import('./operations/healthcheck-command.ts')).healthcheckCommand,
  },
  secret: {
    description: 'random secrets',
    load: async () => (await import('./operations/secret-command.ts')).secretCommand,
  },
}

/** Resolves with the exit code. */
export async function runCommandLine(argv: string[]): Promise<number> {
  const program = new Command('gatehouse')
  const terminal = createTerminal({
    // Also where the arguments could not be read to their end.
    isJson: () => program.opts<{ json?: boolean }>().json ?? argv.includes('--json'),
    stdout: process.stdout,
    stderr: process.stderr,
  })
  const root = packageRoot()
  try {
    await build(program, { terminal, config: () => loadConfig({ root }) }, argv, packageVersion(root))
    await program.parseAsync(argv, { from: 'user' })
    return 0
  } catch (error) {
    return failed(error, terminal)
  }
}

async function build(program: Command, parts: CommandParts, argv: string[], version: string): Promise<void> {
  program
    .description('An OAuth 2.0 and OpenID Connect authorization server.')
    .version(version)
    .option('--json', 'print JSON, also for failures')
  for (const [name, { description, load }] of Object.entries(groups)) {
    // Where it is only another command's argument, it is loaded in vain.
    const command = load && argv.includes(name) ? (await load())(parts) : new Command(name)
    program.addCommand(command.description(description))
    if (name === 'serve') command.action(() => start(parts))
  }
  everyCommand(program, (command) =>
    command
      .exitOverride()
      .configureHelp({ showGlobalOptions: true })
      .configureOutput({ outputError: () => undefined })
      .helpCommand(false),
  )
}

async function start({ config }: CommandParts): Promise<void> {
  const { serve } = await import('./serve.ts')
  await serve(config())
}

function everyCommand(command: Command, change: (command: Command) => void): void {
  change(command)
  for (const below of command.commands) everyCommand(below, change)
}

function failed(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError) return wronglyUsed(error, terminal)
  if (error instanceof UsageError) {
    terminal.fail('usage', error.message)
    return 2
  }
  if (error instanceof ConfigError) {
    terminal.failAtLength('configuration', error.message)
    return 1
  }
  const { code, message } = explained(error)
  terminal.fail(code, message)
  return 1
}

function wronglyUsed(error: CommanderError, terminal: Terminal): number {
  if (error.exitCode === 0) return 0
  // A group without its subcommand: commander has shown the help already.
  if (error.code !== 'commander.help') terminal.fail('usage', error.message.replace(/^error: /, ''))
  return 2
}

function explained(error: unknown): { code: string; message: string } {
  if (error instanceof CommandRefusal || error instanceof AppError) return error
  if (error instanceof EmbeddedPostgresError) return { code: 'embedded_database', message: error.message }
  if (error instanceof DatabaseUnavailable) return unreachable(error.cause)
  if (isConnectionError(error)) return unreachable(error)
  throw error
}

const unreachable = (cause: unknown) => ({
  code: 'temporarily_unavailable',
  message: `The database cannot be used: ${reasonOf(cause)}. Check DATABASE_URL, then run \`gatehouse doctor\`.`,
})

/** As pg throws them: by the system, by PostgreSQL (classes 08, 28, 3D, 53, 57), or by its own time limit. */
function isConnectionError(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown }
  if (typeof code === 'string') return /^(E[A-Z]{4,}|(08|28|3D|53|57)\w{3})$/.test(code)
  return typeof message === 'string' && /connection/i.test(message)
}
