// Calls the clean-up every few seconds, and survives its failures.
export interface SweeperParts {
  sweep(): Promise<unknown>
  logError(error: unknown): void
  /** Milliseconds between two runs. */
  interval?: number
}

export function createSweeper({ sweep, logError, interval = 10_000 }: SweeperParts) {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<unknown> = Promise.resolve()
  let stopped = false

  const next = () => {
    if (stopped) return
    // Spread out, so that nodes that started together do not all try at once.
    timer = setTimeout(
      () => {
        running = sweep().catch(logError).finally(next)
      },
      interval * (0.75 + Math.random() / 2),
    )
    timer.unref()
  }

  return {
    start: next,
    stop: async (): Promise<void> => {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}
