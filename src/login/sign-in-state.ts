// What a half-finished sign-in has shown so far. It waits on the engine's interaction record, never in the session.
import type { PassedMethod } from '../oidc/policy/acr.ts'

export interface Progress {
  sub: string
  /** The account's when the first factor was shown: with a higher one all of this is over. */
  securityVersion: number
  methods: PassedMethod[]
  /** Of the session that is only to be stepped up: its time of authentication stays, and the first so many methods are its own. */
  session?: { authenticatedAt: number; methods: number }
  /** The person asked to be spared the second factor in this browser. */
  remember?: boolean
}

export interface SignInState {
  progress?: Progress
  /** Where codes were sent to, as it was typed: it is shown again, whether or not there is such an account. */
  sentTo?: string
  signUp?: PendingSignUp
}

/** Only the session speaks: nothing was shown in this sign-in. */
export const isFromSession = ({ session, methods }: Progress): boolean => methods.length === session?.methods

/** An account that is made when its address is confirmed, and not before: nobody can prepare one for somebody else's address. */
export interface PendingSignUp {
  email: string
  name?: string
  username?: string
  passwordHash: string
  isPasswordShort: boolean
  /** Seconds since the epoch. */
  until: number
}

/** A key of its own in the engine's result: without `login` beside it, the engine goes on asking. */
export const stateKey = 'signIn'

export const stateIn = (result: Record<string, unknown> | undefined): SignInState =>
  (result?.[stateKey] as SignInState | undefined) ?? {}

/**
 * What a signed-in session has shown, read back from its `amr`, for a step up from there: never less, or a session would sink when
 * more is asked for than its owner has. Those with a passkey have no step above them. Sessions of an earlier release name nothing;
 * there were only passwords then.
 */
export function methodsOfSession(amr: readonly string[] = ['pwd'], at: number): PassedMethod[] {
  const isByPassword = amr.includes('pwd')
  return [
    { method: isByPassword ? 'password' : 'link', at },
    ...(amr.includes('otp') ? [{ method: 'totp', at } as const] : []),
    ...(isByPassword && amr.includes('email') ? [{ method: 'email_code', at } as const] : []),
  ]
}

type Method = Omit<PassedMethod, 'at'>

const now = () => Math.floor(Date.now() / 1000)

/** The beginning of a sign-in: it holds for the account as it is now. */
export const firstMethod = (
  { sub, securityVersion }: { sub: string; securityVersion: number },
  method: Method,
): Progress => ({ sub, securityVersion, methods: [{ ...method, at: now() }] })

export const withMethod = (progress: Progress, method: Method): Progress => ({
  ...progress,
  methods: [...progress.methods, { ...method, at: now() }],
})
