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
  /** After the answer. */
  later(work: () => Promise<void>): void
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
    // A typed name is never taken for a sub, which applications know: nobody can lock an account by it.
    const subject = account?.sub ?? `typed ${identifier}`
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
      // Off the answer's way: its time must not tell whether there is an account whose log grows.
      if (account) parts.later(() => noteFailure(account, { visit, occasion }, reservation.isLast, parts))
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

async function noteFailure(
  account: Account,
  { visit, occasion }: Pick<SignInAttempt, 'visit' | 'occasion'>,
  isLast: boolean,
  { activity, accountMail }: SignInParts,
): Promise<void> {
  await activity.append(account.sub, { type: isLast ? 'locked' : 'sign_in_failed', ...visit })
  if (isLast) await accountMail.accountLocked(account, occasion)
}
