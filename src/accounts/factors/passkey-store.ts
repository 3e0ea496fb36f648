// Stores passkeys: public keys only, with the counters that betray a cloned authenticator.
import type { Database } from '../../database/database.ts'

export interface Passkey {
  id: string
  /** As its owner calls it. */
  name: string
  /** Kept by a provider for several devices, or bound to one. */
  isMultiDevice: boolean
  createdAt: Date
  lastUsedAt: Date | undefined
}

export interface PasskeyCredential {
  id: string
  /** As WebAuthn has it, in base64url. */
  credentialId: string
  sub: string
  publicKey: Uint8Array<ArrayBuffer>
  signCount: number
  transports: string[]
}

export interface NewPasskey extends Omit<PasskeyCredential, 'id'> {
  name: string
  isMultiDevice: boolean
  /** What the challenge is remembered by, once it has served. */
  challengeKey: Buffer
}

export type PasskeyAdded =
  | { ok: true; passkey: Passkey }
  | { ok: false; reason: 'refused' | 'registered_already' | 'too_many' }

interface Row {
  id: string
  credential_id: string
  sub: string
  public_key: Buffer
  sign_count: string
  transports: string[]
  name: string
  multi_device: boolean
  created_at: Date
  last_used_at: Date | null
}

const toPasskey = (row: Row): Passkey => ({
  id: row.id,
  name: row.name,
  isMultiDevice: row.multi_device,
  createdAt: row.created_at,
  lastUsedAt: row.last_used_at ?? undefined,
})

const toCredential = (row: Row): PasskeyCredential => ({
  id: row.id,
  credentialId: row.credential_id,
  sub: row.sub,
  publicKey: new Uint8Array(row.public_key),
  signCount: Number(row.sign_count),
  transports: row.transports,
})

const findStatement = { name: 'passkey-find', text: 'SELECT * FROM passkeys WHERE credential_id = $1' }
const listStatement = {
  name: 'passkey-list',
  text: 'SELECT * FROM passkeys WHERE sub = $1 ORDER BY created_at, id',
}

// A challenge serves once (WebAuthn section 13.4.3), whoever kept it meanwhile.
const claim = (challengeKey: string) =>
  `INSERT INTO replays (key, expires_at) VALUES (${challengeKey}, clock_timestamp() + interval '1 day')
   ON CONFLICT (key) DO NOTHING RETURNING 1`

// The counter must rise, unless the authenticator keeps none (WebAuthn section 6.1.1): then only the challenge tells one
// answer from its copies.
const useStatement = {
  name: 'passkey-use',
  text: `
    WITH claimed AS (${claim('$3')})
    UPDATE passkeys SET sign_count = $2, last_used_at = clock_timestamp()
    WHERE credential_id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0)) AND EXISTS (SELECT 1 FROM claimed)
    RETURNING 1`,
}

const mostPasskeys = 20

export function createPasskeyStore({ database }: { database: Database }) {
  const isChanged = async (statement: string | { name: string; text: string }, values: unknown[]) =>
    (await database.query(statement, values)).length > 0

  return {
    insert: (passkey: NewPasskey): Promise<PasskeyAdded> => database.transaction(() => insert(database, passkey)),

    findCredential: async (credentialId: string): Promise<PasskeyCredential | undefined> => {
      const [row] = await database.query<Row>(findStatement, [credentialId])
      return row && toCredential(row)
    },

    listCredentials: async (sub: string): Promise<PasskeyCredential[]> =>
      (await database.query<Row>(listStatement, [sub])).map(toCredential),

    list: async (sub: string): Promise<Passkey[]> => (await database.query<Row>(listStatement, [sub])).map(toPasskey),

    /** True for exactly one answer to a challenge, and only when the counter has risen or is none. */
    use: (credentialId: string, signCount: number, challengeKey: Buffer): Promise<boolean> =>
      isChanged(useStatement, [credentialId, signCount, challengeKey]),

    rename: (sub: string, id: string, name: string): Promise<boolean> =>
      isChanged('UPDATE passkeys SET name = $3 WHERE sub = $1 AND id::text = $2 RETURNING 1', [sub, id, name]),

    remove: (sub: string, id: string): Promise<boolean> =>
      isChanged('DELETE FROM passkeys WHERE sub = $1 AND id::text = $2 RETURNING 1', [sub, id]),
  }
}

async function insert(database: Database, passkey: NewPasskey): Promise<PasskeyAdded> {
  const { credentialId, sub, publicKey, signCount, transports, name, isMultiDevice } = passkey
  // One at a time for each account, so that the count below holds.
  const [account] = await database.query('SELECT 1 FROM accounts WHERE sub = $1 FOR NO KEY UPDATE', [sub])
  if (!account) return { ok: false, reason: 'refused' }
  const [first] = await database.query(claim('$1'), [passkey.challengeKey])
  if (!first) return { ok: false, reason: 'refused' }
  const existing = await database.query<Row>(listStatement, [sub])
  if (existing.length >= mostPasskeys) return { ok: false, reason: 'too_many' }
  const [row] = await database.query<Row>(
    `INSERT INTO passkeys (credential_id, sub, public_key, sign_count, transports, name, multi_device)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (credential_id) DO NOTHING RETURNING *`,
    [credentialId, sub, Buffer.from(publicKey), signCount, transports, name, isMultiDevice],
  )
  return row ? { ok: true, passkey: toPasskey(row) } : { ok: false, reason: 'registered_already' }
}
