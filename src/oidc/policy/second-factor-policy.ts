// Decides whether somebody who is signed in still owes an application a second factor: one that asks for less has let them in.
import type { Account } from '../../accounts/account-store.ts'
import type { FactorSummary } from '../../accounts/factors/factor-store.ts'
import type { Client } from '../../clients/client-store.ts'
import { combinedDemand, type SecondFactorRule } from '../../config/second-factor-rule.ts'
import { levelOf } from './acr.ts'

export interface SecondFactorPolicyParts {
  rule: SecondFactorRule
  accounts: { find(sub: string): Promise<Pick<Account, 'roles'> | undefined> }
  factors: { summary(sub: string): Promise<FactorSummary> }
}

export interface SignedIn {
  sub: string
  acr: string | undefined
  amr: readonly string[]
}

export type SecondFactorPolicy = ReturnType<typeof createSecondFactorPolicy>

export function createSecondFactorPolicy({ rule, accounts, factors }: SecondFactorPolicyParts) {
  return async (client: Pick<Client, 'secondFactor'>, { sub, acr, amr }: SignedIn): Promise<boolean> => {
    // `rba`: the browser is trusted, and its owner was spared by the same rules.
    if (levelOf(acr) > 1 || amr.includes('rba')) return false
    const namesRoles = [rule, client.secondFactor].some((text) => text?.startsWith('required-for:'))
    const account = namesRoles ? await accounts.find(sub) : undefined
    const demand = combinedDemand(rule, client.secondFactor, account?.roles ?? [])
    if (demand !== 'optional') return demand === 'required'
    const { hasTotp, passkeys, hasEmailCode } = await factors.summary(sub)
    // A code by mail adds nothing to a link by mail.
    return hasTotp || passkeys > 0 || (hasEmailCode && amr.includes('pwd'))
  }
}
