// Decides whether somebody who is signed in still owes an application a second factor: one that asks for less has let them in.
import type { Context } from 'koa'
import type { Account } from '../../accounts/account-store.ts'
import type { FactorSummary } from '../../accounts/factors/factor-store.ts'
import type { Client } from '../../clients/client-store.ts'
import { combinedDemand, type SecondFactorRule } from '../../config/second-factor-rule.ts'
import { levelOf } from './acr.ts'

export interface SecondFactorPolicyParts {
  rule: SecondFactorRule
  accounts: { find(sub: string): Promise<Pick<Account, 'roles'> | undefined> }
  factors: { summary(sub: string): Promise<FactorSummary> }
  /** Still, in the browser of the request. */
  isDeviceRemembered(ctx: Context, sub: string): Promise<boolean>
}

export interface SignedIn {
  sub: string
  acr: string | undefined
  amr: readonly string[]
}

export type SecondFactorPolicy = ReturnType<typeof createSecondFactorPolicy>

export function createSecondFactorPolicy(parts: SecondFactorPolicyParts) {
  const { rule, accounts, factors } = parts
  return async (ctx: Context, client: Pick<Client, 'secondFactor'>, { sub, acr, amr }: SignedIn): Promise<boolean> => {
    if (levelOf(acr) > 1) return false
    const namesRoles = [rule, client.secondFactor].some((text) => text?.startsWith('required-for:'))
    const account = namesRoles ? await accounts.find(sub) : undefined
    const demand = combinedDemand(rule, client.secondFactor, account?.roles ?? [])
    if (demand === 'off') return false
    const { hasTotp, passkeys, hasEmailCode } = await factors.summary(sub)
    // A code by mail adds nothing to a link by mail.
    const hasFactor = hasTotp || passkeys > 0 || (hasEmailCode && amr.includes('pwd'))
    // `rba`: the browser was trusted then, and is only as long as there is a factor that it spares.
    if (hasFactor && amr.includes('rba') && (await parts.isDeviceRemembered(ctx, sub))) return false
    return hasFactor || demand === 'required'
  }
}
