// Checks a code of a second factor, of whatever kind: counted per account before it is looked at.
import type { EmailCodes } from '../../accounts/factors/email-codes.ts'
import type { RecoveryCodes } from '../../accounts/factors/recovery-codes.ts'
import type { Totp } from '../../accounts/factors/totp.ts'
import type { FactorThrottle } from '../../accounts/sign-in/factor-throttle.ts'

export type CodeMethod = 'totp' | 'email_code' | 'recovery_code'

export interface CodeAttempt {
  sub: string
  method: CodeMethod
  code: string
  /** The interaction that a mailed code was made for. */
  scope: string
  deviceId: string | undefined
}

export type CodeChecked =
  | { ok: true }
  | { ok: false; reason: 'wrong' }
  /** Seconds. */
  | { ok: false; reason: 'too_many' | 'locked'; retryAfter: number }

export interface SecondFactorCheckParts {
  totp: Pick<Totp, 'check'>
  emailCodes: Pick<EmailCodes, 'use'>
  recoveryCodes: Pick<RecoveryCodes, 'use'>
  throttle: FactorThrottle
}

export type SecondFactorCheck = ReturnType<typeof createSecondFactorCheck>

export function createSecondFactorCheck({ totp, emailCodes, recoveryCodes, throttle }: SecondFactorCheckParts) {
  const isRight = async ({ sub, method, code, scope }: CodeAttempt): Promise<boolean> => {
    if (method === 'totp') return totp.check(sub, code)
    if (method === 'recovery_code') return recoveryCodes.use(sub, code)
    const used = await emailCodes.use({ purpose: 'second-factor', scope, code })
    return used?.sub === sub
  }

  return async (attempt: CodeAttempt): Promise<CodeChecked> => {
    const reservation = await throttle.reserve({ sub: attempt.sub, deviceId: attempt.deviceId })
    if (!reservation.ok)
      return { ok: false, reason: reservation.isLocked ? 'locked' : 'too_many', retryAfter: reservation.retryAfter }
    if (!(await isRight(attempt))) return { ok: false, reason: 'wrong' }
    await reservation.succeeded()
    return { ok: true }
  }
}
