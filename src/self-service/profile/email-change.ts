// Changes the address of an account: asked for on its page, confirmed at both ends, made in one transaction with the last of the two.
import type { AccountMail } from '../../accounts/account-mail.ts'
import { mailLifetimes } from '../../accounts/account-mail.ts'
import type { AccountRegistration } from '../../accounts/account-registration.ts'
import type { Account, AccountStore } from '../../accounts/account-store.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { OneTimeLinkStore } from '../../accounts/one-time-link-store.ts'
import type { SecurityVersionStore } from '../../accounts/security-version-store.ts'
import type { Database } from '../../database/database.ts'
import type { AccessRevocation } from '../../oidc/access-revocation.ts'
import type { Visitor } from '../account-door.ts'
import type { Caller } from '../caller.ts'
import type { EmailChange, EmailChangeStore, End } from './email-change-store.ts'

export interface EmailChangesParts {
  issuer: string
  database: Pick<Database, 'transaction'>
  accounts: Pick<AccountStore, 'find' | 'findByEmail'>
  securityVersions: Pick<SecurityVersionStore, 'lock'>
  emailChanges: EmailChangeStore
  links: Pick<OneTimeLinkStore, 'create' | 'find' | 'redeem'>
  registration: Pick<AccountRegistration, 'update'>
  revocation: Pick<AccessRevocation, 'endOtherSessions'>
  activity: Pick<ActivityLog, 'append'>
  accountMail: Pick<AccountMail, 'confirmNewEmail' | 'confirmOldEmail' | 'accountExists' | 'emailChanged'>
}

export type Confirmed =
  /** `missing` is the end that has not agreed yet; without one the address is changed. */
  { ok: true; newEmail: string; missing: End | undefined } | { ok: false; reason: 'over' | 'taken' }

export interface OpenConfirmation {
  account: Account
  newEmail: string
  end: End
}

export type EmailChanges = ReturnType<typeof createEmailChanges>

const purpose = 'confirm-email'

class Refused extends Error {
  readonly reason: 'over' | 'taken'

  constructor(reason: Refused['reason']) {
    super('The address was not changed; what was done for it is taken back.')
    this.reason = reason
  }
}

export function createEmailChanges(parts: EmailChangesParts) {
  const { database, links, emailChanges, accounts } = parts

  return {
    /**
     * False when the credentials have changed in this moment. Whether the address belongs to somebody else already is told to
     * nobody but them: for the rest everything looks the same, and the change waits for an answer that does not come.
     */
    begin: (visitor: Visitor, newEmail: string, caller: Caller): Promise<boolean> =>
      database.transaction(() => begin(visitor, newEmail, caller, parts)),

    cancel: (sub: string): Promise<void> => emailChanges.remove(sub),

    /** What a link would confirm. Opening it changes nothing. */
    find: async (token: string): Promise<OpenConfirmation | undefined> => {
      const link = await links.find(purpose, token)
      const pending = link?.sub === undefined ? undefined : await emailChanges.find(link.sub)
      const account = pending && (await accounts.find(pending.sub))
      if (!link || !account || pending.newEmail !== link.details.email) return undefined
      return { account, newEmail: pending.newEmail, end: endIn(link.details) }
    },

    confirm: async (token: string, caller: Caller): Promise<Confirmed> => {
      try {
        return await database.transaction(() => confirm(token, caller, parts))
      } catch (error) {
        if (error instanceof Refused) return { ok: false, reason: error.reason }
        throw error
      }
    },
  }
}

const endIn = ({ end }: Record<string, unknown>): End => (end === 'old' ? 'old' : 'new')

async function begin(
  { account, session }: Visitor,
  newEmail: string,
  { occasion }: Caller,
  parts: EmailChangesParts,
): Promise<boolean> {
  const { sub, securityVersion } = account
  const seconds = mailLifetimes.confirmEmail
  if ((await parts.securityVersions.lock(sub)) !== securityVersion) return false
  // An address that nobody has shown to be theirs may be a stranger's: that one is not asked.
  const isOldConfirmed = !account.isEmailVerified
  await parts.emailChanges.put({ sub, newEmail, sessionUid: session.uid, securityVersion, isOldConfirmed, seconds })
  const link = async (end: End) =>
    `${parts.issuer}/confirm-email/${await parts.links.create(purpose, { sub, seconds, details: { end, email: newEmail } })}`
  const { language } = occasion
  if (!isOldConfirmed) await parts.accountMail.confirmOldEmail(account, { link: await link('old'), newEmail, language })
  // Made for a taken address too, and then sent to nobody: the time must not tell.
  const newLink = await link('new')
  const holder = await parts.accounts.findByEmail(newEmail)
  if (holder) await parts.accountMail.accountExists(holder, { language })
  else await parts.accountMail.confirmNewEmail(account, { link: newLink, newEmail, language })
  return true
}

async function confirm(token: string, caller: Caller, parts: EmailChangesParts): Promise<Confirmed> {
  const link = await parts.links.redeem(purpose, token)
  const { email } = link?.details ?? {}
  if (!link?.sub || typeof email !== 'string') throw new Refused('over')
  const pending = await parts.emailChanges.confirm(link.sub, email, endIn(link.details))
  if (!pending) throw new Refused('over')
  const { newEmail, isOldConfirmed, isNewConfirmed } = pending
  if (isOldConfirmed && isNewConfirmed) await apply(pending, caller, parts)
  const missing = isOldConfirmed ? 'new' : 'old'
  return { ok: true, newEmail, missing: isOldConfirmed && isNewConfirmed ? undefined : missing }
}

async function apply(
  { sub, newEmail, sessionUid, securityVersion }: EmailChange,
  { where, occasion }: Caller,
  parts: EmailChangesParts,
): Promise<void> {
  await parts.revocation.endOtherSessions(sub, sessionUid)
  const before = await parts.accounts.find(sub)
  // Whoever has changed a credential since may have done it because of this very change.
  if (before?.securityVersion !== securityVersion + 1) throw new Refused('over')
  const updated = await parts.registration.update(sub, { email: newEmail, isEmailVerified: true })
  if (!updated.ok) throw new Refused('taken')
  await parts.emailChanges.remove(sub)
  await parts.activity.append(sub, { type: 'email_changed', ...where, details: { email: newEmail } })
  await parts.accountMail.emailChanged(before, { ...occasion, newEmail })
}
