// Checks a name and a password: counted before it is hashed, and the same answer whatever was wrong.
import type { Account, AccountStore } from '../../accounts/account-store.ts'
import type { Devices } from '../../accounts/devices/devices.ts'
import type { Passwords } from '../../accounts/password/password.ts'
import type { PasswordStore } from '../../accounts/password/password-store.ts'
import type { SignInThrottle } from '../../accounts/sign-in/sign-in-throttle.ts'

export interface SignInParts {
  accounts: Pick<AccountStore, 'findByIdentifier'>
  passwordStore: Pick<PasswordStore, 'rehash'>
  devices: Pick<Devices, 'find'>
  passwords: Passwords
  throttle: SignInThrottle
}

export interface SignInAttempt {
  /** An e-mail address or a username. */
  identifier: string
  password: string
  address: string
  deviceToken: string | undefined
}

export type SignInResult =
  | { ok: true; account: Account }
  | { ok: false; reason: 'wrong' }
  /** Seconds. */
  | { ok: false; reason: 'too_many' | 'locked' | 'busy'; retryAfter: number }

export type SignIn = ReturnType<typeof createSignIn>

export function createSignIn({ accounts, passwordStore, devices, passwords, throttle }: SignInParts) {
  return async ({ identifier, password, address, deviceToken }: SignInAttempt): Promise<SignInResult> => {
    const account = await accounts.findByIdentifier(identifier)
    const subject = account?.sub ?? identifier
    // Asked for a stranger's name too: the time must not tell.
    const device = await devices.find(deviceToken, subject)
    const reservation = await throttle.reserve({ subject, address, deviceId: device?.id })
    if (!reservation.ok) {
      const { isLocked, retryAfter } = reservation
      return { ok: false, reason: isLocked ? 'locked' : 'too_many', retryAfter }
    }
    const checked = await passwords.check(account, password)
    if (!checked.ok && checked.reason === 'busy') {
      await reservation.giveBack()
      return { ok: false, reason: 'busy', retryAfter: 2 }
    }
    if (!checked.ok || !account) return { ok: false, reason: 'wrong' }
    await reservation.succeeded()
    if (checked.needsRehash && account.passwordHash) {
      const rehashed = await passwords.hash(password)
      if (rehashed.ok) await passwordStore.rehash(account.sub, rehashed.hash, account.passwordHash)
    }
    return { ok: true, account }
  }
}
