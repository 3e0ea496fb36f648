// Opens what only commands about accounts need: the rules for them, the hashing of passwords, and the words for problems.
import { join } from 'node:path'
import { type AccountRegistration, createAccountRegistration } from '../../accounts/account-registration.ts'
import type { Account, AccountWithPassword } from '../../accounts/account-store.ts'
import { createFactorStore, type FactorStore } from '../../accounts/factors/factor-store.ts'
import { createHashSchemes } from '../../accounts/password/imported/hash-schemes.ts'
import { createPasswords } from '../../accounts/password/password.ts'
import { createPasswordPolicy } from '../../accounts/password/password-policy.ts'
import { createPasswordQueue } from '../../accounts/password/password-queue.ts'
import { createPasswordStrength } from '../../accounts/password/password-strength.ts'
import { type AccountLocks, createAccountLocks } from '../../accounts/sign-in/account-locks.ts'
import { createSignInThrottleStore } from '../../accounts/sign-in/sign-in-throttle-store.ts'
import { createAccountTransferStore } from '../../accounts/transfer/account-transfer-store.ts'
import { createTranslations, type Translator } from '../../language/translations.ts'
import type { OpenDatabase } from '../open-database.ts'
import { notFound } from '../refusals.ts'

export function openAccounts({ accounts, database, sealing, config }: OpenDatabase): AccountRegistration {
  const schemes = createHashSchemes({ sealing })
  const passwords = createPasswords({ queue: createPasswordQueue(), schemes })
  return createAccountRegistration({
    store: accounts,
    transaction: database.transaction,
    hashPassword: passwords.hash,
    schemes,
    // What an operator makes is held to the stricter rule.
    requiresSecondFactor: false,
    policy: createPasswordPolicy({
      rules: config.password,
      productName: 'Gatehouse',
      // A machine that is busy with its first start may take its time.
      strength: createPasswordStrength({ patience: 30_000, idle: 1000 }),
      passwords,
      now: () => new Date(),
    }),
  })
}

export const openLocks = ({ database }: OpenDatabase): AccountLocks =>
  createAccountLocks({ store: createSignInThrottleStore({ database }) })

export const openFactors = ({ database, config }: OpenDatabase): FactorStore =>
  createFactorStore({ database, canUseEmailCodes: config.login.canUseEmailCodes })

export function openTransfer({ database, sealing, config }: OpenDatabase) {
  return {
    store: createAccountTransferStore({ database }),
    schemes: createHashSchemes({ sealing }),
    english: englishOf(config.root),
  }
}

/** What the domain says, for an operator. */
export const englishOf = (root: string): Translator =>
  createTranslations({ directory: join(root, 'views/locales') }).english

/** By its sub, or by its e-mail address or username. */
export async function demandAccount({ accounts }: OpenDatabase, who: string): Promise<Account | AccountWithPassword> {
  const account = (await accounts.find(who)) ?? (await accounts.findByIdentifier(who))
  if (!account) throw notFound('account', who)
  return account
}
