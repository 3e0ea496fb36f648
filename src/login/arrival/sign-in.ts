// Checks a name and a password: counted before it is hashed, and the same answer whatever was wrong.
import type { AccountMail } from '../../accounts/account-mail.ts'
import type { Account, AccountStore } from '../../accounts/account-store.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { Devices } from '../../accounts/devices/devices.ts'
import type { Passwords } from '../../accounts/password/password.ts'
import type { PasswordStore } from '../../accounts/password/password-store.ts'
import type { Occasion } from '../../accounts/security-notices.ts'
import type { SignInThrottle } from '../../accounts/sign-in/sign-in-throttle.ts'

export interface SignInParts {
  accounts: Pick<AccountStore, 'findByIdentifier'>
  passwordStore: Pick<PasswordStore, 'rehash'>
  devices: Pick<Devices, 'find'>
  passwords: Passwords
  throttle: Pick<SignInThrottle, 'reserve'>
  activity: Pick<ActivityLog, 'append'>
  accountMail: Pick<AccountMail, 'accountLocked'>
}

export interface SignInAttempt {
  /** An e-mail address or a username. */
  identifier: string
  password: string
  visit: { address: string; userAgent: string }
  occasion: Occasion
  deviceToken: string | undefined
}

export type SignInResult =
  | { ok: true; account: Account }
  | { ok: false; reason: 'wrong' }
  /** Seconds. */
  | { ok: false; reason: 'too_many' | 'locked' | 'busy'; retryAfter: number }

export type SignIn = ReturnType<typeof createSignIn>

export function createSignIn(parts: SignInParts) {
  const { accounts, passwordStore, devices, passwords, throttle } = parts
  return async ({ identifier, password, visit, occasion, deviceToken }: SignInAttempt): Promise<SignInResult> => {
    const account = await accounts.findByIdentifier(identifier)
    const subject = account?.sub ?? identifier
    // Asked for a stranger's name too: the time must not tell.
    const device = await devices.find(deviceToken, subject)
    const reservation = await throttle.reserve({ subject, address: visit.address, deviceId: device?.id })
    if (!reservation.ok) {
      const { isLocked, retryAfter } = reservation
      return { ok: false, reason: isLocked ? 'locked' : 'too_many', retryAfter }
    }
    const checked = await passwords.check(account, password)
    if (!checked.ok && checked.reason === 'busy') {
      await reservation.giveBack()
      return { ok: false, reason: 'busy', retryAfter: 2 }
    }
    if (!checked.ok || !account) {
      // A stranger's name costs as much: there is nobody then whose log grows.
      await parts.activity.append(subject, { type: reservation.isLast ? 'locked' : 'sign_in_failed', ...visit })
      if (account && reservation.isLast) await parts.accountMail.accountLocked(account, occasion)
      return { ok: false, reason: 'wrong' }
    }
    await reservation.succeeded()
    if (checked.needsRehash && account.passwordHash) {
      const rehashed = await passwords.hash(password)
      if (rehashed.ok) await passwordStore.rehash(account.sub, rehashed.hash, account.passwordHash)
    }
    return { ok: true, account }
  }
}
