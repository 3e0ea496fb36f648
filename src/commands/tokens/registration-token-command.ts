// `gatehouse registration-token`: initial access tokens for dynamic client registration (RFC 7591 section 3).
import { randomBytes } from 'node:crypto'
import { Command } from 'commander'
import { createRegistrationTokenStore, type RegistrationToken } from '../../oidc/storage/registration-token-store.ts'
import type { CommandParts } from '../command-parts.ts'
import { withDatabase } from '../open-database.ts'
import { demandSealingKey } from '../open-key-ring.ts'
import { wholeNumber } from '../option-values.ts'
import { CommandRefusal, notFound } from '../refusals.ts'
import { lines, table } from '../terminal.ts'

const aDay = 86_400
const longest = 366 * aDay

export function registrationTokenCommand({ config, terminal }: CommandParts): Command {
  const group = new Command('registration-token')
  group
    .command('create')
    .description('make a token; it is shown once')
    .option('--uses <number>', 'how many clients may be registered with it', wholeNumber, 1)
    .option('--ttl <seconds>', 'how long it is good', wholeNumber, aDay)
    .action(({ uses, ttl }: { uses: number; ttl: number }) =>
      withDatabase(config(), async (open) => {
        if (uses < 1 || ttl < 1 || ttl > longest)
          throw new CommandRefusal('invalid', `--uses must be at least 1, --ttl from 1 to ${longest} seconds.`)
        // The servers look it up by its digest under the sealing key.
        await demandSealingKey(open)
        const token = randomBytes(32).toString('base64url')
        const made = await createRegistrationTokenStore(open).insert(open.sealing.digest(token), uses, ttl)
        if (open.config.registration === 'off')
          terminal.note('Dynamic registration is off: set GATEHOUSE_REGISTRATION=token for the server.')
        const text = lines({ token, id: made.id, uses: made.usesLeft, 'good until': made.expiresAt.toISOString() })
        terminal.print(
          { initial_access_token: token, ...asJson(made) },
          `${text}\n\nThis token is shown once: keep it now. Only a digest of it is stored.`,
        )
      }),
    )
  group
    .command('list')
    .description('tokens that can still be used')
    .action(() =>
      withDatabase(config(), async (open) => {
        const all = await createRegistrationTokenStore(open).list()
        const rows = all.map((one) => [one.id, String(one.usesLeft ?? 'any'), one.expiresAt.toISOString()])
        const text = table(['ID', 'USES_LEFT', 'EXPIRES_AT'], rows, 'No registration token can be used.')
        terminal.print({ registration_tokens: all.map(asJson) }, text)
      }),
    )
  group
    .command('revoke <id>')
    .description('make a token useless; what was registered with it stays')
    .action((id: string) =>
      withDatabase(config(), async (open) => {
        if (!(await createRegistrationTokenStore(open).remove(id))) throw notFound('registration token', id)
        terminal.print({ id, revoked: true }, `Revoked ${id}.`)
      }),
    )
  return group
}

const asJson = ({ id, usesLeft, createdAt, expiresAt }: RegistrationToken) => ({
  id,
  uses_left: usesLeft ?? null,
  created_at: createdAt.toISOString(),
  expires_at: expiresAt.toISOString(),
})
