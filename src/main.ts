// Runs one command and ends the process with its exit code: 0 done, 1 refused or failed, 2 wrong usage.
import { runCommandLine } from './commands/command-line.ts'

export async function run(argv: string[]): Promise<void> {
  // A reader that has seen enough (`gatehouse … | head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  process.exitCode = await runCommandLine(argv, process)
}
