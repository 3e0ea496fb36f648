// Adds and removes second factors: what is demanded stays, recovery codes come with the first, and the owner hears of everything.
import type { AccountMail } from '../../accounts/account-mail.ts'
import type { Account } from '../../accounts/account-store.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { FactorStore, FactorSummary } from '../../accounts/factors/factor-store.ts'
import type { RecoveryCodes } from '../../accounts/factors/recovery-codes.ts'
import { combinedDemand, type SecondFactorRule } from '../../config/second-factor-rule.ts'
import type { Visitor } from '../account-door.ts'
import type { Caller } from '../caller.ts'
import type { ChangedMeanwhile, CredentialChange } from './credential-change.ts'

export interface FactorChangesParts {
  credentialChange: CredentialChange
  factorStore: Pick<FactorStore, 'removeAll'>
  recoveryCodes: Pick<RecoveryCodes, 'regenerate'>
  activity: Pick<ActivityLog, 'append'>
  accountMail: Pick<AccountMail, 'factorAdded' | 'factorRemoved' | 'recoveryCodesRegenerated'>
  secondFactorRule: SecondFactorRule
}

export type Factor = 'totp' | 'passkey' | 'email_code'
export interface ChangedFactor {
  factor: Factor
  /** A passkey's. */
  name?: string | undefined
  /** It takes the place of another one. */
  isReplacement?: boolean
}

/** `codes` are new recovery codes, to be shown now and never again. */
export type FactorAdded<Reason extends string> =
  | { ok: true; codes: string[] | undefined }
  | { ok: false; reason: Reason }
  | ChangedMeanwhile
export type RefusedRemoval = 'demanded' | 'password_short' | 'last_way_in' | 'gone'
export type FactorRemoved = { ok: true } | { ok: false; reason: RefusedRemoval } | ChangedMeanwhile

export type FactorChanges = ReturnType<typeof createFactorChanges>

export function createFactorChanges(parts: FactorChangesParts) {
  const { credentialChange, recoveryCodes, activity, accountMail } = parts

  const noteAdded = async (account: Account, { factor, name }: ChangedFactor, { where, occasion }: Caller) => {
    const type = factor === 'passkey' ? 'passkey_added' : 'factor_added'
    await activity.append(account.sub, { type, ...where, details: detailsOf(factor, name) })
    await accountMail.factorAdded(account, { ...occasion, factor, name })
  }
  const noteRemoved = async (account: Account, { factor, name }: ChangedFactor, { where, occasion }: Caller) => {
    const type = factor === 'passkey' ? 'passkey_removed' : 'factor_removed'
    await activity.append(account.sub, { type, ...where, details: detailsOf(factor, name) })
    await accountMail.factorRemoved(account, { ...occasion, factor, name })
  }

  return {
    /** `work` adds it. */
    add: <Reason extends string>(
      visitor: Visitor,
      changed: ChangedFactor,
      caller: Caller,
      work: () => Promise<{ ok: true } | { ok: false; reason: Reason }>,
    ): Promise<FactorAdded<Reason>> => {
      const change = changed.isReplacement ? credentialChange.replacing : credentialChange.adding
      return change<FactorAdded<Reason>>(visitor, async ({ account, factors }) => {
        const added = await work()
        if (!added.ok) return added
        await noteAdded(account, changed, caller)
        const needsCodes = factors.recoveryCodesLeft === 0
        return { ok: true, codes: needsCodes ? await recoveryCodes.regenerate(account.sub) : undefined }
      })
    },

    /** `work` removes it; false when there is none. */
    remove: (
      visitor: Visitor,
      changed: ChangedFactor,
      caller: Caller,
      work: () => Promise<boolean>,
    ): Promise<FactorRemoved> =>
      credentialChange.replacing<FactorRemoved>(visitor, async ({ account, factors }) => {
        const refusal = refusedRemoval(changed.factor, account, factors, parts.secondFactorRule)
        if (refusal) return { ok: false, reason: refusal }
        if (!(await work())) return { ok: false, reason: 'gone' }
        // Recovery codes stand in for a factor; without one they would only be a second password on paper.
        if (countOf(factors) === 1) await parts.factorStore.removeAll(account.sub)
        await noteRemoved(account, changed, caller)
        return { ok: true }
      }),

    regenerateCodes: (
      visitor: Visitor,
      { where, occasion }: Caller,
    ): Promise<{ ok: true; codes: string[] } | ChangedMeanwhile> =>
      credentialChange.adding<{ ok: true; codes: string[] }>(visitor, async ({ account }) => {
        const codes = await recoveryCodes.regenerate(account.sub)
        await activity.append(account.sub, { type: 'recovery_codes_regenerated', ...where })
        await accountMail.recoveryCodesRegenerated(account, occasion)
        return { ok: true, codes }
      }),
  }
}

const detailsOf = (factor: Factor, name: string | undefined) => ({ factor, ...(name ? { name } : undefined) })

const countOf = ({ hasTotp, passkeys, hasEmailCode }: FactorSummary) =>
  Number(hasTotp) + passkeys + Number(hasEmailCode)

/** Why the account must keep it. Pure. */
export function refusedRemoval(
  factor: Factor,
  { hasPassword, isPasswordShort, roles }: Pick<Account, 'hasPassword' | 'isPasswordShort' | 'roles'>,
  factors: FactorSummary,
  rule: SecondFactorRule,
): Exclude<RefusedRemoval, 'gone'> | undefined {
  if (factor === 'passkey' && factors.passkeys === 1 && !hasPassword) return 'last_way_in'
  if (countOf(factors) > 1) return undefined
  if (combinedDemand(rule, undefined, roles) === 'required') return 'demanded'
  return isPasswordShort ? 'password_short' : undefined
}
