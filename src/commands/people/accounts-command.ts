// `gatehouse accounts`: makes accounts for people, shows them, and ends their access.
import type { Readable } from 'node:stream'
import { text as readText } from 'node:stream/consumers'
import { Command } from 'commander'
import { createDevices } from '../../accounts/devices/devices.ts'
import type { CommandParts } from '../command-parts.ts'
import { type OpenDatabase, withDatabase } from '../open-database.ts'
import { collect, wholeNumber } from '../option-values.ts'
import { CommandRefusal } from '../refusals.ts'
import { table } from '../terminal.ts'
import { addHelp } from './account-help.ts'
import { accountJson, accountState, accountText } from './account-output.ts'
import { accountRefusal } from './account-refusal.ts'
import { addTransfer } from './account-transfer.ts'
import { addUpdate } from './account-update.ts'
import { demandAccount, englishOf, openAccounts, openFactors, openLocks } from './open-accounts.ts'

interface CreateOptions {
  email: string
  username?: string
  name?: string
  locale?: string
  passwordStdin?: boolean
  role?: string[]
  verified?: boolean
}

interface ListOptions {
  email?: string
  after?: string
  limit: number
}

export function accountsCommand(parts: CommandParts): Command {
  const group = new Command('accounts')
  for (const add of [addCreate, addUpdate, addList, addAccess, addHelp, addTransfer]) add(group, parts)
  return group
}

function addCreate(group: Command, { config, terminal, stdin }: CommandParts): void {
  group
    .command('create')
    .description('make an account')
    .requiredOption('--email <address>', 'e-mail address, which is the name at sign-in')
    .option('--username <name>', 'a second name to sign in by')
    .option('--name <name>', 'name of the person')
    .option('--locale <tag>', 'language of the person, such as de or pt-BR')
    .option('--password-stdin', 'read the password from standard input; without it the account has none')
    .option('--role <role>', 'a role: owner, or one that APIs ask for (repeatable)', collect)
    .option('--verified', 'the e-mail address is known to be theirs')
    .action((options: CreateOptions) =>
      withDatabase(config(), async (open) => {
        const created = await openAccounts(open).create({
          email: options.email,
          username: options.username,
          name: options.name,
          locale: options.locale,
          password: options.passwordStdin ? await passwordFrom(stdin) : undefined,
          roles: options.role,
          isEmailVerified: options.verified,
        })
        if (!created.ok) throw accountRefusal(created, englishOf(open.config.root))
        terminal.print(accountJson(created.account), accountText(created.account))
      }),
    )
}

function addList(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('list')
    .description('accounts, in the order of their sub')
    .option('--email <part>', 'only those whose address contains this')
    .option('--after <sub>', 'only those that come after this one')
    .option('--limit <number>', 'how many at most', wholeNumber, 100)
    .action(({ email, after, limit }: ListOptions) =>
      withDatabase(config(), async ({ accounts }) => {
        const found = await accounts.list({ email, after, limit: limit + 1 })
        const shown = found.slice(0, limit)
        const rows = shown.map((account) => [
          account.sub,
          account.email,
          account.username ?? '',
          accountState(account),
          account.roles.join(' '),
          account.name ?? '',
        ])
        const text = table(['SUB', 'EMAIL', 'USERNAME', 'STATE', 'ROLES', 'NAME'], rows, 'There is no such account.')
        const next = found.length > limit ? shown.at(-1)?.sub : undefined
        terminal.print({ accounts: shown.map((account) => accountJson(account)), next_after: next }, text)
        if (next) terminal.note(`There are more: --after ${next}`)
      }),
    )
  group
    .command('show <account>')
    .description('one account, by its sub, e-mail address or username')
    .action((who: string) =>
      withDatabase(config(), async (open) => {
        const account = await demandAccount(open, who)
        const seen = {
          locks: await openLocks(open).find(account.sub),
          factors: await openFactors(open).summary(account.sub),
          devices: (await createDevices(open).list(account.sub)).length,
        }
        terminal.print(accountJson(account, seen), accountText(account, seen))
      }),
    )
}

function addAccess(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('disable <account>')
    .description('end every session and token, and let nobody in until `enable`')
    .action((who: string) =>
      withDatabase(config(), (open) => changeAccess(open, who, open.revocation.disableAccount, 'disable').then(show)),
    )
  group
    .command('enable <account>')
    .description('let a disabled account in again')
    .action((who: string) =>
      withDatabase(config(), (open) => changeAccess(open, who, open.revocation.enableAccount, 'enable').then(show)),
    )
  group
    .command('unlock <account>')
    .description('forget its failed sign-ins and codes, so that strangers may try again')
    .action((who: string) =>
      withDatabase(config(), async (open) => {
        const account = await demandAccount(open, who)
        await openLocks(open).lift(account.sub)
        terminal.print({ sub: account.sub, unlocked: true }, `Unlocked ${account.email} (${account.sub}).`)
      }),
    )
  group
    .command('delete <account>')
    .description('take it away with its sessions, tokens and consents')
    .action((who: string) =>
      withDatabase(config(), async (open) => {
        const { sub, email } = await changeAccess(open, who, open.revocation.deleteAccount, 'delete')
        terminal.print({ sub, deleted: true }, `Deleted ${email} (${sub}).`)
      }),
    )
  const show = (account: Awaited<ReturnType<typeof changeAccess>>) =>
    terminal.print(accountJson(account), accountText(account))
}

type Access = 'disable' | 'enable' | 'delete'

/** Returns the account as it is afterwards, or as it was when it is gone. */
function changeAccess(open: OpenDatabase, who: string, change: (sub: string) => Promise<boolean>, access: Access) {
  return open.database.transaction(async () => {
    const account = await demandAccount(open, who)
    // Under the lock that `isLastOwner` takes, two commands at once cannot remove the last two.
    if (access !== 'enable' && (await openAccounts(open).isLastOwner(account.sub))) {
      const message = `${account.email} is the last owner: make another owner first, or nobody can administer this server.`
      throw new CommandRefusal('last_owner', message)
    }
    await change(account.sub)
    return (await open.accounts.find(account.sub)) ?? account
  })
}

async function passwordFrom(stdin: Readable): Promise<string> {
  const password = (await readText(stdin)).replace(/\r?\n$/, '')
  if (password === '') throw new CommandRefusal('invalid', 'There is no password on standard input.')
  return password
}
