// Knows the browsers that an account has signed in with, by a token that each keeps in a cookie: strangers' failures do not lock them out, and remembered ones are spared the second factor.
import { randomBytes } from 'node:crypto'
import type { Database } from '../../database/database.ts'
import type { Sealing } from '../../sealing.ts'
import { createDeviceStore, type Device, type KnownDevice } from './device-store.ts'
import { clippedUserAgent } from './user-agent.ts'

export interface SignInOnDevice {
  address: string
  userAgent: string
  /** The person wants to be spared the second factor here; only to be said when it was just passed. */
  remember: boolean
  /** More than one factor was shown: only then do codes count for this browser apart from the account's. */
  hasShownFactor: boolean
}

export type Devices = ReturnType<typeof createDevices>

interface Parts {
  database: Database
  sealing: Pick<Sealing, 'digests'>
}

const rememberDays = 30
const mostDevices = 50
const tokenShape = /^[A-Za-z0-9_-]{43}$/
const idShape = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** It says nothing about anybody until somebody has signed in with it. */
const newToken = (): string => randomBytes(32).toString('base64url')

export function createDevices({ database, sealing }: Parts) {
  const store = createDeviceStore({ database })

  return {
    find: async (token: string | undefined, sub: string): Promise<KnownDevice | undefined> =>
      token !== undefined && tokenShape.test(token) ? store.find(sealing.digests(token), sub) : undefined,

    /**
     * Call it when a sign-in is complete, never after the password alone: a known device passes what stops strangers. Answers
     * the token that the browser is to keep: a new one where trust begins, so that a copy of the one before is worth nothing.
     */
    noteSignIn: async (
      token: string | undefined,
      sub: string,
      visit: SignInOnDevice,
    ): Promise<{ isNew: boolean; token: string }> => {
      const { address, userAgent, remember, hasShownFactor } = visit
      const before = token !== undefined && tokenShape.test(token) ? token : undefined
      const keys = before === undefined ? [] : sealing.digests(before)
      const isKnown = (await store.find(keys, sub)) !== undefined
      const next = before === undefined || !isKnown || remember ? newToken() : before
      const [key = Buffer.alloc(0)] = sealing.digests(next)
      const isNew = await store.note(keys, key, sub, {
        address,
        userAgent: clippedUserAgent(userAgent),
        rememberDays: remember ? rememberDays : 0,
        hasShownFactor,
      })
      if (next !== before) await store.rekey(keys, key)
      if (isNew) await store.cut(sub, mostDevices)
      return { isNew, token: next }
    },

    /** Last seen first. */
    list: (sub: string): Promise<Device[]> => store.list(sub),

    forget: async (sub: string, id: string): Promise<boolean> => idShape.test(id) && store.remove(sub, id),

    /** Returns how many there were. */
    forgetAll: (sub: string): Promise<number> => store.removeAll(sub),
  }
}
