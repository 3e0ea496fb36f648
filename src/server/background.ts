// Does small things after an answer has left, and waits for them when the server stops.
import type { Logger } from 'pino'

export function createBackground({ log }: { log: Pick<Logger, 'warn'> }) {
  const underWay = new Set<Promise<void>>()
  return {
    later: (work: () => Promise<void>): void => {
      const working = work().catch((error) => log.warn({ err: error }, 'something that was to be done later failed'))
      underWay.add(working)
      void working.finally(() => underWay.delete(working))
    },
    drain: async (): Promise<void> => {
      await Promise.all(underWay)
    },
  }
}
