// Lets few password hashes run at once and few wait, so that a flood of sign-ins leaves processor and memory for tokens.
export type Queued<T> = { ok: true; value: T } | { ok: false; reason: 'busy' }

export interface PasswordQueue {
  /** Answers `busy` at once, without running `work`, when too many wait already. */
  run<T>(work: () => Promise<T>): Promise<Queued<T>>
}

/** One at a time by default: production runs a process per core, and a hash keeps a core busy. */
export function createPasswordQueue({ concurrency = 1, waiting = 32 } = {}): PasswordQueue {
  const line: (() => void)[] = []
  let running = 0

  return {
    run: async (work) => {
      if (running < concurrency) running += 1
      else if (line.length < waiting) await new Promise<void>((start) => line.push(start))
      else return { ok: false, reason: 'busy' }
      try {
        return { ok: true, value: await work() }
      } finally {
        // The place passes to the next in line without becoming free: nobody can slip in between.
        const next = line.shift()
        if (next) next()
        else running -= 1
      }
    },
  }
}
