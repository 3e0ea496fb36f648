// Changes how an account is secured, one change after another: whoever comes second finds that things have changed, and does nothing.
import type { Account, AccountStore } from '../../accounts/account-store.ts'
import type { FactorStore, FactorSummary } from '../../accounts/factors/factor-store.ts'
import type { SecurityVersionStore } from '../../accounts/security-version-store.ts'
import type { Database } from '../../database/database.ts'
import type { AccessRevocation } from '../../oidc/access-revocation.ts'
import type { Visitor } from '../account-door.ts'

export interface CredentialChangeParts {
  database: Pick<Database, 'transaction'>
  accounts: Pick<AccountStore, 'find'>
  securityVersions: Pick<SecurityVersionStore, 'lock'>
  factorStore: Pick<FactorStore, 'summary'>
  revocation: Pick<AccessRevocation, 'endOtherSessions'>
}

export interface Secured {
  account: Account
  factors: FactorSummary
}

/** What the account is like when the change begins, and nobody else changes it before this ends. */
export type Work<Result> = (now: Secured) => Promise<Result>
type Outcome = { ok: boolean }
export type ChangedMeanwhile = { ok: false; reason: 'changed_meanwhile' }

export type CredentialChange = ReturnType<typeof createCredentialChange>

/** What came out is no success: whatever was done for it is taken back. */
class TakenBack extends Error {
  readonly outcome: Outcome

  constructor(outcome: Outcome) {
    super('The change was taken back.')
    this.outcome = outcome
  }
}

export function createCredentialChange(parts: CredentialChangeParts) {
  const { database, accounts, revocation } = parts

  const load = async (sub: string): Promise<Secured | undefined> => {
    const account = await accounts.find(sub)
    return account && { account, factors: await parts.factorStore.summary(sub) }
  }

  const attempt = async <Result extends Outcome>(
    begin: () => Promise<boolean>,
    sub: string,
    work: Work<Result>,
  ): Promise<Result | ChangedMeanwhile> => {
    const changed = { ok: false, reason: 'changed_meanwhile' } as const
    try {
      return await database.transaction(async () => {
        const now = (await begin()) ? await load(sub) : undefined
        const result = now && (await work(now))
        if (!result?.ok) throw new TakenBack(result ?? changed)
        return result
      })
    } catch (error) {
      if (error instanceof TakenBack) return error.outcome as Result | ChangedMeanwhile
      throw error
    }
  }

  return {
    /** Something is added: everybody stays signed in. */
    adding: <Result extends Outcome>({ account }: Visitor, work: Work<Result>): Promise<Result | ChangedMeanwhile> =>
      attempt(
        async () => (await parts.securityVersions.lock(account.sub)) === account.securityVersion,
        account.sub,
        work,
      ),

    /** Something is replaced or removed: all sessions but the visitor's own end with it. */
    replacing: <Result extends Outcome>(
      { account, session }: Visitor,
      work: Work<Result>,
    ): Promise<Result | ChangedMeanwhile> =>
      attempt(
        async () => {
          // Raises the version by one, and first of all, for the order in which it locks.
          await revocation.endOtherSessions(account.sub, session.uid)
          return (await accounts.find(account.sub))?.securityVersion === account.securityVersion + 1
        },
        account.sub,
        work,
      ),
  }
}
