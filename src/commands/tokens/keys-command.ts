// `gatehouse keys`: shows the signing keys, replaces them without a pause, and takes one out of use at once.
import { Command, Option } from 'commander'
import { keyAlgorithms, type SigningAlgorithm } from '../../keys/generate-signing-key.ts'
import type { RotateResult } from '../../keys/rotate-keys.ts'
import type { CommandParts } from '../command-parts.ts'
import { withDatabase } from '../open-database.ts'
import { openKeyRing } from '../open-key-ring.ts'
import { wholeNumber } from '../option-values.ts'
import { CommandRefusal, notFound } from '../refusals.ts'
import { everyPage } from '../registry/every-page.ts'
import { table } from '../terminal.ts'

interface RotateOptions {
  alg?: SigningAlgorithm
  delay?: number
}

export function keysCommand(parts: CommandParts): Command {
  const group = new Command('keys')
  for (const add of [addList, addRotate, addRetire]) add(group, parts)
  return group
}

function addList(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('list')
    .description('all keys and what each does now')
    .action(() =>
      withDatabase(config(), async (open) => {
        const keys = await (await openKeyRing(open)).list()
        const rows = keys.map(({ kid, alg, state, signsFrom, retiresAt }) => [
          kid,
          alg,
          state,
          signsFrom.toISOString(),
          retiresAt?.toISOString() ?? '-',
        ])
        const none = 'There is no key yet: the first start makes them.'
        const text = table(['KID', 'ALG', 'STATE', 'SIGNS_FROM', 'RETIRES_AT'], rows, none)
        const json = keys.map(({ kid, alg, state, createdAt, signsFrom, retiresAt }) => ({
          kid,
          alg,
          state,
          created_at: createdAt.toISOString(),
          signs_from: signsFrom.toISOString(),
          retires_at: retiresAt?.toISOString() ?? null,
        }))
        terminal.print({ keys: json }, text)
      }),
    )
}

function addRotate(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('rotate')
    .description('publish a new key, which signs after a delay; the old one leaves when its last token has expired')
    .addOption(
      new Option('--alg <alg>', 'only this algorithm; without it every one that has a key').choices(keyAlgorithms),
    )
    .option('--delay <seconds>', 'how long it is published before it signs, 600 by default', wholeNumber)
    .action(({ alg, delay }: RotateOptions) =>
      withDatabase(config(), async (open) => {
        const apis = await everyPage(open.apis.list, ({ audience }) => audience)
        const longestTokenTtl = Math.max(600, ...apis.map(({ tokenTtl }) => tokenTtl))
        const rotated = await (await openKeyRing(open)).rotate({ alg, delaySeconds: delay, longestTokenTtl })
        if (!rotated.ok) throw pending(rotated)
        // Verifiers keep the published keys for so long; what they have not seen yet they refuse.
        if (delay !== undefined && delay < 300)
          terminal.note(
            'A delay under 300 seconds: services that keep the old key list may refuse new tokens for a while.',
          )
        const rows = rotated.rotated.map((one) => [
          one.kid,
          one.alg,
          one.signsFrom.toISOString(),
          one.oldRetiresAt?.toISOString() ?? '-',
        ])
        const json = rotated.rotated.map((one) => ({
          kid: one.kid,
          alg: one.alg,
          signs_from: one.signsFrom.toISOString(),
          old_retires_at: one.oldRetiresAt?.toISOString() ?? null,
        }))
        const none = 'There is no key to rotate: the first start makes them.'
        terminal.print({ rotated: json }, table(['NEW_KID', 'ALG', 'SIGNS_FROM', 'OLD_RETIRES_AT'], rows, none))
      }),
    )
}

function addRetire(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('retire <kid>')
    .description('take a key out of use at once, when it may be stolen: its tokens are refused from then on')
    .action((kid: string) =>
      withDatabase(config(), async (open) => {
        const retired = await (await openKeyRing(open)).retire(kid)
        if (!retired.ok && retired.reason === 'not_found') throw notFound('key', kid)
        if (!retired.ok) throw new CommandRefusal(retired.reason, `The key ${kid} has retired already.`)
        const { successor } = retired
        const text = `Retired ${kid}.${successor ? ` Now ${successor} signs.` : ''}`
        terminal.print({ kid, retired: true, successor: successor ?? null }, text)
      }),
    )
}

const pending = ({ reason, alg, until }: RotateResult & { ok: false }) =>
  new CommandRefusal(
    reason,
    `A rotation of ${alg} is under way already: its new key signs from ${until.toISOString()}. Wait until then.`,
  )
