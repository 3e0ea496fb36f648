// `gatehouse accounts invite`, `one-time-link`, `reset-mfa` and `sign-out`: what an operator does for somebody who cannot get in.
import type { Command } from 'commander'
import { invitationExpiry, oneTimeLinkLifetimes } from '../../accounts/account-support.ts'
import type { CommandParts } from '../command-parts.ts'
import { type OpenDatabase, withDatabase } from '../open-database.ts'
import { collect, wholeNumber } from '../option-values.ts'
import { CommandRefusal, notFound, UsageError } from '../refusals.ts'
import { accountJson, accountText, factorsJson, factorsText } from './account-output.ts'
import { accountRefusal } from './account-refusal.ts'
import { demandAccount, englishOf } from './open-accounts.ts'
import { atTheShell, openSupport } from './open-support.ts'

interface InviteOptions {
  email?: string
  username?: string
  name?: string
  locale?: string
  role?: string[]
}

export function addHelp(group: Command, parts: CommandParts): void {
  for (const add of [addInvite, addOneTimeLink, addResetFactors, addSignOut]) add(group, parts)
}

function addInvite(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('invite [account]')
    .description('mail an invitation: to a new account with --email, or again to one that nobody uses yet')
    .option('--email <address>', 'make an account without a password for this address, and invite its owner')
    .option('--username <name>', 'a second name to sign in by')
    .option('--name <name>', 'name of the person')
    .option('--locale <tag>', 'language of the person, and of the message, such as de or pt-BR')
    .option('--role <role>', 'a role: owner, or one that APIs ask for (repeatable)', collect)
    .action((who: string | undefined, options: InviteOptions) => {
      const isNew = options.email !== undefined
      if (isNew === (who !== undefined)) throw new UsageError('invite: give an account, or --email for a new one.')
      if (!isNew && Object.keys(options).length > 0)
        throw new UsageError('invite: an account that is there is changed by `accounts update`.')
      return withDatabase(config(), async (open) => {
        const account = who === undefined ? await inviteNew(open, options) : await inviteAgain(open, who)
        const expiresAt = invitationExpiry().toISOString()
        terminal.print(
          { ...accountJson(account), invitation_expires_at: expiresAt },
          `${accountText(account)}\n\nAn invitation goes to ${account.email}. It works once, until ${expiresAt}.`,
        )
        if (!open.config.mail.server) terminal.note(`It is shown at ${open.config.issuer}/dev/mailbox.`)
      })
    })
}

async function inviteNew(open: OpenDatabase, { email = '', role, ...options }: InviteOptions) {
  const invited = await (await openSupport(open)).invite({ ...options, email, roles: role }, atTheShell)
  if (!invited.ok) throw accountRefusal(invited, englishOf(open.config.root))
  return invited.account
}

async function inviteAgain(open: OpenDatabase, who: string) {
  const { sub } = await demandAccount(open, who)
  const invited = await (await openSupport(open)).inviteAgain(sub, atTheShell)
  if (!invited.ok) throw refusal(invited.reason, who)
  return invited.account
}

function addOneTimeLink(group: Command, { config, terminal }: CommandParts): void {
  const { shortest, usual, longest } = oneTimeLinkLifetimes
  group
    .command('one-time-link <account>')
    .description('print a link that sets a new password, once; second factors are asked for as ever')
    .option('--ttl <seconds>', 'how long it is good', wholeNumber, usual)
    .action((who: string, { ttl }: { ttl: number }) =>
      withDatabase(config(), async (open) => {
        if (ttl < shortest || ttl > longest)
          throw new CommandRefusal('invalid', `--ttl must be from ${shortest} to ${longest} seconds.`)
        const { sub } = await demandAccount(open, who)
        const made = await (await openSupport(open)).oneTimeLink(sub, ttl, atTheShell)
        if (!made.ok) throw refusal(made.reason, who)
        const { account, url } = made
        const expiresAt = made.expiresAt.toISOString()
        const text = `${url}\n\nWhoever opens it sets the password of ${account.email}. It works once, until ${expiresAt}, and is shown only now.`
        terminal.print({ sub, url, expires_at: expiresAt }, text)
      }),
    )
}

function addResetFactors(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('reset-mfa <account>')
    .description('take every second factor, passkey and recovery code away, and sign the account out everywhere')
    .action((who: string) =>
      withDatabase(config(), async (open) => {
        const { sub } = await demandAccount(open, who)
        const reset = await (await openSupport(open)).resetFactors(sub, atTheShell)
        if (!reset.ok) throw refusal(reset.reason, who)
        const { account, removed } = reset
        const text = `Removed from ${account.email} (${sub}): ${factorsText(removed)}. It is signed out everywhere.`
        terminal.print({ sub, removed: factorsJson(removed) }, text)
        if (!account.hasPassword)
          terminal.note(
            'It has no password: `accounts one-time-link` makes a link to set one, and so does a reset by mail.',
          )
      }),
    )
}

function addSignOut(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('sign-out <account>')
    .description('end every session and every grant; links and half-finished sign-ins are over too')
    .action((who: string) =>
      withDatabase(config(), async (open) => {
        const { sub } = await demandAccount(open, who)
        const done = await (await openSupport(open)).signOut(sub, atTheShell)
        if (!done.ok) throw refusal(done.reason, who)
        terminal.print({ sub, signed_out: true }, `Signed ${done.account.email} (${sub}) out everywhere.`)
      }),
    )
}

function refusal(reason: 'not_found' | 'disabled' | 'accepted', who: string): CommandRefusal {
  if (reason === 'not_found') return notFound('account', who)
  const messages = {
    disabled: `${who} is disabled: \`accounts enable\` lets it in again.`,
    accepted: `${who} is in use already: it has a password or a passkey. \`accounts one-time-link\` makes a link to a new password.`,
  }
  return new CommandRefusal(reason, messages[reason])
}
