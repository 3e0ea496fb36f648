// `gatehouse accounts import` and `export`: accounts as JSON Lines, one account a line.
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import { type CheckedAccount, createAccountImport, type ImportRun } from '../../accounts/transfer/account-import.ts'
import type { Translator } from '../../language/translations.ts'
import type { CommandParts } from '../command-parts.ts'
import { type OpenDatabase, withDatabase } from '../open-database.ts'
import { CommandRefusal, reasonOf } from '../refusals.ts'
import { readAccountLine } from './account-line.ts'
import { exportedLine } from './account-output.ts'
import { openTransfer } from './open-accounts.ts'

interface Report {
  dry_run: boolean
  lines: number
  /** Lines that are new accounts, when the whole file was checked. */
  importable: number
  imported: number
  /** Accounts that were there already: they are left as they are. */
  present: number
  failed: { line: number; message: string }[]
}

interface ImportOptions {
  dryRun?: boolean
  skipInvalid?: boolean
}

interface Line {
  line: number
  content: string
}

interface Reading {
  source: Source
  english: Translator
  progress(lines: number): void
}

type Source = () => AsyncIterable<string> | Iterable<string>

const batchSize = 500
const progressEvery = 5000
const pageSize = 500

export function addTransfer(group: Command, { config, terminal, stdin }: CommandParts): void {
  group
    .command('import <file>')
    .description(
      'read accounts from JSON Lines; `-` is standard input. Checks the whole file before it writes anything',
    )
    .option('--dry-run', 'only check')
    .option('--skip-invalid', 'import the other lines where some are wrong')
    .action((file: string, options: ImportOptions) =>
      withDatabase(config(), async (open) => {
        const source = file === '-' ? await kept(stdin) : await reopened(file)
        const report = await importAccounts(open, source, options, (text) => terminal.note(text))
        for (const { line, message } of report.failed) terminal.note(`line ${line}: ${message}`)
        terminal.print(report, summary(report))
        if (report.failed.length > 0 && !options.skipInvalid) throw refusal(report)
      }),
    )
  group
    .command('export')
    .description('write all accounts as JSON Lines, with their password hashes and TOTP secrets: keep them safe')
    .action(() =>
      withDatabase(config(), async (open) => {
        const { store, schemes } = openTransfer(open)
        for (let after = ''; ; ) {
          const page = await store.list({ after, limit: pageSize })
          for (const account of page) terminal.line(exportedLine(account, { schemes, sealing: open.sealing }))
          const last = page.at(-1)
          if (!last || page.length < pageSize) return
          after = last.sub
        }
      }),
    )
}

/** Twice through the file: the first time it is only looked at. What a crash breaks off is simply run again. */
async function importAccounts(
  open: OpenDatabase,
  source: Source,
  { dryRun = false, skipInvalid = false }: ImportOptions,
  note: (text: string) => void,
): Promise<Report> {
  const { store, schemes, english } = openTransfer(open)
  const accountImport = createAccountImport({ store, schemes, sealing: open.sealing })
  const reading = (word: string): Reading => ({
    source,
    english,
    progress: (lines) => note(`${word} ${lines} lines`),
  })
  const checked = await passThrough(reading('checked'), accountImport.begin(), async (batch) => batch)
  const importable = checked.new
  const common = { dry_run: dryRun, importable, lines: checked.lines }
  if (dryRun || (checked.failed.length > 0 && !skipInvalid))
    return { ...common, imported: 0, present: checked.present, failed: checked.failed }
  const run = accountImport.begin()
  const done = await passThrough(reading('read'), run, run.insert)
  return { ...common, imported: done.new, present: done.present, failed: done.failed }
}

async function passThrough(
  { source, english, progress }: Reading,
  run: ImportRun,
  then: (batch: CheckedAccount[]) => Promise<CheckedAccount[]>,
) {
  const result = { lines: 0, new: 0, present: 0, failed: [] as Report['failed'] }
  for await (const batch of batches(source)) {
    const read = batch.map(({ line, content }) => ({ line, ...readAccountLine(line, content) }))
    result.failed.push(...read.flatMap((each) => (each.ok ? [] : [{ line: each.line, message: each.message }])))
    const good = read.flatMap((each) => (each.ok ? [each.imported] : []))
    for (const each of await then(await run.check(good))) {
      if (each.state !== 'wrong') result[each.state] += 1
      else result.failed.push({ line: each.imported.line, message: each.problems.map(english.say).join(' ') })
    }
    result.lines += batch.length
    if (result.lines % progressEvery === 0) progress(result.lines)
  }
  result.failed.sort((one, other) => one.line - other.line)
  return result
}

async function* batches(source: Source): AsyncGenerator<Line[]> {
  let batch: Line[] = []
  let line = 0
  for await (const text of source()) {
    line += 1
    const content = line === 1 ? text.replace(/^\ufeff/, '') : text
    if (content.trim() !== '') batch.push({ line, content })
    if (batch.length < batchSize) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

const linesOf = (input: Readable) => createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })

/** Standard input cannot be read twice. */
async function kept(input: Readable): Promise<Source> {
  const lines: string[] = []
  for await (const line of linesOf(input)) lines.push(line)
  return () => lines
}

async function reopened(file: string): Promise<Source> {
  const input = createReadStream(file)
  try {
    await once(input, 'open')
    input.destroy()
    return () => linesOf(createReadStream(file))
  } catch (error) {
    throw new CommandRefusal('unreadable_file', `${file} cannot be read: ${reasonOf(error)}.`)
  }
}

const count = (lines: number) => (lines === 1 ? 'One line' : `${lines} lines`)

function summary({ dry_run, importable, imported, present, failed }: Report): string {
  const accounts = (number: number) => `${number} ${number === 1 ? 'account' : 'accounts'}`
  const done = dry_run ? `Would import ${accounts(importable)}` : `Imported ${accounts(imported)}`
  return `${done}; ${present} were there already; ${failed.length} lines are wrong.`
}

function refusal({ dry_run, imported, failed }: Report): CommandRefusal {
  const wrong = `${count(failed.length)} could not be imported`
  if (imported > 0) return new CommandRefusal('import_incomplete', `${wrong}.`)
  if (dry_run) return new CommandRefusal('import_refused', `${count(failed.length)} cannot be imported.`)
  return new CommandRefusal('import_refused', `${wrong}, so nothing was: mend them, or pass --skip-invalid.`)
}
