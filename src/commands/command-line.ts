// The command line: which commands there are, and what becomes of what they throw.
import type { Readable } from 'node:stream'
import { Command, CommanderError } from 'commander'
import { ConfigError, loadConfig } from '../config.ts'
import { EmbeddedPostgresError } from '../database/embedded-process.ts'
import { DatabaseUnavailable } from '../database/faults.ts'
import { AppError } from '../http/errors.ts'
import type { CommandParts } from './command-parts.ts'
import { protectDashedValues } from './dashed-values.ts'
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
  'exchange-policies': {
    description: 'which client may exchange what tokens for which API (RFC 8693)',
    load: async () => (await import('./exchange/exchange-policies-command.ts')).exchangePoliciesCommand,
  },
  'trusted-issuers': {
    description: 'issuers outside whose JWTs may be exchanged',
    load: async () => (await import('./exchange/trusted-issuers-command.ts')).trustedIssuersCommand,
  },
  accounts: {
    description: 'accounts of people',
    load: async () => (await import('./people/accounts-command.ts')).accountsCommand,
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
  sidecar: { description: 'a proxy beside a service that lets through what carries a good token' },
  healthcheck: {
    description: 'exit 0 when the server on this machine is ready, else 1',
    load: async () => (await import('./operations/healthcheck-command.ts')).healthcheckCommand,
  },
  secret: {
    description: 'random secrets',
    load: async () => (await import('./operations/secret-command.ts')).secretCommand,
  },
}

/** What a command is typed into. */
export interface Surroundings {
  stdin: Readable
  stdout: { write(text: string): unknown }
  stderr: { write(text: string): unknown }
  /** In place of the environment of this process. */
  env?: Record<string, string | undefined>
}

/** Resolves with the exit code. */
export async function runCommandLine(argv: string[], { stdin, stdout, stderr, env }: Surroundings): Promise<number> {
  const program = new Command('gatehouse')
  // Also where the arguments could not be read to their end.
  const isJson = () => program.opts<{ json?: boolean }>().json ?? argv.includes('--json')
  const terminal = createTerminal({ isJson, stdout, stderr })
  const root = packageRoot()
  const config = () => loadConfig({ root, ...(env && { env }) })
  try {
    await addGroups(program.version(packageVersion(root)), argv, { terminal, config, stdin })
    const output = {
      writeOut: (text: string) => stdout.write(text),
      writeErr: (text: string) => stderr.write(text),
      outputError: () => undefined,
    }
    everyCommand(program, (command) =>
      command.exitOverride().configureHelp({ showGlobalOptions: true }).configureOutput(output).helpCommand(false),
    )
    await program.parseAsync(protectDashedValues(argv), { from: 'user' })
    return 0
  } catch (error) {
    return failed(error, terminal)
  }
}

async function addGroups(program: Command, argv: string[], parts: CommandParts): Promise<void> {
  program
    .description('An OAuth 2.0 and OpenID Connect authorization server.')
    .option('--json', 'print JSON, also for failures')
  for (const [name, { description, load }] of Object.entries(groups)) {
    // Where it is only another command's argument, it is loaded in vain.
    const command = load && argv.includes(name) ? (await load())(parts) : new Command(name)
    program.addCommand(command.description(description))
    if (name === 'sidecar')
      command
        .allowUnknownOption()
        .allowExcessArguments()
        .action(() => startSidecar(argv))
    if (name === 'serve') command.action(() => start(parts))
  }
}

async function start({ config }: CommandParts): Promise<void> {
  const { serve } = await import('./serve.ts')
  await serve(config())
}

/** Reached only with something in front of the subcommand; main.ts takes the short way. */
async function startSidecar(argv: string[]): Promise<void> {
  const { runSidecarLine } = await import('./sidecar-line.ts')
  const code = await runSidecarLine(argv, process)
  if (code !== 0) throw new CommanderError(code, 'commander.help', '')
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
  // The system's own words: a port that is taken, a folder that may not be written.
  if (isSystemError(error)) return { code: 'system', message: `${error.message}.` }
  throw error
}

const unreachable = (cause: unknown) => ({
  code: 'temporarily_unavailable',
  message: `The database cannot be used: ${reasonOf(cause)}. Check DATABASE_URL, then run \`gatehouse doctor\`.`,
})

/** As pg throws them: by the system, by PostgreSQL (classes 08, 28, 3D, 53, 57), or by its own time limit. */
function isConnectionError(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown }
  if (typeof code === 'string')
    return /^(ECONN\w+|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|(08|28|3D|53|57)\w{3})$/.test(code)
  return typeof message === 'string' && /^(timeout expired|Connection terminated)/.test(message)
}

const isSystemError = (error: unknown): error is Error =>
  error instanceof Error && 'syscall' in error && typeof error.syscall === 'string'
