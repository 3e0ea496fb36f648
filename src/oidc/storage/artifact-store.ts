// Stores what is redeemed once or presented as a bearer: codes, tokens, interactions, pushed requests.
import type { Database } from '../../database/database.ts'
import { createKeyedLookup } from './keyed-lookup.ts'

export interface Artifact {
  model: string
  payload: Record<string, unknown>
  isConsumed: boolean
  /** Consumed so recently that the caller may simply not have heard the answer. */
  isConsumedJustNow: boolean
}

export interface NewArtifact {
  /** Under every sealing key, newest first: what is there already is saved again where it stands. */
  keys: Buffer[]
  model: string
  grantKeys: Buffer[] | undefined
  clientId: string | undefined
  userCodeKey: Buffer | undefined
  payload: Record<string, unknown>
  /** Seconds. */
  expiresIn: number
}

interface Row {
  key: Buffer
  model: string
  payload: Record<string, unknown>
  consumed_at: Date | null
  just_now: boolean | null
}

/** Seconds in which the immediately preceding refresh token may be presented again. */
const grace = 10

const columns = `a.key, a.model, a.payload, a.consumed_at, a.consumed_at > clock_timestamp() - interval '${grace} s' AS just_now`
const live = 'a.expires_at > clock_timestamp()'

const statements = {
  find: { name: 'artifact-find', text: `SELECT ${columns} FROM artifacts a WHERE a.key = ANY($1) AND ${live}` },
  findForUpdate: {
    name: 'artifact-find-for-update',
    text: `SELECT ${columns} FROM artifacts a WHERE a.key = ANY($1) AND ${live} FOR UPDATE`,
  },
  // The grant first, always: whoever redeems or revokes anything of one grant queues here, so nobody deadlocks.
  findWithGrant: {
    name: 'artifact-find-with-grant',
    text: `SELECT ${columns} FROM grants g JOIN artifacts a ON a.grant_key = g.key WHERE a.key = ANY($1) AND ${live} FOR UPDATE OF g, a`,
  },
  findByUserCode: {
    name: 'artifact-find-by-user-code',
    text: `SELECT ${columns} FROM artifacts a WHERE a.user_code_key = ANY($1) AND ${live} FOR UPDATE`,
  },
  // Without its grant it is not inserted: the foreign key of a grant that is nowhere fails.
  upsert: {
    name: 'artifact-upsert',
    text: `INSERT INTO artifacts (key, model, grant_key, client_id, user_code_key, payload, expires_at)
      VALUES (coalesce((SELECT a.key FROM artifacts a WHERE a.key = ANY($1)), ($1::bytea[])[1]), $2,
        coalesce((SELECT g.key FROM grants g WHERE g.key = ANY($3)), ($3::bytea[])[1]),
        $4, $5, $6, clock_timestamp() + make_interval(secs => $7))
      ON CONFLICT (key) DO UPDATE SET payload = excluded.payload, grant_key = excluded.grant_key, expires_at = excluded.expires_at`,
  },
  consume: {
    name: 'artifact-consume',
    text: `UPDATE artifacts SET consumed_at = clock_timestamp() WHERE key = ANY($1) AND consumed_at IS NULL RETURNING 1`,
  },
  consumeAgain: {
    name: 'artifact-consume-again',
    text: `UPDATE artifacts SET consumed_at = consumed_at WHERE key = ANY($1) AND consumed_at > clock_timestamp() - interval '${grace} s' RETURNING 1`,
  },
  isConsumed: {
    name: 'artifact-is-consumed',
    text: 'SELECT 1 FROM artifacts WHERE key = ANY($1) AND consumed_at IS NOT NULL',
  },
  remove: { name: 'artifact-remove', text: 'DELETE FROM artifacts WHERE key = ANY($1)' },
  removeOfGrant: {
    name: 'artifact-remove-of-grant',
    text: 'DELETE FROM artifacts WHERE grant_key = ANY($1) AND model = $2',
  },
}

const toArtifact = (row: Row): Artifact => ({
  model: row.model,
  payload: row.payload,
  isConsumed: row.consumed_at !== null,
  isConsumedJustNow: row.just_now === true,
})

export type ArtifactStore = ReturnType<typeof createArtifactStore>

export function createArtifactStore({ database }: { database: Database }) {
  const lookup = createKeyedLookup<Row>({
    fetch: (keys) => database.query<Row>(statements.find, [keys]),
    keyOf: (row) => row.key,
  })
  const one = async (statement: (typeof statements)[keyof typeof statements], keys: Buffer[]) => {
    const [row] = await database.query<Row>(statement, [keys])
    return row && toArtifact(row)
  }
  const did = async (statement: (typeof statements)[keyof typeof statements], keys: Buffer[]) =>
    (await database.query(statement, [keys])).length > 0

  return {
    find: async (keys: Buffer[]): Promise<Artifact | undefined> => {
      if (database.isInTransaction()) return one(statements.find, keys)
      const row = await lookup(keys)
      return row && toArtifact(row)
    },
    /** Locks the row until the transaction ends. */
    findForUpdate: (keys: Buffer[]) => one(statements.findForUpdate, keys),
    /** Locks its grant, then the row. */
    findWithGrant: (keys: Buffer[]) => one(statements.findWithGrant, keys),
    findByUserCode: (keys: Buffer[]) => one(statements.findByUserCode, keys),
    upsert: async (artifact: NewArtifact): Promise<void> => {
      const { keys, model, grantKeys, clientId, userCodeKey, payload, expiresIn } = artifact
      await database.query(statements.upsert, [keys, model, grantKeys, clientId, userCodeKey, payload, expiresIn])
    },
    /** True for exactly one caller. */
    consume: (keys: Buffer[]) => did(statements.consume, keys),
    /** True while the grace after the first time lasts. */
    consumeAgain: (keys: Buffer[]) => did(statements.consumeAgain, keys),
    isConsumed: (keys: Buffer[]) => did(statements.isConsumed, keys),
    remove: async (keys: Buffer[]): Promise<void> => {
      await database.query(statements.remove, [keys])
    },
    removeOfGrant: async (grantKeys: Buffer[], model: string): Promise<void> => {
      await database.query(statements.removeOfGrant, [grantKeys, model])
    },
  }
}
