// `gatehouse secret generate`: 32 random bytes in base64url, for GATEHOUSE_SEALING_KEY and GATEHOUSE_COOKIE_KEYS.
import { randomBytes } from 'node:crypto'
import { Command } from 'commander'
import type { CommandParts } from '../command-parts.ts'

export function secretCommand({ terminal }: CommandParts): Command {
  const group = new Command('secret')
  group
    .command('generate')
    .description('make one for GATEHOUSE_SEALING_KEY or GATEHOUSE_COOKIE_KEYS')
    .action(() => {
      const secret = randomBytes(32).toString('base64url')
      terminal.print({ secret }, secret)
    })
  return group
}
