// Names the factors of an account that would take a sign-in further.
import type { FactorSummary } from '../../accounts/factors/factor-store.ts'
import { acrOf, levelOf, type PassedMethod } from '../../oidc/policy/acr.ts'

export type OfferedFactor = 'totp' | 'passkey' | 'email_code' | 'recovery_code'

/** In the order in which they are offered: the strongest first where only that will do. */
export function usefulFactors(
  methods: readonly PassedMethod[],
  factors: FactorSummary,
  wantedLevel: number,
): OfferedFactor[] {
  const had: [OfferedFactor, boolean][] = [
    ['totp', factors.hasTotp],
    ['passkey', factors.passkeys > 0],
    ['email_code', factors.hasEmailCode],
    ['recovery_code', factors.recoveryCodesLeft > 0],
  ]
  const levelWith = (method: OfferedFactor) =>
    levelOf(acrOf([...methods, { method, at: 0, ...(method === 'passkey' ? { isUserVerified: true } : undefined) }]))
  const useful = had.flatMap(([method, has]) => (has && levelWith(method) > levelOf(acrOf(methods)) ? [method] : []))
  const enough = useful.filter((method) => levelWith(method) >= wantedLevel)
  return enough.length > 0 ? enough : useful
}
