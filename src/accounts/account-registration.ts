// Decides which accounts may be made and how they may change, for the command line, the admin API and sign-up alike.
import type { Database } from '../database/database.ts'
import type { Account, AccountChanges, AccountStore, Taken } from './account-store.ts'

export interface Problem {
  field: keyof AccountInput
  message: string
}

export interface AccountInput {
  email: string
  name?: string | undefined
  isEmailVerified?: boolean | undefined
  /** Give this or `passwordHash`, or neither for an account that cannot sign in with a password. */
  password?: string | undefined
  /** As it came from another system: argon2 as a PHC string. */
  passwordHash?: string | undefined
  roles?: string[] | undefined
  /** Kept from another system, so that references to it live on; made here when it is missing. */
  sub?: string | undefined
  createdAt?: Date | undefined
}

export type AccountInputChanges = {
  [Field in 'email' | 'name' | 'isEmailVerified' | 'roles']?: AccountInput[Field] | undefined
}
type AnyFields = { [Field in keyof AccountInput]?: AccountInput[Field] | undefined }
type Refused = { ok: false; reason?: never; problems: Problem[] }
export type AccountCreated =
  | { ok: true; account: Account }
  | { ok: false; reason: Taken | 'sub_taken' | 'busy' }
  | Refused
export type AccountUpdated =
  | { ok: true; account: Account }
  | { ok: false; reason: 'not_found' | 'version_conflict' | Taken | 'last_owner' }
  | Refused

export interface AccountRegistrationParts {
  store: AccountStore
  transaction: Database['transaction']
  /** What is wrong with it, in a sentence; undefined when nothing is. */
  passwordProblem(
    password: string,
    context: { personalWords: string[] },
  ): string | undefined | Promise<string | undefined>
  hashPassword(password: string): Promise<{ ok: true; hash: string } | { ok: false; reason: 'busy' }>
}

export const accountRoles = ['owner'] as const

// The failed statement has spoiled the transaction, which must be rolled back before anybody can be told.
const takenMeanwhile = new Error('The e-mail address was taken by another account in this moment.')

export type AccountRegistration = ReturnType<typeof createAccountRegistration>

export function createAccountRegistration(parts: AccountRegistrationParts) {
  const { store, transaction } = parts

  /** Call it in the transaction that disables, removes or demotes the account: it locks out all others that do. */
  const isLastOwner = async (sub: string): Promise<boolean> => {
    const others = await store.countOtherOwners(sub)
    const account = await store.find(sub)
    return others === 0 && account !== undefined && !account.disabledAt && account.roles.includes('owner')
  }

  const changed = async (sub: string, changes: AccountInputChanges, version: number | undefined) => {
    const losesRole = changes.roles !== undefined && !changes.roles.includes('owner')
    if (losesRole && (await isLastOwner(sub))) return 'last_owner'
    const holder = changes.email === undefined ? undefined : await store.findByEmail(changes.email.trim())
    if (holder && holder.sub !== sub) return 'email_taken'
    const account = await store.update(sub, asChanges(changes), version)
    if (account === 'email_taken' || account === 'username_taken') throw takenMeanwhile
    return account
  }

  return {
    isLastOwner,

    create: async (input: AccountInput): Promise<AccountCreated> => {
      const problems = [...fieldProblems(input), ...(await passwordProblems(input, parts))]
      if (problems.length > 0) return { ok: false, problems }
      // Outside a transaction: hashing takes longer than a connection should be held.
      const hashed = input.password === undefined ? undefined : await parts.hashPassword(input.password)
      if (hashed && !hashed.ok) return hashed
      const { password: _, ...account } = input
      return store.insert({
        ...account,
        email: input.email.trim(),
        name: input.name?.trim(),
        roles: [...new Set(input.roles ?? [])],
        passwordHash: hashed?.hash ?? input.passwordHash,
      })
    },

    update: (sub: string, changes: AccountInputChanges, version?: number): Promise<AccountUpdated> => {
      const updated = transaction<AccountUpdated>(async () => {
        const existing = await store.find(sub)
        if (!existing) return { ok: false, reason: 'not_found' }
        if (version !== undefined && existing.version !== version) return { ok: false, reason: 'version_conflict' }
        const problems = fieldProblems(changes)
        if (problems.length > 0) return { ok: false, problems }
        const account = await changed(sub, changes, version)
        if (account === undefined) return { ok: false, reason: 'version_conflict' }
        return typeof account === 'string' ? { ok: false, reason: account } : { ok: true, account }
      })
      return updated.catch((error): AccountUpdated => {
        if (error !== takenMeanwhile) throw error
        return { ok: false, reason: 'email_taken' }
      })
    },
  }
}

function asChanges({ email, name, isEmailVerified, roles }: AccountInputChanges): AccountChanges {
  return {
    ...(email !== undefined && { email: email.trim(), isEmailVerified: false }),
    ...(name !== undefined && { name: name.trim() }),
    ...(isEmailVerified !== undefined && { isEmailVerified }),
    ...(roles !== undefined && { roles: [...new Set(roles)] }),
  }
}

/** What is wrong with an address, in a sentence; undefined when nothing is. It is not asked whether mail arrives there. */
function emailProblem(given: string): string | undefined {
  const email = given.trim()
  if (email.length > 254) return 'The e-mail address must not be longer than 254 characters.'
  const [local = '', domain = '', ...more] = email.split('@')
  const isGood =
    more.length === 0 &&
    local.length <= 64 &&
    /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u.test(local) &&
    (domain === 'localhost' ||
      /^([\p{L}\p{M}\p{N}]([\p{L}\p{M}\p{N}-]{0,62})\.)+[\p{L}\p{N}][\p{L}\p{M}\p{N}-]*$/u.test(domain))
  return isGood ? undefined : 'This is not an e-mail address. Write it as name@example.com.'
}

function fieldProblems({ email, name, roles, sub, createdAt, passwordHash }: AnyFields): Problem[] {
  const wrongEmail = email === undefined ? undefined : emailProblem(email)
  const wrongRole = roles?.find((role) => !accountRoles.some((known) => known === role))
  const checks: [keyof AccountInput, string | false | undefined][] = [
    ['email', wrongEmail],
    [
      'name',
      name !== undefined && !isName(name) && 'The name must have 1 to 200 characters and no control characters.',
    ],
    [
      'roles',
      wrongRole !== undefined &&
        `There is no role ${JSON.stringify(wrongRole.slice(0, 50))}. Known: ${accountRoles.join(', ')}.`,
    ],
    ['sub', sub !== undefined && subProblem(sub)],
    ['createdAt', createdAt !== undefined && !(createdAt.getTime() > 0) && 'The time of creation is not a time.'],
    [
      'passwordHash',
      passwordHash !== undefined &&
        !/^\$argon2(id|i|d)\$v=19\$m=\d{1,7},t=\d{1,3},p=\d{1,3}\$[A-Za-z0-9+/]{11,128}\$[A-Za-z0-9+/]{16,512}$/.test(
          passwordHash,
        ) &&
        'The password hash must be one of argon2 as a PHC string ($argon2id$v=19$m=…,t=…,p=…$…$…): no other can be verified yet.',
    ],
  ]
  return checks.flatMap(([field, message]) => (message ? [{ field, message }] : []))
}

const isName = (name: string) =>
  name.trim() !== '' && name.length <= 200 && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.test(name)

// OpenID Connect Core, 2: at most 255 ASCII characters. Client ids are another space (RFC 9700, 4.15).
function subProblem(sub: string): string | undefined {
  if (!/^[\x21-\x7e]{1,255}$/.test(sub)) return 'The sub must have 1 to 255 printable ASCII characters without spaces.'
  return /^(client_|gatehouse-)/.test(sub) ? 'The sub must not begin like a client id.' : undefined
}

async function passwordProblems(input: AccountInput, parts: AccountRegistrationParts): Promise<Problem[]> {
  const { password, passwordHash, email, name } = input
  if (password === undefined) return []
  if (passwordHash !== undefined)
    return [{ field: 'password', message: 'Give either a password or a password hash, not both.' }]
  const personalWords = [email, ...email.split('@'), ...(name?.split(/\s+/) ?? [])].filter((word) => word !== '')
  const message = await parts.passwordProblem(password, { personalWords })
  return message ? [{ field: 'password', message }] : []
}
