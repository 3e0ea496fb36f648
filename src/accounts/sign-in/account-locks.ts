// Shows and lifts the locks that failed sign-ins have put on accounts, for operators.
import type { AccountLock, SignInThrottleStore } from './sign-in-throttle-store.ts'

export type AccountLocks = ReturnType<typeof createAccountLocks>

export function createAccountLocks({ store }: { store: Pick<SignInThrottleStore, 'listLocks' | 'removeOf'> }) {
  return {
    /** Those of one account, the password's first. */
    find: (sub: string): Promise<AccountLock[]> => store.listLocks([sub]),

    /** The accounts that keep strangers waiting now. */
    lockedAmong: async (subs: readonly string[]): Promise<ReadonlySet<string>> =>
      new Set((await store.listLocks(subs)).map(({ sub }) => sub)),

    /** Codes alone, at every address and on every device. */
    liftCodes: (sub: string): Promise<void> => store.removeOf(sub, ['code', 'code-device']),

    /** Passwords and codes, at every address and on every device. */
    lift: (sub: string): Promise<void> =>
      store.removeOf(sub, ['password', 'password-address', 'password-device', 'code', 'code-device']),
  }
}
