// Makes a server's hosted sign-in look, then write, as most do: codes and links are found and then struck off, tries are read and then counted, and only for an account is there anything to do.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Limit, SignInThrottleStore } from '../../src/accounts/sign-in/sign-in-throttle-store.ts'
import type { Server } from '../../src/server/server.ts'

/** Milliseconds that a mail server takes, while the person waits. */
const mailServer = 150

export function makeSignInNaive({ stores, node }: Pick<Server, 'stores' | 'node'>): void {
  const { database, sealing, links, throttleStore } = stores
  const { totp, recoveryCodes, emailCodes } = node.factors

  /** Its own statement says what would come of it, and is taken back; then it runs, and what comes of it then is of no interest. */
  const lookThenWrite = <Given extends unknown[], Found>(work: (...given: Given) => Promise<Found>) => {
    return async (...given: Given): Promise<Found> => {
      const looked: Found[] = []
      const takenBack = new Error('taken back')
      await database
        .transaction(async () => {
          looked.push(await work(...given))
          throw takenBack
        })
        .catch((error) => {
          if (error !== takenBack) throw error
        })
      await sleep(5)
      await work(...given)
      return looked.at(-1) as Found
    }
  }

  totp.check = lookThenWrite(totp.check)
  recoveryCodes.use = lookThenWrite(recoveryCodes.use)

  const { use } = emailCodes
  // It counts its tries whatever becomes of the request, so that it can't be taken back. Only right codes are sent to it here.
  emailCodes.use = async (given) => {
    const keys = sealing.digests(JSON.stringify(['email code', given.purpose, given.scope]))
    const [found] = await database.query<{ sub: string }>(
      'SELECT sub FROM one_time_links WHERE key = ANY($1) AND expires_at > now()',
      [keys],
    )
    await use(given)
    return found
  }

  const { redeem } = links
  links.redeem = async (purpose, token) => {
    const found = await links.find(purpose, token)
    // New passwords come one hash after another: two of them must still meet here.
    await sleep(100)
    await redeem(purpose, token)
    return found
  }

  const { check } = node.passwords
  node.passwords.check = async (account, password) =>
    account ? check(account, password) : { ok: false, reason: 'wrong' }

  const { accountMail } = node
  const afterwards = <Given extends unknown[]>(send: (...given: Given) => Promise<void>) => {
    return (...given: Given) => sleep(mailServer).then(() => send(...given))
  }
  accountMail.passwordReset = afterwards(accountMail.passwordReset)
  accountMail.signInLink = afterwards(accountMail.signInLink)

  throttleStore.reserve = naiveReserve(stores)
  throttleStore.giveBack = async () => undefined
}

/** As most do it: the failures are read, the password is hashed, and the failure is counted. */
function naiveReserve({ database }: Pick<Server['stores'], 'database'>): SignInThrottleStore['reserve'] {
  const count = async ({ key, kind }: Limit, sub: string | undefined) => {
    await sleep(100)
    await database.query(
      `INSERT INTO sign_in_throttle AS kept (key, kind, sub, failures, in_a_row, blocked_until, updated_at, expires_at)
       VALUES ($1, $2, $3, 1, 1, now(), now(), now() + interval '1 hour')
       ON CONFLICT (key) DO UPDATE SET failures = kept.failures + 1`,
      [key, kind, kind === 'address' ? null : sub],
    )
  }
  return async (limits, sub) => {
    const full = await database.query(
      'SELECT 1 FROM sign_in_throttle JOIN unnest($1::bytea[], $2::int[]) AS limits (key, free) USING (key) WHERE failures >= free',
      [limits.map(({ key }) => key), limits.map(({ free }) => free)],
    )
    if (full.length > 0) return { ok: false, retryAfter: 60, isLocked: false }
    for (const limit of limits) count(limit, sub).catch(() => undefined)
    return { ok: true, isLast: false, reservations: limits.map(({ key }) => ({ key, until: '' })) }
  }
}
