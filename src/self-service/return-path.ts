// Keeps where somebody wanted to go while they sign in: sealed on the way, and never anything but one of our own pages.
import type { Sealing } from '../sealing.ts'

export interface Destination {
  /** One of our pages. */
  path: string
  /** A fresh sign-in was asked for, not just any. */
  isForChange?: boolean
  /** They had sent a form, which was not looked at. */
  wasForm?: boolean
}

const pages: ReadonlySet<string> = new Set([
  '/account',
  '/account/profile',
  '/account/username',
  '/account/email',
  '/account/password',
  '/account/second-factor',
  '/account/second-factor/app',
  '/account/second-factor/email',
  '/account/second-factor/recovery-codes',
  '/account/second-factor/new-passkey',
  '/account/sessions',
  '/account/applications',
  '/account/activity',
  '/account/data',
  '/account/delete',
])
const passkeyPage = /^\/account\/second-factor\/passkey\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const isPage = (path: string) => pages.has(path) || passkeyPage.test(path)

/** The page on which the form stands that is sent to this path; what is no page of ours leads to the first one. */
export function pageOf(path: string): string {
  for (let page = path; page !== ''; page = page.slice(0, page.lastIndexOf('/'))) if (isPage(page)) return page
  return '/account'
}

export type ReturnPaths = ReturnType<typeof createReturnPaths>

const purpose = 'way back to an account page'

export function createReturnPaths({ sealing }: { sealing: Pick<Sealing, 'seal' | 'open'> }) {
  return {
    /** For `state`. */
    seal: ({ path, ...more }: Destination): string =>
      sealing.seal(JSON.stringify({ path: pageOf(path), ...more }), purpose),

    /** Undefined for what this server has not written. */
    open: (state: unknown): Destination | undefined => {
      const destination = typeof state === 'string' ? opened(sealing, state) : undefined
      // The list may have changed since.
      return destination && isPage(destination.path) ? destination : undefined
    },
  }
}

function opened(sealing: Pick<Sealing, 'open'>, state: string): Destination | undefined {
  try {
    return JSON.parse(sealing.open(state, purpose)) as Destination
  } catch {
    return undefined
  }
}
