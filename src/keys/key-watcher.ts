// Keeps one node's key set current: on announcement, when a key's time comes, and by polling.
import type { KeySet } from './key-ring.ts'

interface Parts {
  load(): Promise<KeySet>
  /** Called with each set that differs from the one before; when it fails it is called again. */
  onChange(keySet: KeySet): void | Promise<void>
  isListening(): boolean
  logError(error: unknown): void
}

export interface KeyWatcher {
  /** `current` is the set that the node was built with; without it the first load is a change. */
  start(current?: Pick<KeySet, 'fingerprint'>): void
  /** Something was said about keys, or may have been said while nobody heard it. */
  announce(): void
  /** Resolves once no load is under way. */
  stop(): Promise<void>
}

const poll = 30_000
const pollWhileDeaf = 1000
// Timers may fire a millisecond early.
const margin = 5

export function createKeyWatcher({ load, onChange, isListening, logError }: Parts): KeyWatcher {
  let fingerprint: string | undefined
  let isRunning = false
  let isFailing = false
  let isAnnounced = false
  let underWay: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let loadedAt = 0
  let transitionAt = Number.POSITIVE_INFINITY

  const reload = async () => {
    // Read before the clock: a set is as old as its question.
    const asked = performance.now()
    try {
      const keySet = await load()
      if (!isRunning) return
      if (keySet.fingerprint !== fingerprint) await onChange(keySet)
      fingerprint = keySet.fingerprint
      transitionAt = keySet.nextTransition === undefined ? Number.POSITIVE_INFINITY : asked + keySet.nextTransition
      isFailing = false
    } catch (error) {
      // The last set goes on working; one line for each outage is enough.
      if (!isFailing) logError(error)
      isFailing = true
    }
    loadedAt = performance.now()
  }

  const isDue = (now: number) =>
    isAnnounced || isFailing || !isListening() || now >= transitionAt || now - loadedAt >= poll

  // Looks once a second whether a load is due, because the listener may be lost at any time.
  const tick = () => {
    if (!isRunning || underWay) return
    clearTimeout(timer)
    if (isDue(performance.now())) {
      isAnnounced = false
      underWay = reload().finally(() => {
        underWay = undefined
        if (isAnnounced) tick()
        else schedule()
      })
    } else schedule()
  }

  const schedule = () => {
    if (!isRunning) return
    const wait = isFailing ? pollWhileDeaf : Math.min(pollWhileDeaf, transitionAt - performance.now() + margin)
    timer = setTimeout(tick, Math.max(wait, margin))
    timer.unref()
  }

  return {
    start: (current) => {
      if (isRunning) return
      fingerprint = current?.fingerprint
      isRunning = true
      isAnnounced = true
      tick()
    },
    announce: () => {
      isAnnounced = true
      tick()
    },
    stop: async () => {
      isRunning = false
      clearTimeout(timer)
      await underWay
    },
  }
}
