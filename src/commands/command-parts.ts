// What every command may use.
import type { Readable } from 'node:stream'
import type { Config } from '../config.ts'
import type { Terminal } from './terminal.ts'

export interface CommandParts {
  terminal: Terminal
  /** Reads the environment; throws ConfigError. */
  config(): Config
  stdin: Readable
}
