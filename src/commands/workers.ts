// Keeps several server processes on one port: starts them, replaces those that die, and stops them together.
import cluster from 'node:cluster'
import type { Logger } from 'pino'

export interface WorkersParts {
  count: number
  environment: Record<string, string>
  log: Logger
}

/** Resolves when all have stopped after a signal. */
export function superviseWorkers({ count, environment, log }: WorkersParts): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false
    let failures = 0
    const alive = () => Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
    const fork = () => {
      if (!stopping) cluster.fork(environment)
    }

    cluster.on('listening', () => {
      failures = 0
    })
    cluster.on('exit', (worker, code, signal) => {
      if (stopping) {
        if (alive().length === 0) resolve()
        return
      }
      failures += 1
      // One that dies at once, again and again, must not eat the machine.
      const delay = Math.min(30_000, 100 * 2 ** Math.min(failures, 10))
      log.error({ worker: worker.process.pid, code, signal, delay }, 'a worker died; another one is started')
      setTimeout(fork, delay)
    })
    const stop = (signal: NodeJS.Signals) => {
      if (stopping) return
      stopping = true
      for (const worker of alive()) worker.process.kill(signal)
      if (alive().length === 0) resolve()
    }
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop)
    for (let started = 0; started < count; started += 1) fork()
  })
}
