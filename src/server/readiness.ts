// Runs the steps of a start until all have passed, however late the database comes, and tells whether this node is ready.
import type { Checks } from '../http/health-routes.ts'

/** A reason that a probe may be told. Any other error's text goes to the log alone. */
export class NotReady extends Error {}

export interface Step {
  name: string
  /** Throws, with a sentence for the operator, while it cannot be done. */
  run(): Promise<void>
}

export interface ReadinessParts {
  steps: readonly Step[]
  /** Asked at each probe once the start is through. */
  checks: Record<string, () => Promise<void>>
  log: { warn(fields: object, message: string): void }
  /** Milliseconds between two attempts. */
  interval?: number
}

export interface Readiness {
  /** Resolves once every step has passed. */
  start(): Promise<void>
  report(): Promise<Checks>
  isStarted(): boolean
  /** From now on this node reports that it is not ready. */
  drain(): void
}

export function createReadiness({ steps, checks, log, interval = 1000 }: ReadinessParts): Readiness {
  const waiting = new Map(steps.map(({ name }) => [name, 'has not been tried yet']))
  let draining = false
  let said = ''

  const attempt = async ({ name, run }: Step): Promise<boolean> => {
    try {
      await run()
      waiting.delete(name)
      return true
    } catch (error) {
      const cause = (error as Error).cause
      const message =
        cause instanceof Error ? `${(error as Error).message}: ${cause.message}` : (error as Error).message
      waiting.set(name, message)
      if (message !== said) log.warn({ step: name }, `not ready: ${message}`)
      said = message
      return false
    }
  }

  const probe = async (check: () => Promise<void>) =>
    check().then(
      () => ({ ok: true }),
      (error: unknown) => ({ ok: false, message: told(error) }),
    )

  return {
    isStarted: () => waiting.size === 0,
    drain: () => {
      draining = true
    },
    start: async () => {
      for (const step of steps) {
        while (!draining && !(await attempt(step))) await new Promise((done) => setTimeout(done, interval).unref())
      }
    },
    report: async () => {
      if (draining) return { process: { ok: false, message: 'is stopping' } }
      const [first] = waiting
      if (first) return { [first[0]]: { ok: false, message: first[1] } }
      const results = await Promise.all(
        Object.entries(checks).map(async ([name, check]) => [name, await probe(check)] as const),
      )
      return Object.fromEntries(results)
    },
  }
}

const told = (error: unknown): string => (error instanceof NotReady ? error.message : 'failed; the log says why')
