// Sets a password: the one way for a reset, the account page, an expired password and an operator alike.
import { notFound } from '../../http/errors.ts'
import type { Sentence } from '../../language/translations.ts'
import type { Account } from '../account-store.ts'
import type { Passwords } from './password.ts'
import type { PasswordPolicy } from './password-policy.ts'
import type { PasswordStore } from './password-store.ts'
import { personalWordsOf } from './personal-words.ts'

type Refused = { ok: false; reason: 'refused'; problem: Sentence } | { ok: false; reason: 'busy' }
export type PasswordPrepared =
  /** `apply` answers the account's security version from then on. */
  { ok: true; apply(): Promise<number> } | Refused
export type PasswordChanged = { ok: true; securityVersion: number } | Refused

type ChangedAccount = Pick<Account, 'sub' | 'email' | 'username' | 'name' | 'profile'>

export interface PasswordChange {
  /**
   * All that takes long: the password is judged and hashed. Call it outside a transaction, which would hold a connection
   * meanwhile, and `apply` inside of one that does more.
   */
  prepare(
    account: ChangedAccount,
    newPassword: string,
    options: { hasSecondFactor: boolean },
  ): Promise<PasswordPrepared>
  /**
   * Both in turn. The security version rises and remembered devices are forgotten; sessions are the caller's to end.
   */
  change(account: ChangedAccount, newPassword: string, options: { hasSecondFactor: boolean }): Promise<PasswordChanged>
}

interface Parts {
  passwordStore: PasswordStore
  policy: PasswordPolicy
  passwords: Pick<Passwords, 'hash'>
}

export function createPasswordChange({ passwordStore, policy, passwords }: Parts): PasswordChange {
  const hashesThatMayNotReturn = async (sub: string): Promise<string[]> => {
    if (!policy.refusesPresent) return []
    const present = await passwordStore.findHash(sub)
    const earlier = policy.historySize > 0 ? await passwordStore.listEarlierHashes(sub, policy.historySize) : []
    return [...(present ? [present] : []), ...earlier]
  }

  const prepare: PasswordChange['prepare'] = async (account, newPassword, { hasSecondFactor }) => {
    const problem = await policy.problem(newPassword, {
      personalWords: personalWordsOf(account),
      hasSecondFactor,
      earlierHashes: await hashesThatMayNotReturn(account.sub),
    })
    if (problem === 'busy') return { ok: false, reason: 'busy' }
    if (problem) return { ok: false, reason: 'refused', problem }
    const hashed = await passwords.hash(newPassword)
    if (!hashed.ok) return hashed
    const { hash } = hashed
    const apply = async () => {
      const isShort = policy.isShort(newPassword)
      const securityVersion = await passwordStore.set(account.sub, { hash, isShort, historySize: policy.historySize })
      if (securityVersion === undefined) throw notFound('There is no such account any more.')
      return securityVersion
    }
    return { ok: true, apply }
  }

  return {
    prepare,
    change: async (account, newPassword, options) => {
      const prepared = await prepare(account, newPassword, options)
      if (!prepared.ok) return prepared
      return { ok: true, securityVersion: await prepared.apply() }
    },
  }
}
