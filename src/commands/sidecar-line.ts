// The short way to `gatehouse sidecar`, which stands beside every service: only what it needs is loaded.
import { Command, CommanderError } from 'commander'
import { sidecarCommand } from './operations/sidecar-command.ts'
import { packageRoot } from './package-root.ts'
import { UsageError } from './refusals.ts'

interface Surroundings {
  stdout: { write(text: string): unknown }
  stderr: { write(text: string): unknown }
}

/** Resolves with the exit code: 0 stopped, 1 failed, 2 wrong usage. */
export async function runSidecarLine(argv: string[], { stdout, stderr }: Surroundings): Promise<number> {
  const command = sidecarCommand({ issuer, stdout }).option('--json', 'print failures as JSON')
  const output = { writeOut: (text: string) => stdout.write(text), writeErr: (text: string) => stderr.write(text) }
  const quiet = { ...output, outputError: () => undefined }
  const program = new Command('gatehouse').exitOverride().addCommand(command.exitOverride().configureOutput(quiet))
  const fail = (code: string, message: string) =>
    stderr.write(`${argv.includes('--json') ? JSON.stringify({ error: code, message }) : message}\n`)
  try {
    await program.parseAsync(argv, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const isUsage = error instanceof CommanderError || error instanceof UsageError
    if (!(error instanceof Error)) throw error
    if (isUsage) fail('usage', error.message.replace(/^error: /, ''))
    else if ('syscall' in error) fail('system', `${error.message}.`)
    else if (error.name === 'ConfigError') fail('configuration', error.message)
    else throw error
    return isUsage ? 2 : 1
  }
}

// Costs the memory that the rest saves: give --issuer where that counts.
async function issuer(): Promise<string> {
  const { loadConfig } = await import('../config.ts')
  return loadConfig({ root: packageRoot() }).issuer
}
