// What every command may use, and what commands have in common in how they take their options.
import type { Readable } from 'node:stream'
import { InvalidArgumentError } from 'commander'
import type { Config } from '../config.ts'
import type { Terminal } from './terminal.ts'

export interface CommandParts {
  terminal: Terminal
  /** Reads the environment; throws ConfigError. */
  config(): Config
  stdin: Readable
}

/** For options that may be given several times. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value]

/** A whole number, of seconds or of anything else. */
export function wholeNumber(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(value)
}
