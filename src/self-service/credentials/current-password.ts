// Asks for the password that an account has: counted like a sign-in before it is hashed, so that no session is a way to guess it.
import type { AccountStore } from '../../accounts/account-store.ts'
import type { Devices } from '../../accounts/devices/devices.ts'
import type { Passwords } from '../../accounts/password/password.ts'
import type { SignInThrottle } from '../../accounts/sign-in/sign-in-throttle.ts'

export interface CurrentPasswordParts {
  accounts: Pick<AccountStore, 'findByEmail'>
  passwords: Pick<Passwords, 'check'>
  throttle: SignInThrottle
  devices: Pick<Devices, 'find'>
}

export interface PasswordShown {
  account: { sub: string; email: string }
  password: string
  address: string
  deviceToken: string | undefined
}

export type CurrentPasswordChecked =
  | { ok: true }
  | { ok: false; reason: 'wrong' }
  /** Seconds. */
  | { ok: false; reason: 'too_many' | 'locked' | 'busy'; retryAfter: number }

export type CurrentPassword = ReturnType<typeof createCurrentPassword>

export function createCurrentPassword({ accounts, passwords, throttle, devices }: CurrentPasswordParts) {
  return async ({ account, password, address, deviceToken }: PasswordShown): Promise<CurrentPasswordChecked> => {
    const device = await devices.find(deviceToken, account.sub)
    const reservation = await throttle.reserve({ subject: account.sub, address, deviceId: device?.id })
    if (!reservation.ok) {
      const { isLocked, retryAfter } = reservation
      return { ok: false, reason: isLocked ? 'locked' : 'too_many', retryAfter }
    }
    const stored = await accounts.findByEmail(account.email)
    const checked = await passwords.check(stored?.sub === account.sub ? stored : undefined, password)
    if (checked.ok) {
      await reservation.succeeded()
      return { ok: true }
    }
    if (checked.reason === 'wrong') return { ok: false, reason: 'wrong' }
    await reservation.giveBack()
    return { ok: false, reason: 'busy', retryAfter: 2 }
  }
}
