// Checks and hashes passwords through the queue, at the same cost whether or not there is such an account.
import type { AccountWithPassword } from '../account-store.ts'
import { hash, needsRehash, unmatchableHash, verify } from './password-hash.ts'
import type { PasswordQueue } from './password-queue.ts'
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
}

interface Parts {
  queue: PasswordQueue
}

export function createPasswords({ queue }: Parts): Passwords {
  const dummy = unmatchableHash()
  return {
    check: async (account, password) => {
      const stored = account?.disabledAt || isTooLong(password) ? undefined : account?.passwordHash
      const verified = await queue.run(() => verifyAny(stored, dummy, isTooLong(password) ? '' : password))
      if (!verified.ok) return verified
      if (!verified.value || !stored) return { ok: false, reason: 'wrong' }
      return { ok: true, needsRehash: needsRehash(stored) }
    },
    hash: async (password) => {
      const hashed = await queue.run(() => hash(password))
      return hashed.ok ? { ok: true, hash: hashed.value } : hashed
    },
  }
}

/** A hash that cannot be read fits no password, and takes as long to say so. */
const verifyAny = (stored: string | undefined, dummy: string, password: string): Promise<boolean> =>
  stored === undefined ? verify(dummy, password) : verify(stored, password).catch(() => verify(dummy, password))
