// `gatehouse accounts update`: changes what an account says of a person.
import type { Command } from 'commander'
import type { CommandParts } from '../command-parts.ts'
import { withDatabase } from '../open-database.ts'
import { collect } from '../option-values.ts'
import { accountJson, accountText } from './account-output.ts'
import { accountRefusal } from './account-refusal.ts'
import { demandAccount, englishOf, openAccounts } from './open-accounts.ts'

interface UpdateOptions {
  email?: string
  username?: string
  name?: string
  locale?: string
  role?: string[]
  verified?: boolean
}

export function addUpdate(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('update <account>')
    .description('change an account; what is not given stays as it is')
    .option('--email <address>', 'new e-mail address; it counts as unverified unless --verified says otherwise')
    .option('--username <name>', "new username; '' takes it away")
    .option('--name <name>', 'new name of the person')
    .option('--locale <tag>', "language of the person, such as de or pt-BR; '' takes it away")
    .option('--role <role>', 'a role: owner, or one that APIs ask for (repeatable; replaces the roles before)', collect)
    .option('--verified', 'the e-mail address is known to be theirs')
    .action((who: string, { role, verified, ...changes }: UpdateOptions) =>
      withDatabase(config(), async (open) => {
        const { sub } = await demandAccount(open, who)
        const updated = await openAccounts(open).update(sub, { ...changes, roles: role, isEmailVerified: verified })
        if (!updated.ok) throw accountRefusal(updated, englishOf(open.config.root))
        terminal.print(accountJson(updated.account), accountText(updated.account))
      }),
    )
}
