// Sets a new password by a link from a mail: once, within a quarter of an hour, while the account is as it was.
import type { AccountMail } from '../../accounts/account-mail.ts'
import type { Account, AccountStore } from '../../accounts/account-store.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { OneTimeLinkStore } from '../../accounts/one-time-link-store.ts'
import type { PasswordChange } from '../../accounts/password/password-change.ts'
import type { Database } from '../../database/database.ts'
import type { Sentence, Translator } from '../../language/translations.ts'
import type { AccessRevocation } from '../../oidc/access-revocation.ts'

export interface PasswordResetParts {
  issuer: string
  database: Pick<Database, 'transaction'>
  accounts: Pick<AccountStore, 'find' | 'setEmailVerified'>
  links: Pick<OneTimeLinkStore, 'create' | 'find' | 'redeem'>
  passwordChange: PasswordChange
  hasSecondFactor(sub: string): Promise<boolean>
  revocation: Pick<AccessRevocation, 'endEverything'>
  activity: Pick<ActivityLog, 'append'>
  accountMail: Pick<AccountMail, 'passwordReset' | 'passwordChanged'>
  unlock(sub: string): Promise<void>
}

export interface Caller {
  address: string
  userAgent: string
  language: Translator
}

export type ResetResult =
  | { ok: true }
  | { ok: false; reason: 'expired' }
  | { ok: false; reason: 'refused'; problem: Sentence }

export type PasswordReset = ReturnType<typeof createPasswordReset>

const purpose = 'reset-password'
const lifetime = 900

class Refused extends Error {
  readonly result: Exclude<ResetResult, { ok: true }>

  constructor(result: Exclude<ResetResult, { ok: true }>) {
    super('The password was not reset; what was done for it is taken back.')
    this.result = result
  }
}

export function createPasswordReset(parts: PasswordResetParts) {
  const { links, accounts, database } = parts

  /** A link that sets a new password. It proves nothing else: second factors are asked for as ever. */
  const createLink = async ({ sub, securityVersion }: Pick<Account, 'sub' | 'securityVersion'>, seconds = lifetime) =>
    `${parts.issuer}/reset-password/${await links.create(purpose, { sub, seconds, securityVersion })}`

  const findAccount = async (token: string): Promise<Account | undefined> => {
    const link = await links.find(purpose, token)
    const account = link?.sub === undefined ? undefined : await accounts.find(link.sub)
    return account?.disabledAt ? undefined : account
  }

  const apply = async (token: string, password: string, from: Caller): Promise<ResetResult> => {
    const account = await findAccount(token)
    if (!account || !(await links.redeem(purpose, token))) throw new Refused({ ok: false, reason: 'expired' })
    const hasSecondFactor = await parts.hasSecondFactor(account.sub)
    const changed = await parts.passwordChange.change(account, password, { hasSecondFactor })
    if (!changed.ok) {
      const problem =
        changed.reason === 'busy' ? { key: 'sign-in.busy.seconds', values: { count: 5 } } : changed.problem
      throw new Refused({ ok: false, reason: 'refused', problem })
    }
    await accounts.setEmailVerified(account.sub)
    await parts.revocation.endEverything(account.sub)
    await parts.unlock(account.sub)
    const { language, ...where } = from
    await parts.activity.append(account.sub, { type: 'password_reset', ...where })
    await parts.accountMail.passwordChanged(account, from)
    return { ok: true }
  }

  return {
    createLink,
    findAccount,

    send: async (account: Account, language: Translator): Promise<void> => {
      await parts.accountMail.passwordReset(account, { link: await createLink(account), language })
    },

    /** All or nothing: a password that is refused leaves the link as it was. */
    apply: async (token: string, password: string, from: Caller): Promise<ResetResult> => {
      try {
        return await database.transaction(() => apply(token, password, from))
      } catch (error) {
        if (error instanceof Refused) return error.result
        throw error
      }
    },
  }
}
