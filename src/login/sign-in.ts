// Checks an e-mail address and a password: counted before it is hashed, and the same answer whatever was wrong.
import type { Account, AccountStore } from '../accounts/account-store.ts'
import type { Passwords } from '../accounts/password/password.ts'
import type { PasswordStore } from '../accounts/password/password-store.ts'
import type { SignInThrottle } from '../accounts/sign-in/sign-in-throttle.ts'

export interface SignInParts {
  accounts: Pick<AccountStore, 'findByEmail'>
  passwordStore: Pick<PasswordStore, 'rehash'>
  passwords: Passwords
  throttle: SignInThrottle
}

export type SignInResult =
  | { ok: true; account: Account }
  | { ok: false; reason: 'wrong' }
  /** Seconds. */
  | { ok: false; reason: 'too_many' | 'busy'; retryAfter: number }

export type SignIn = ReturnType<typeof createSignIn>

export function createSignIn({ accounts, passwordStore, passwords, throttle }: SignInParts) {
  return async (attempt: { email: string; password: string; address: string }): Promise<SignInResult> => {
    const account = await accounts.findByEmail(attempt.email)
    const reservation = await throttle.reserve({ subject: account?.sub ?? attempt.email, address: attempt.address })
    if (!reservation.ok) return { ok: false, reason: 'too_many', retryAfter: reservation.retryAfter }
    const checked = await passwords.check(account, attempt.password)
    if (!checked.ok && checked.reason === 'busy') {
      await reservation.giveBack()
      return { ok: false, reason: 'busy', retryAfter: 2 }
    }
    if (!checked.ok || !account) return { ok: false, reason: 'wrong' }
    await reservation.succeeded()
    if (checked.needsRehash && account.passwordHash) {
      const rehashed = await passwords.hash(attempt.password)
      if (rehashed.ok) await passwordStore.rehash(account.sub, rehashed.hash, account.passwordHash)
    }
    return { ok: true, account }
  }
}
