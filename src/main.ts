// Runs one command and ends the process with its exit code: 0 done, 1 refused or failed, 2 wrong usage.

export async function run(argv: string[]): Promise<void> {
  // A reader that has seen enough (`gatehouse … | head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  process.exitCode = await codeOf(argv)
}

/** Only what is asked for is loaded: a sidecar must stay small. */
async function codeOf(argv: string[]): Promise<number> {
  if (argv[0] === 'sidecar') return (await import('./commands/sidecar-line.ts')).runSidecarLine(argv, process)
  return (await import('./commands/command-line.ts')).runCommandLine(argv, process)
}
