// Knows the browsers that an account has signed in with, by a token that each keeps in a cookie: strangers' failures do not lock them out, and remembered ones are spared the second factor.
import { randomBytes } from 'node:crypto'
import type { Database } from '../../database/database.ts'
import type { Sealing } from '../../sealing.ts'
import { createDeviceStore, type Device } from './device-store.ts'
import { clippedUserAgent } from './user-agent.ts'

export interface SignInOnDevice {
  address: string
  userAgent: string
  /** The person wants to be spared the second factor here; only to be said when it was just passed. */
  remember: boolean
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

export function createDevices({ database, sealing }: Parts) {
  const store = createDeviceStore({ database })

  return {
    /** For the cookie of a browser that has none; it says nothing about anybody until somebody has signed in with it. */
    newToken: (): string => randomBytes(32).toString('base64url'),

    find: async (token: string | undefined, sub: string): Promise<{ id: string; isRemembered: boolean } | undefined> =>
      token !== undefined && tokenShape.test(token) ? store.find(sealing.digests(token), sub) : undefined,

    /** Call it when a sign-in is complete, never after the password alone: a known device passes what stops strangers. */
    noteSignIn: async (token: string, sub: string, visit: SignInOnDevice): Promise<{ isNew: boolean }> => {
      if (!tokenShape.test(token)) throw new TypeError('a device token comes from newToken()')
      const { address, userAgent, remember } = visit
      const isNew = await store.note(sealing.digests(token), sub, {
        address,
        userAgent: clippedUserAgent(userAgent),
        rememberDays: remember ? rememberDays : 0,
      })
      if (isNew) await store.cut(sub, mostDevices)
      return { isNew }
    },

    /** Last seen first. */
    list: (sub: string): Promise<Device[]> => store.list(sub),

    forget: async (sub: string, id: string): Promise<boolean> => idShape.test(id) && store.remove(sub, id),

    /** Returns how many there were. */
    forgetAll: (sub: string): Promise<number> => store.removeAll(sub),
  }
}
