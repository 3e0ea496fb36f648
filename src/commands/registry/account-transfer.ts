// `gatehouse accounts import` and `export`: accounts as JSON Lines, one account a line.
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import type { AccountCreated, AccountRegistration } from '../../accounts/account-registration.ts'
import type { CommandParts } from '../command-parts.ts'
import { type OpenDatabase, withDatabase } from '../open-database.ts'
import { CommandRefusal, reasonOf } from '../refusals.ts'
import { readAccountLine } from './account-line.ts'
import { exportedLine } from './account-output.ts'
import { openAccounts } from './open-accounts.ts'

interface LineNote {
  line: number
  message: string
}

interface Report {
  imported: number
  failed: LineNote[]
  ignored: LineNote[]
}

const batchSize = 200
const pageSize = 500

export function addTransfer(group: Command, { config, terminal, stdin }: CommandParts): void {
  group
    .command('import <file>')
    .description('read accounts from JSON Lines; `-` is standard input')
    .action((file: string) =>
      withDatabase(config(), async (open) => {
        const report = await importAccounts(open, file === '-' ? stdin : await opened(file))
        const { imported, failed, ignored } = report
        for (const { line, message } of [...failed, ...ignored].sort((a, b) => a.line - b.line))
          terminal.note(`line ${line}: ${message}`)
        terminal.print(report, `Imported ${imported} ${imported === 1 ? 'account' : 'accounts'}.`)
        if (failed.length > 0)
          throw new CommandRefusal('import_incomplete', `${count(failed.length)} could not be imported.`)
      }),
    )
  group
    .command('export')
    .description('write all accounts as JSON Lines, with their password hashes: keep them safe')
    .action(() =>
      withDatabase(config(), async ({ accounts }) => {
        for (let after = ''; ; ) {
          const page = await accounts.list({ after, limit: pageSize })
          for (const { email } of page) {
            const account = await accounts.findByEmail(email)
            if (account) terminal.line(exportedLine(account))
          }
          const last = page.at(-1)
          if (!last || page.length < pageSize) return
          after = last.sub
        }
      }),
    )
}

const count = (lines: number) => (lines === 1 ? 'One line' : `${lines} lines`)

async function importAccounts(open: OpenDatabase, input: Readable): Promise<Report> {
  const report: Report = { imported: 0, failed: [], ignored: [] }
  const registration = openAccounts(open)
  let batch: { line: number; text: string }[] = []
  const flush = async () => {
    // Whole or not at all: what a lost connection breaks off can simply be run again.
    const part = await open.database.transaction(() => importBatch(open, registration, batch))
    report.imported += part.imported
    report.failed.push(...part.failed)
    report.ignored.push(...part.ignored)
    batch = []
  }
  let line = 0
  for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    line += 1
    if (text.trim() !== '') batch.push({ line, text })
    if (batch.length === batchSize) await flush()
  }
  await flush()
  return report
}

async function opened(file: string): Promise<Readable> {
  const input = createReadStream(file)
  try {
    await once(input, 'open')
    return input
  } catch (error) {
    throw new CommandRefusal('unreadable_file', `${file} cannot be read: ${reasonOf(error)}.`)
  }
}

async function importBatch(
  { accounts }: OpenDatabase,
  registration: AccountRegistration,
  batch: { line: number; text: string }[],
): Promise<Report> {
  const report: Report = { imported: 0, failed: [], ignored: [] }
  for (const { line, text } of batch) {
    const read = readAccountLine(text)
    if (!read.ok) {
      report.failed.push({ line, message: read.message })
      continue
    }
    const created = await registration.create(read.account)
    if (created.ok && read.isDisabled) await accounts.setDisabled(created.account.sub, true)
    const message = problemOf(created)
    if (message) report.failed.push({ line, message })
    else report.imported += 1
    report.ignored.push(...read.ignored.map((note) => ({ line, message: note })))
  }
  return report
}

function problemOf(created: AccountCreated): string | undefined {
  if (created.ok) return undefined
  if (!created.reason) return created.problems.map(({ message }) => message).join(' ')
  return created.reason === 'sub_taken'
    ? 'Another account has this sub already.'
    : 'Another account has this e-mail address already.'
}
