// Sets a new password by a link from a mail: once, within a quarter of an hour, while the account is as it was.
import { linkPurposes, linkUrl } from '../../accounts/account-links.ts'
import type { AccountMail } from '../../accounts/account-mail.ts'
import type { Account, AccountStore } from '../../accounts/account-store.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { OneTimeLinkStore } from '../../accounts/one-time-link-store.ts'
import type { PasswordChange } from '../../accounts/password/password-change.ts'
import type { Occasion } from '../../accounts/security-notices.ts'
import type { Database } from '../../database/database.ts'
import type { Sentence, Translator } from '../../language/translations.ts'
import type { AccessRevocation } from '../../oidc/access-revocation.ts'
import type { SessionStore } from '../../oidc/storage/session-store.ts'
import { passwordProblem } from './password-problem.ts'

export interface PasswordResetParts {
  issuer: string
  database: Pick<Database, 'transaction'>
  accounts: Pick<AccountStore, 'find' | 'setEmailVerified'>
  links: Pick<OneTimeLinkStore, 'create' | 'find' | 'redeem' | 'removeOf'>
  sessions: Pick<SessionStore, 'lockOfAccount'>
  passwordChange: PasswordChange
  hasSecondFactor(sub: string): Promise<boolean>
  revocation: Pick<AccessRevocation, 'endEverything'>
  activity: Pick<ActivityLog, 'append'>
  accountMail: Pick<AccountMail, 'passwordReset' | 'passwordChanged'>
  /** Lifts what guessers of passwords brought upon the account, not of codes: a mailbox is no second factor. */
  unlock(sub: string): Promise<void>
}

export interface Caller {
  visit: { address: string; userAgent: string }
  occasion: Occasion
}

export type ResetResult =
  | { ok: true }
  | { ok: false; reason: 'expired' }
  | { ok: false; reason: 'refused'; problem: Sentence }

export type PasswordReset = ReturnType<typeof createPasswordReset>

const purpose = linkPurposes.passwordReset
const lifetime = 900

export function createPasswordReset(parts: PasswordResetParts) {
  const { links, accounts, database } = parts

  /** A link that sets a new password. It proves nothing else: second factors are asked for as ever. */
  const createLink = async ({ sub, securityVersion }: Account) =>
    linkUrl(parts.issuer, purpose, await links.create(purpose, { sub, seconds: lifetime, securityVersion }))

  const findAccount = async (token: string): Promise<Account | undefined> => {
    const link = await links.find(purpose, token)
    const account = link?.sub === undefined ? undefined : await accounts.find(link.sub)
    return account?.disabledAt ? undefined : account
  }

  return {
    findAccount,

    send: async (account: Account, language: Translator): Promise<void> => {
      await parts.accountMail.passwordReset(account, { link: await createLink(account), language })
    },

    /** All or nothing: a password that is refused leaves the link as it was. */
    apply: async (token: string, password: string, caller: Caller): Promise<ResetResult> => {
      const account = await findAccount(token)
      if (!account) return { ok: false, reason: 'expired' }
      const hasSecondFactor = await parts.hasSecondFactor(account.sub)
      const prepared = await parts.passwordChange.prepare(account, password, { hasSecondFactor })
      if (!prepared.ok) return { ok: false, reason: 'refused', problem: passwordProblem(prepared) }
      const isSet = await database.transaction(async () => {
        await parts.sessions.lockOfAccount(account.sub)
        if (!(await links.redeem(purpose, token))) return false
        await prepared.apply()
        await links.removeOf('not-me', account.sub)
        await accounts.setEmailVerified(account.sub)
        await parts.revocation.endEverything(account.sub)
        await parts.activity.append(account.sub, { type: 'password_reset', ...caller.visit })
        await parts.accountMail.passwordChanged(account, caller.occasion)
        return true
      })
      if (!isSet) return { ok: false, reason: 'expired' }
      await parts.unlock(account.sub)
      return { ok: true }
    },
  }
}
