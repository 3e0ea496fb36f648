// Checks and hashes passwords through the queue, at the same cost whether or not there is such an account.
import type { AccountWithPassword } from '../account-store.ts'
import type { HashSchemes } from './imported/hash-schemes.ts'
import { hash, unmatchableHash } from './password-hash.ts'
import type { PasswordQueue, Queued } from './password-queue.ts'
import { isTooLong } from './password-rules.ts'

export type PasswordCheck = { ok: true; needsRehash: boolean } | { ok: false; reason: 'wrong' | 'busy' }
export type HashedPassword = { ok: true; hash: string } | { ok: false; reason: 'busy' }

export interface Passwords {
  /** `wrong` also for no account, one without a password and a disabled one, after as long a time. */
  check(
    account: Pick<AccountWithPassword, 'passwordHash' | 'disabledAt'> | undefined,
    password: string,
  ): Promise<PasswordCheck>
  hash(password: string): Promise<HashedPassword>
  /** Whether a hash, of an earlier password say, is this password's. */
  matches(hash: string, password: string): Promise<Queued<boolean>>
}

interface Parts {
  queue: PasswordQueue
  schemes: Pick<HashSchemes, 'verify' | 'needsRehash'>
}

export function createPasswords({ queue, schemes }: Parts): Passwords {
  const dummy = unmatchableHash()
  /** A hash that cannot be read fits no password, and takes as long to say so. */
  const verify = (stored: string, password: string) =>
    schemes.verify(stored, password).catch(() => schemes.verify(dummy, password))

  return {
    check: async (account, password) => {
      const stored = account?.disabledAt || isTooLong(password) ? undefined : account?.passwordHash
      const verified = await queue.run(() => verify(stored ?? dummy, isTooLong(password) ? '' : password))
      if (!verified.ok) return verified
      if (!verified.value || !stored) return { ok: false, reason: 'wrong' }
      return { ok: true, needsRehash: schemes.needsRehash(stored, password) }
    },
    hash: async (password) => {
      const hashed = await queue.run(() => hash(password))
      return hashed.ok ? { ok: true, hash: hashed.value } : hashed
    },
    matches: (stored, password) => queue.run(() => verify(stored, isTooLong(password) ? '' : password)),
  }
}
