// Says how long somebody has to wait, in seconds or minutes.
import type { Sentence } from './translations.ts'

/** The key has two texts, `….seconds` and `….minutes`, each with a `count`. */
export const waitingTime = (key: string, seconds: number): Sentence =>
  seconds < 90
    ? { key: `${key}.seconds`, values: { count: seconds } }
    : { key: `${key}.minutes`, values: { count: Math.ceil(seconds / 60) } }
