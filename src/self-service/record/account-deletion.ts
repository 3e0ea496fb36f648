// Deletes accounts whose owners have asked for it: after a grace period in which a sign-in takes that back, or at once.
import type { AccountMail } from '../../accounts/account-mail.ts'
import type { AccountRegistration } from '../../accounts/account-registration.ts'
import type { AccountStore } from '../../accounts/account-store.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { Database } from '../../database/database.ts'
import type { AccessRevocation } from '../../oidc/access-revocation.ts'
import type { Visitor } from '../account-door.ts'
import type { Caller } from '../caller.ts'

export interface AccountDeletionParts {
  database: Pick<Database, 'transaction'>
  accounts: Pick<AccountStore, 'find' | 'setDeleteAfter' | 'listDueForDeletion' | 'lockIfDueForDeletion'>
  registration: Pick<AccountRegistration, 'isLastOwner'>
  revocation: Pick<AccessRevocation, 'endEverything' | 'deleteAccount'>
  activity: Pick<ActivityLog, 'append'>
  accountMail: Pick<AccountMail, 'deletionScheduled'>
  /** 0 deletes at once. */
  graceDays: number
}

export type DeletionRequested =
  /** Without a date it is gone already. */
  { ok: true; deleteAfter: Date | undefined } | { ok: false; reason: 'last_owner' | 'changed_meanwhile' }

export type AccountDeletion = ReturnType<typeof createAccountDeletion>

const day = 86_400_000
const batch = 50

class Refused extends Error {
  readonly reason: 'last_owner' | 'changed_meanwhile'

  constructor(reason: Refused['reason']) {
    super('The account stays; what was done to delete it is taken back.')
    this.reason = reason
  }
}

export function createAccountDeletion(parts: AccountDeletionParts) {
  const { database, accounts, registration, revocation, graceDays } = parts

  const begin = async ({ account: { sub, securityVersion } }: Visitor, { where, occasion }: Caller) => {
    // Its lock comes first, as in everything that may take an owner away.
    if (await registration.isLastOwner(sub)) throw new Refused('last_owner')
    await revocation.endEverything(sub)
    const account = await accounts.find(sub)
    if (account?.securityVersion !== securityVersion + 1) throw new Refused('changed_meanwhile')
    if (graceDays === 0) {
      await revocation.deleteAccount(sub)
      return undefined
    }
    const deleteAfter = new Date(Date.now() + graceDays * day)
    await accounts.setDeleteAfter(sub, deleteAfter)
    await parts.activity.append(sub, { type: 'deletion_requested', ...where })
    await parts.accountMail.deletionScheduled(account, { date: deleteAfter, language: occasion.language })
    return deleteAfter
  }

  return {
    /** Signs out everywhere. */
    request: async (visitor: Visitor, caller: Caller): Promise<DeletionRequested> => {
      try {
        return { ok: true, deleteAfter: await database.transaction(() => begin(visitor, caller)) }
      } catch (error) {
        if (error instanceof Refused) return { ok: false, reason: error.reason }
        throw error
      }
    },

    /** For the sweeper: deletes those whose time has come, and has not been taken back in this moment. Answers how many. */
    deleteDue: async (): Promise<number> => {
      let deleted = 0
      for (const sub of await accounts.listDueForDeletion(batch)) {
        const isGone = await database.transaction(async () => {
          const isLastOwner = await registration.isLastOwner(sub)
          if (!(await accounts.lockIfDueForDeletion(sub))) return false
          if (!isLastOwner) return revocation.deleteAccount(sub)
          // The others have left meanwhile: without an owner nobody could run the server.
          await accounts.setDeleteAfter(sub, null)
          return false
        })
        if (isGone) deleted += 1
      }
      return deleted
    },
  }
}
