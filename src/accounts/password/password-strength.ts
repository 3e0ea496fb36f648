// Asks how hard a password is to guess, in a thread that starts when it is first needed and ends when it is not.
import { once } from 'node:events'
import { extname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { createPasswordQueue, type Queued } from './password-queue.ts'
import type { StrengthQuestion } from './strength-worker.ts'

export interface PasswordStrength {
  /** By zxcvbn: 0 is guessed at once, 4 not in a lifetime. `words` are what a guesser knows of the person. */
  score(password: string, words: readonly string[]): Promise<Queued<number>>
  close(): Promise<void>
}

interface Parts {
  /** Milliseconds that one password may take; what takes longer is stopped. */
  patience: number
  /** Milliseconds after which an idle thread, and the 100 MB that it holds, is let go. */
  idle: number
}

// The time grows with the length, and what is strong in 64 characters is strong in more.
const scoredCharacters = 64

// Source in a clone, JavaScript in the published package.
const program = join(import.meta.dirname, `strength-worker${extname(import.meta.filename)}`)

export function createPasswordStrength({ patience, idle }: Parts): PasswordStrength {
  const queue = createPasswordQueue({ concurrency: 1, waiting: 32 })
  let worker: Worker | undefined
  let idleTimer: NodeJS.Timeout | undefined

  const start = () => {
    const started = new Worker(program, { resourceLimits: { maxOldGenerationSizeMb: 256 } })
    // Whoever waits hears of an error himself; without this listener one in between would end the process.
    started.on('error', () => undefined)
    started.once('exit', () => {
      if (worker === started) worker = undefined
    })
    return started
  }

  const close = async () => {
    const closing = worker
    worker = undefined
    clearTimeout(idleTimer)
    await closing?.terminate()
  }

  const ask = async (question: StrengthQuestion): Promise<number | undefined> => {
    clearTimeout(idleTimer)
    worker ??= start()
    // While nobody waits for it, it keeps no process alive.
    worker.ref()
    const score = await answerOf(worker, question, patience)
    if (score === undefined) await close()
    worker?.unref()
    idleTimer = setTimeout(close, idle).unref()
    return score
  }

  return {
    score: async (password, words) => {
      const text = [...password].slice(0, scoredCharacters).join('')
      const scored = await queue.run(() => ask({ password: text, words }))
      if (!scored.ok || scored.value === undefined) return { ok: false, reason: 'busy' }
      return { ok: true, value: scored.value }
    },
    close,
  }
}

/** Undefined when it takes too long, or when the thread has ended. */
async function answerOf(worker: Worker, question: StrengthQuestion, patience: number): Promise<number | undefined> {
  const waiting = new AbortController()
  const { signal } = waiting
  worker.postMessage(question)
  try {
    return await Promise.race([
      once(worker, 'message', { signal }).then(([score]) => score as number),
      once(worker, 'exit', { signal }).then(() => undefined),
      sleep(patience, undefined, { signal }),
    ])
  } finally {
    waiting.abort()
  }
}
