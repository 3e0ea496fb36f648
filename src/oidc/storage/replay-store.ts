// Remembers proofs that work once (client assertions, RFC 7523; DPoP proofs, RFC 9449) until they have expired anyway.
import type { Database } from '../../database/database.ts'

const claim = {
  name: 'replay-claim',
  text: `INSERT INTO replays (key, expires_at) VALUES ($1, clock_timestamp() + make_interval(secs => $2))
    ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at WHERE replays.expires_at <= clock_timestamp() RETURNING 1`,
}

export type ReplayStore = ReturnType<typeof createReplayStore>

export function createReplayStore({ database }: { database: Database }) {
  return {
    /** True for exactly one caller, and it stays so whatever becomes of the request that presented the proof. */
    claim: (key: Buffer, seconds: number): Promise<boolean> =>
      database.independently(async () => (await database.query(claim, [key, seconds])).length > 0),
  }
}
