// Has the address of an account confirmed by a link that is sent there.
import type { AccountMail } from '../../accounts/account-mail.ts'
import { mailLifetimes } from '../../accounts/account-mail.ts'
import type { Account, AccountStore } from '../../accounts/account-store.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { OneTimeLinkStore } from '../../accounts/one-time-link-store.ts'
import type { Database } from '../../database/database.ts'
import type { Caller } from '../caller.ts'

export interface EmailVerificationParts {
  issuer: string
  database: Pick<Database, 'transaction'>
  accounts: Pick<AccountStore, 'find' | 'setEmailVerified'>
  links: Pick<OneTimeLinkStore, 'create' | 'find' | 'redeem'>
  activity: Pick<ActivityLog, 'append'>
  accountMail: Pick<AccountMail, 'verifyEmail'>
}

export type EmailVerification = ReturnType<typeof createEmailVerification>

const purpose = 'verify-email'

export function createEmailVerification(parts: EmailVerificationParts) {
  const { links, accounts, database } = parts

  /** The link confirms the address that it was sent to, and no other that the account has got since. */
  const accountOf = async (link: Awaited<ReturnType<OneTimeLinkStore['find']>>): Promise<Account | undefined> => {
    const account = link?.sub === undefined ? undefined : await accounts.find(link.sub)
    return account && account.email === link?.details.email ? account : undefined
  }

  return {
    send: async (account: Account, { occasion }: Caller): Promise<void> => {
      const { sub, email, securityVersion } = account
      const seconds = mailLifetimes.verifyEmail
      // A change of address raises the version, and whoever redeems the link holds it: the two cannot overlap.
      const token = await links.create(purpose, { sub, seconds, securityVersion, details: { email } })
      const link = `${parts.issuer}/verify-email/${token}`
      await parts.accountMail.verifyEmail(account, { link, language: occasion.language })
    },

    find: async (token: string): Promise<Account | undefined> => accountOf(await links.find(purpose, token)),

    /** False when the link is over. */
    confirm: (token: string, { where }: Caller): Promise<boolean> =>
      database.transaction(async () => {
        const account = await accountOf(await links.redeem(purpose, token))
        if (!account) return false
        await accounts.setEmailVerified(account.sub)
        await parts.activity.append(account.sub, { type: 'email_verified', ...where })
        return true
      }),
  }
}
