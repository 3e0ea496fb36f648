// The one place that decides what a person sees next on the way to an application.
export type Step = 'sign-in' | 'consent' | 'unknown'

export interface Progress {
  /** What the engine is waiting for. */
  prompt: string
  /** Whose session it is, if anybody is signed in. */
  accountId: string | undefined
}

export function nextStep({ prompt, accountId }: Progress): Step {
  if (prompt === 'login') return 'sign-in'
  if (prompt === 'consent') return accountId === undefined ? 'sign-in' : 'consent'
  return 'unknown'
}
