// The one place that decides what a person sees next on the way to an application.
import { type FactorSummary, hasSecondFactor } from '../accounts/factors/factor-store.ts'
import type { SecondFactorDemand } from '../config/second-factor-rule.ts'
import { acrOf, levelOf, type PassedMethod } from '../oidc/policy/acr.ts'

export type Step =
  /** Say who you are: password, passkey, link, or a new account. */
  | 'sign-in'
  /** Show one more factor of those that the account has. */
  | 'second-factor'
  /** Set one up: it is demanded, and the account has none that would do. */
  | 'enrolment'
  /** The password has come of age. */
  | 'expired-password'
  /** Everything that is asked for has been shown. */
  | 'finish'
  | 'consent'
  | 'unknown'

export interface Situation {
  /** What the engine is waiting for. */
  prompt: string
  /** Somebody is signed in already. */
  hasSession: boolean
  /** What has been shown in this sign-in, and whose it is. */
  progress:
    | {
        methods: readonly PassedMethod[]
        account: Person
        /** Nothing was shown yet: a session, however old, stands for what was shown then. */
        isFromSession: boolean
      }
    | undefined
  demand: SecondFactorDemand
  /** The level of authentication that the application asks for (`acr_values`, essential `acr`); 0 when it does not. */
  demandedLevel: number
  /** Without it the application is refused; otherwise less will do. */
  isLevelEssential: boolean
  /** A second factor was shown in this browser lately, and its owner asked to be spared. */
  isDeviceRemembered: boolean
}

export interface Person {
  factors: FactorSummary
  isPasswordExpired: boolean
}

export function nextStep(situation: Situation): Step {
  const { prompt, hasSession, progress } = situation
  if (prompt === 'consent') return hasSession ? 'consent' : 'sign-in'
  if (prompt !== 'login') return 'unknown'
  if (!progress) return 'sign-in'
  return factorStep(situation, progress) ?? passwordStep(progress) ?? 'finish'
}

type Progress = NonNullable<Situation['progress']>

function factorStep(situation: Situation, { methods, account, isFromSession }: Progress): Step | undefined {
  const level = levelOf(acrOf(methods))
  const within = levelWithin(methods, account.factors)
  const obliged = obligation(situation, account, within)
  const wanted = Math.max(obliged, situation.demandedLevel)
  if (level >= wanted) return undefined
  if (within > level && within >= Math.min(wanted, 2)) return 'second-factor'
  const mustEnrol = level < obliged || situation.isLevelEssential
  if (!mustEnrol || situation.demand === 'off') return undefined
  // Whoever finds a browser signed in must not put a factor of their own on the account.
  return isFromSession ? 'sign-in' : 'enrolment'
}

/** The level that the operator's rule asks for. */
function obligation({ demand, isDeviceRemembered }: Situation, { factors }: Person, within: number): number {
  if (demand === 'off') return 1
  // A factor counts that adds something: a code by mail beside a link by mail does not.
  if (demand === 'optional') return within > 1 && !isDeviceRemembered ? 2 : 1
  return hasSecondFactor(factors) && isDeviceRemembered ? 1 : 2
}

/** How far the account's own factors can still take this sign-in. */
function levelWithin(methods: readonly PassedMethod[], factors: FactorSummary): number {
  const at = methods.at(-1)?.at ?? 0
  const more: PassedMethod[] = [
    ...(factors.hasTotp ? [{ method: 'totp', at } as const] : []),
    ...(factors.hasEmailCode ? [{ method: 'email_code', at } as const] : []),
    ...(factors.passkeys > 0 ? [{ method: 'passkey', at, isUserVerified: true } as const] : []),
  ]
  return levelOf(acrOf([...methods, ...more]))
}

const passwordStep = ({ methods, account }: Progress): Step | undefined =>
  account.isPasswordExpired && methods.some(({ method }) => method === 'password') ? 'expired-password' : undefined
