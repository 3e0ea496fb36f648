// What an operator does for people: invites them, hands out links that set a password, takes lost second factors away, signs them out.
import type { Database } from '../database/database.ts'
import { linkPurposes, linkUrl } from './account-links.ts'
import { type AccountMail, mailLifetimes } from './account-mail.ts'
import type { AccountCreated, AccountInput, AccountRegistration } from './account-registration.ts'
import type { Account, AccountStore } from './account-store.ts'
import type { ActivityLog } from './activity-log.ts'
import type { FactorStore, FactorSummary } from './factors/factor-store.ts'
import type { OneTimeLinkStore } from './one-time-link-store.ts'
import type { NamedFactor } from './security-notices.ts'
import type { AccountLocks } from './sign-in/account-locks.ts'

export interface AccountSupportParts {
  issuer: string
  transaction: Database['transaction']
  accounts: Pick<AccountStore, 'find'>
  registration: Pick<AccountRegistration, 'prepare'>
  links: Pick<OneTimeLinkStore, 'create' | 'removeOf'>
  factorStore: Pick<FactorStore, 'summary' | 'removeAll'>
  locks: Pick<AccountLocks, 'liftCodes'>
  activity: Pick<ActivityLog, 'append'>
  accountMail: Pick<AccountMail, 'invitation' | 'factorsReset'>
  /** Sessions and grants; raises the account's security version, and locks in the order in which all do. */
  endEverything(sub: string): Promise<void>
}

export interface Operator {
  /** Throws when the account is beyond this operator's rights. */
  demand(account: Account): void
  /** For the person who is invited to read. */
  name?: string | undefined
}

export type Invited = Pick<AccountInput, 'email' | 'username' | 'name' | 'locale' | 'roles'>
type Done<More = object> = { ok: true; account: Account } & More
type Refused<Reason extends string> = { ok: false; reason: Reason }
type NotFound = Refused<'not_found'>

/** In seconds. */
export const oneTimeLinkLifetimes = { shortest: 60, usual: 3600, longest: 7 * 86_400 } as const

export type AccountSupport = ReturnType<typeof createAccountSupport>

export function createAccountSupport(parts: AccountSupportParts) {
  const { accounts, transaction } = parts
  return {
    /** Makes the account without a password and mails its owner, both or neither. */
    invite: async (input: Invited, operator: Operator): Promise<AccountCreated> => {
      const prepared = await parts.registration.prepare(input)
      if (!prepared.ok) return prepared
      return transaction(async () => {
        const inserted = await prepared.insert()
        if (inserted.ok) await sendInvitation(inserted.account, operator, parts)
        return inserted
      })
    },

    /** The invitation before it is dead: it may have gone to a wrong address. */
    inviteAgain: (sub: string, operator: Operator): Promise<Done | Refused<'not_found' | 'disabled' | 'accepted'>> =>
      transaction(async () => {
        const account = await accounts.find(sub)
        if (!account) return { ok: false, reason: 'not_found' }
        operator.demand(account)
        if (account.disabledAt) return { ok: false, reason: 'disabled' }
        const { passkeys } = await parts.factorStore.summary(sub)
        if (account.hasPassword || passkeys > 0) return { ok: false, reason: 'accepted' }
        await sendInvitation(account, operator, parts)
        return { ok: true, account }
      }),

    /** A link that sets a new password. It proves nothing else: second factors are asked for as ever. */
    oneTimeLink: async (
      sub: string,
      seconds: number,
      operator: Operator,
    ): Promise<Done<{ url: string; expiresAt: Date }> | Refused<'not_found' | 'disabled'>> => {
      const account = await accounts.find(sub)
      if (!account) return { ok: false, reason: 'not_found' }
      operator.demand(account)
      if (account.disabledAt) return { ok: false, reason: 'disabled' }
      // Of the account whose rights were looked at: if it gains some, its version rises and the link is dead.
      const { securityVersion } = account
      const token = await parts.links.create(linkPurposes.passwordReset, { sub, seconds, securityVersion })
      const url = linkUrl(parts.issuer, linkPurposes.passwordReset, token)
      return { ok: true, account, url, expiresAt: inSeconds(seconds) }
    },

    resetFactors: (sub: string, operator: Operator) => resetFactors(sub, operator, parts),

    signOut: (sub: string, operator: Operator): Promise<Done | NotFound> =>
      transaction(async () => {
        const account = await shutOut(sub, operator, parts)
        if (!account) return { ok: false, reason: 'not_found' }
        await parts.activity.append(sub, byOperator('sessions_ended'))
        return { ok: true, account }
      }),
  }
}

export const invitationExpiry = (): Date => inSeconds(mailLifetimes.invitation)

const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000)

/** For the owner's activity, without a browser: an operator's is none of the owner's business. */
export const byOperator = <Type>(type: Type, details: Record<string, string> = {}) => ({
  type,
  address: '',
  userAgent: '',
  details: { ...details, by: 'operator' },
})

async function sendInvitation(account: Account, { name }: Operator, parts: AccountSupportParts): Promise<void> {
  const { links, accountMail, activity, issuer } = parts
  const { sub, securityVersion } = account
  await links.removeOf(linkPurposes.invitation, sub)
  const token = await links.create(linkPurposes.invitation, {
    sub,
    seconds: mailLifetimes.invitation,
    securityVersion,
  })
  await accountMail.invitation(account, { link: linkUrl(issuer, linkPurposes.invitation, token), inviterName: name })
  await activity.append(sub, byOperator('invited'))
}

/** Before the account is looked at, for its lock: what is read afterwards stays so until the transaction ends. */
async function shutOut(sub: string, operator: Operator, { endEverything, accounts }: AccountSupportParts) {
  await endEverything(sub)
  const account = await accounts.find(sub)
  if (account) operator.demand(account)
  return account
}

async function resetFactors(
  sub: string,
  operator: Operator,
  parts: AccountSupportParts,
): Promise<Done<{ removed: FactorSummary }> | NotFound> {
  const { factorStore, activity, accountMail, locks } = parts
  const result = await parts.transaction(async () => {
    const account = await shutOut(sub, operator, parts)
    if (!account) return { ok: false, reason: 'not_found' } as const
    const removed = await factorStore.summary(sub)
    await factorStore.removeAll(sub)
    const named = namedFactors(removed)
    for (const factor of named) await activity.append(sub, byOperator('factor_removed', { factor }))
    if (named.length > 0 || removed.recoveryCodesLeft > 0) await accountMail.factorsReset(account, {})
    return { ok: true, account, removed } as const
  })
  // Whoever guessed at the old factors is guessing at nothing.
  if (result.ok) await locks.liftCodes(sub)
  return result
}

const namedFactors = ({ hasTotp, passkeys, hasEmailCode }: FactorSummary): NamedFactor[] => [
  ...(hasTotp ? (['totp'] as const) : []),
  ...(passkeys > 0 ? (['passkey'] as const) : []),
  ...(hasEmailCode ? (['email_code'] as const) : []),
]
