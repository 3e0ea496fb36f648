// Tells the server's own pages who is signed in with this browser: the engine's session, read outside of the engine's endpoints.
import { ServerResponse } from 'node:http'
import type { Context } from 'koa'
import type { Config } from '../config.ts'
import type { Engine } from './engine.ts'
import { sessionSeconds } from './policy/lifetimes.ts'
import type { SessionStore } from './storage/session-store.ts'

export interface PersonSessionParts {
  engine: Pick<Engine, 'provider'>
  sessions: Pick<SessionStore, 'touch'>
  config: Pick<Config, 'session'>
}

export interface SignedInPerson {
  /** Of the session, to be told from the others. */
  uid: string
  accountId: string
  /** When the person signed in, in seconds since the epoch. */
  authTime: number
  acr: string | undefined
  amr: string[]
}

export type PersonSession = ReturnType<typeof createPersonSession>

export function createPersonSession({ engine, sessions, config }: PersonSessionParts) {
  return {
    /** Undefined when nobody is signed in, or no longer. Counts as a use: the session lives on for its idle time. */
    find: async (ctx: Context): Promise<SignedInPerson | undefined> => {
      const session = await engine.provider().Session.get(readOnly(ctx))
      const { uid, accountId, loginTs, acr, amr = [] } = session
      if (!accountId || loginTs === undefined || session.past(config.session.absolute)) return undefined
      // Ended between the two statements, it stays ended.
      if (!(await sessions.touch(uid, sessionSeconds(session, config.session)))) return undefined
      return { uid, accountId, authTime: loginTs, acr, amr }
    },
  }
}

/** Whoever reads a cookie signed with an older key, or wrongly, would answer a cookie as well: that is left to the engine. */
const readOnly = (ctx: Context): Context =>
  ({ req: ctx.req, res: new ServerResponse(ctx.req), secure: ctx.secure }) as unknown as Context
