// Decides which accounts may be made and how they may change, for the command line, the admin API and sign-up alike.
import type { Database } from '../database/database.ts'
import { type AccountInput, fieldProblems, type Problem, tidyFields } from './account-fields.ts'
import type { Account, AccountChanges, AccountStore, NewAccount, Taken } from './account-store.ts'
import type { HashSchemes } from './password/imported/hash-schemes.ts'
import type { Passwords } from './password/password.ts'
import type { PasswordPolicy } from './password/password-policy.ts'
import { personalWordsOf } from './password/personal-words.ts'

export type { AccountInput, Problem } from './account-fields.ts'

/** An empty `username` or `locale` takes it away; `profile` replaces all claims. */
export type AccountInputChanges = {
  [Field in 'email' | 'username' | 'name' | 'profile' | 'locale' | 'isEmailVerified' | 'roles']?:
    | AccountInput[Field]
    | undefined
}
type Refused = { ok: false; reason?: never; problems: Problem[] }
export type AccountCreated =
  | { ok: true; account: Account }
  | { ok: false; reason: Taken | 'sub_taken' | 'busy' }
  | Refused
export type AccountPrepared =
  | { ok: true; account: NewAccount; insert(): Promise<AccountCreated> }
  | { ok: false; reason: 'busy' }
  | Refused
export type AccountUpdated =
  | { ok: true; account: Account }
  | { ok: false; reason: 'not_found' | 'version_conflict' | Taken | 'last_owner' }
  | Refused

export interface AccountRegistrationParts {
  store: AccountStore
  transaction: Database['transaction']
  policy: Pick<PasswordPolicy, 'problem' | 'isShort'>
  hashPassword: Passwords['hash']
  schemes: Pick<HashSchemes, 'problem' | 'toStored'>
  /** Everybody has a second factor here, or sets one up at the first sign-in: passwords may be shorter. */
  requiresSecondFactor: boolean
}

// The failed statement has spoiled the transaction, which must be rolled back before anybody can be told.
class TakenMeanwhile extends Error {
  readonly reason: Taken

  constructor(reason: Taken) {
    super('The name was taken by another account in this moment.')
    this.reason = reason
  }
}

export type AccountRegistration = ReturnType<typeof createAccountRegistration>

export function createAccountRegistration(parts: AccountRegistrationParts) {
  const { store, transaction, schemes } = parts

  /** Call it in the transaction that disables, removes or demotes the account: it locks out all others that do. */
  const isLastOwner = async (sub: string): Promise<boolean> => {
    const others = await store.countOtherOwners(sub)
    const account = await store.find(sub)
    return others === 0 && account !== undefined && !account.disabledAt && account.roles.includes('owner')
  }

  const takenNames = async (sub: string, { email, username }: AccountInputChanges): Promise<Taken | undefined> => {
    const isOfAnother = (holder: Account | undefined) => holder !== undefined && holder.sub !== sub
    if (email !== undefined && isOfAnother(await store.findByEmail(email))) return 'email_taken'
    return username && isOfAnother(await store.findByIdentifier(username)) ? 'username_taken' : undefined
  }

  const changed = async (sub: string, changes: AccountInputChanges, version: number | undefined) => {
    const losesRole = changes.roles !== undefined && !changes.roles.includes('owner')
    if (losesRole && (await isLastOwner(sub))) return 'last_owner'
    const tidy = tidyFields(changes)
    const taken = await takenNames(sub, tidy)
    if (taken) return taken
    const account = await store.update(sub, asChanges(tidy), version)
    if (account === 'email_taken' || account === 'username_taken') throw new TakenMeanwhile(account)
    return account
  }

  const prepare = async (input: AccountInput): Promise<AccountPrepared> => {
    const checked = await passwordProblems(input, parts)
    if (checked === 'busy') return { ok: false, reason: 'busy' }
    const problems = [...fieldProblems(input, schemes), ...checked]
    if (problems.length > 0) return { ok: false, problems }
    const hashed = input.password === undefined ? undefined : await parts.hashPassword(input.password)
    if (hashed && !hashed.ok) return hashed
    const { password, passwordHash, ...account } = tidyFields(input)
    const prepared: NewAccount = {
      ...account,
      username: account.username || undefined,
      locale: account.locale || undefined,
      passwordHash: hashed?.hash ?? (passwordHash && schemes.toStored(passwordHash)),
      isPasswordShort: password !== undefined && parts.policy.isShort(password),
    }
    return { ok: true, account: prepared, insert: () => store.insert(prepared) }
  }

  return {
    isLastOwner,

    create: async (input: AccountInput): Promise<AccountCreated> => {
      const prepared = await prepare(input)
      return prepared.ok ? prepared.insert() : prepared
    },

    /** All of `create` that takes long, for who inserts in a transaction: a password is judged and hashed outside of it. */
    prepare,

    update: (sub: string, changes: AccountInputChanges, version?: number): Promise<AccountUpdated> => {
      const updated = transaction<AccountUpdated>(async () => {
        const existing = await store.find(sub)
        if (!existing) return { ok: false, reason: 'not_found' }
        if (version !== undefined && existing.version !== version) return { ok: false, reason: 'version_conflict' }
        const problems = fieldProblems(changes, schemes)
        if (problems.length > 0) return { ok: false, problems }
        const account = await changed(sub, changes, version)
        if (account === undefined) return { ok: false, reason: 'version_conflict' }
        return typeof account === 'string' ? { ok: false, reason: account } : { ok: true, account }
      })
      return updated.catch((error): AccountUpdated => {
        if (!(error instanceof TakenMeanwhile)) throw error
        return { ok: false, reason: error.reason }
      })
    },
  }
}

function asChanges(changes: AccountInputChanges): AccountChanges {
  const { email, username, name, profile, locale, isEmailVerified, roles } = changes
  return {
    ...(email !== undefined && { email, isEmailVerified: false }),
    ...(username !== undefined && { username }),
    ...(name !== undefined && { name }),
    ...(profile !== undefined && { profile }),
    ...(locale !== undefined && { locale }),
    ...(isEmailVerified !== undefined && { isEmailVerified }),
    ...(roles !== undefined && { roles }),
  }
}

async function passwordProblems(input: AccountInput, parts: AccountRegistrationParts): Promise<Problem[] | 'busy'> {
  const { password, passwordHash } = input
  if (password === undefined) return []
  if (passwordHash !== undefined) return [{ field: 'password', key: 'account-fields.password_and_hash' }]
  const problem = await parts.policy.problem(password, {
    personalWords: personalWordsOf(input),
    hasSecondFactor: parts.requiresSecondFactor,
  })
  if (problem === 'busy') return problem
  return problem ? [{ field: 'password', ...problem }] : []
}
