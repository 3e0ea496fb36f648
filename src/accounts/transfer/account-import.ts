// Decides which lines of an import are new accounts, which are there already and which are wrong, and makes the new ones.

import { randomUUID } from 'node:crypto'
import type { Sentence } from '../../language/translations.ts'
import type { Sealing } from '../../sealing.ts'
import { type AccountInput, fieldProblems, tidyFields } from '../account-fields.ts'
import { totpPurpose } from '../factors/totp.ts'
import type { HashSchemes } from '../password/imported/hash-schemes.ts'
import type { AccountTransferStore, Holders, SealedTotp, TransferredAccount } from './account-transfer-store.ts'
import { readTotpSeed } from './totp-seed.ts'

export interface ImportedAccount {
  /** Where it stands in the file, from 1. */
  line: number
  account: Omit<AccountInput, 'password'>
  isDisabled: boolean
  /** Base32. */
  totpSecret?: string | undefined
  passwordChangedAt?: Date | undefined
  isPasswordShort?: boolean | undefined
  isEmailCodeEnabled?: boolean | undefined
}

export type CheckedAccount =
  | { state: 'new' | 'present'; imported: ImportedAccount }
  | { state: 'wrong'; imported: ImportedAccount; problems: Sentence[] }

/** One reading of a file, batch by batch from its beginning: it remembers the names of the lines before. */
export interface ImportRun {
  check(batch: readonly ImportedAccount[]): Promise<CheckedAccount[]>
  /** Makes those that are new, all in one statement. What another account took since they were checked is wrong now. */
  insert(batch: readonly CheckedAccount[]): Promise<CheckedAccount[]>
}

interface Parts {
  store: AccountTransferStore
  schemes: HashSchemes
  sealing: Pick<Sealing, 'seal' | 'fingerprints'>
}

export function createAccountImport({ store, schemes, sealing }: Parts) {
  const check = async (batch: readonly ImportedAccount[], lines: Map<string, number>): Promise<CheckedAccount[]> => {
    const looked = batch.map((imported): CheckedAccount => {
      const problems = [
        ...fieldProblems(imported.account, schemes),
        ...totpProblems(imported.totpSecret),
        ...duplicateProblems(imported, lines),
      ]
      if (problems.length > 0) return { state: 'wrong', imported, problems }
      const tidy = { ...imported, account: tidyFields(imported.account) }
      for (const { key } of keysOf(tidy)) lines.set(key, imported.line)
      return { state: 'new', imported: tidy }
    })
    const good = looked.filter(({ state }) => state === 'new')
    const holders = await store.findHolders(good.map(({ imported }) => imported.account))
    const clashing = new Map<CheckedAccount, Holders | undefined>(good.map((each, index) => [each, holders[index]]))
    return looked.map((each) => {
      const found = clashing.get(each)
      return found ? against(each.imported, found) : each
    })
  }

  const insert = async (batch: readonly CheckedAccount[]): Promise<CheckedAccount[]> => {
    const rows = new Map<CheckedAccount, TransferredAccount>(
      batch.flatMap((each) =>
        each.state === 'new'
          ? [[each, transferred(each.imported, each.imported.account.sub ?? randomUUID())] as const]
          : [],
      ),
    )
    const made = await store.insert([...rows.values()])
    return batch.map((each): CheckedAccount => {
      const row = rows.get(each)
      if (!row || made.has(row.sub)) return each
      return { state: 'wrong', imported: each.imported, problems: [{ key: 'account-fields.taken_meanwhile' }] }
    })
  }

  const transferred = ({ account, ...more }: ImportedAccount, sub: string): TransferredAccount => ({
    sub,
    email: account.email,
    isEmailVerified: account.isEmailVerified ?? false,
    username: account.username || undefined,
    name: account.name,
    profile: account.profile ?? {},
    locale: account.locale || undefined,
    passwordHash: account.passwordHash && schemes.toStored(account.passwordHash),
    passwordChangedAt: more.passwordChangedAt,
    isPasswordShort: more.isPasswordShort ?? false,
    isEmailCodeEnabled: more.isEmailCodeEnabled ?? false,
    roles: account.roles ?? [],
    isDisabled: more.isDisabled,
    createdAt: account.createdAt,
    totp: sealedTotp(more.totpSecret, sub),
  })

  const sealedTotp = (secret: string | undefined, sub: string): SealedTotp | undefined => {
    const seed = secret === undefined ? undefined : readTotpSeed(secret)
    if (seed === undefined) return undefined
    return { sealedSecret: sealing.seal(seed, totpPurpose(sub)), sealingKey: sealing.fingerprints[0] ?? '' }
  }

  return {
    begin: (): ImportRun => {
      const lines = new Map<string, number>()
      return { check: (batch) => check(batch, lines), insert }
    },
  }
}

/** As it is compared: the database folds case in the same two. */
function keysOf({ account: { sub, email, username } }: ImportedAccount) {
  return [
    { key: `email ${email.trim().toLowerCase()}`, duplicate: 'account-fields.duplicate_email' },
    ...(username
      ? [{ key: `username ${username.trim().toLowerCase()}`, duplicate: 'account-fields.duplicate_username' }]
      : []),
    ...(sub ? [{ key: `sub ${sub}`, duplicate: 'account-fields.duplicate_sub' }] : []),
  ]
}

function duplicateProblems(imported: ImportedAccount, lines: Map<string, number>): Sentence[] {
  return keysOf(imported).flatMap(({ key, duplicate }) => {
    const line = lines.get(key)
    return line === undefined ? [] : [{ key: duplicate, values: { line } }]
  })
}

/** An import that was broken off is run again: what it made then is present, and is left as it is now. */
function against(imported: ImportedAccount, { subOfSub, ofEmail, subOfUsername }: Holders): CheckedAccount {
  const { sub, name, username, createdAt } = imported.account
  if (subOfSub !== undefined) return { state: 'present', imported }
  if (ofEmail) {
    const isTheSame = createdAt
      ? +createdAt === +ofEmail.createdAt
      : (name || undefined) === ofEmail.name && (username || undefined) === ofEmail.username
    if (isTheSame && sub === undefined) return { state: 'present', imported }
    return { state: 'wrong', imported, problems: [{ key: 'account-fields.email_taken' }] }
  }
  if (subOfUsername === undefined) return { state: 'new', imported }
  return { state: 'wrong', imported, problems: [{ key: 'account-fields.username_taken' }] }
}

const totpProblems = (secret: string | undefined): Sentence[] =>
  secret !== undefined && readTotpSeed(secret) === undefined ? [{ key: 'account-fields.totp_secret' }] : []
