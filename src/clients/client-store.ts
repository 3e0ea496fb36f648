// Stores client applications, the digests of their secrets, and the APIs and scopes that each was granted.
import type { Database } from '../database/database.ts'

export const clientKinds = ['web', 'spa', 'native', 'machine'] as const
export type ClientKind = (typeof clientKinds)[number]

export interface ClientSecret {
  id: string
  digest: Buffer
  createdAt: Date
  expiresAt: Date | undefined
}

export interface Client {
  clientId: string
  kind: ClientKind
  name: string
  /** Belongs to the operator: people are not asked for consent. */
  isFirstParty: boolean
  requiresPkce: boolean
  /** Its own rule for second factors (config/second-factor-rule.ts); without one the deployment's counts. */
  secondFactor: string | undefined
  isDynamicallyRegistered: boolean
  isBuiltIn: boolean
  disabledAt: Date | undefined
  /** Client metadata by the names of RFC 7591, without identity and secret. */
  metadata: ClientMetadata
  /** Granted scopes by audience. */
  apis: Record<string, string[]>
  /** Live ones, newest first. */
  secrets: ClientSecret[]
  version: number
  createdAt: Date
  updatedAt: Date
}

export interface ClientMetadata {
  redirect_uris?: string[]
  post_logout_redirect_uris?: string[]
  grant_types?: string[]
  response_types?: string[]
  token_endpoint_auth_method?: string
  application_type?: string
  [name: string]: unknown
}

export type NewClient = Pick<Client, 'clientId' | 'kind' | 'name' | 'metadata'> &
  Partial<
    Pick<Client, 'isFirstParty' | 'requiresPkce' | 'secondFactor' | 'isDynamicallyRegistered' | 'isBuiltIn' | 'apis'>
  >
export type ClientChanges = Partial<Pick<Client, 'name' | 'metadata' | 'isFirstParty' | 'requiresPkce' | 'apis'>> & {
  /** Null: as the deployment has it. */
  secondFactor?: string | null | undefined
}

interface Row {
  client_id: string
  kind: ClientKind
  name: string
  first_party: boolean
  pkce_required: boolean
  second_factor: string | null
  dynamically_registered: boolean
  built_in: boolean
  disabled_at: Date | null
  metadata: ClientMetadata
  version: number
  created_at: Date
  updated_at: Date
  apis: { audience: string; scopes: string[] }[]
  secrets: { id: string; digest: string; created_at: string; expires_at: string | null }[]
}

const select = `
  SELECT c.*,
    coalesce((SELECT json_agg(json_build_object('audience', a.audience, 'scopes', coalesce(
        (SELECT json_agg(s.scope ORDER BY s.scope) FROM client_scopes s WHERE s.client_id = a.client_id AND s.audience = a.audience), '[]')) ORDER BY a.audience)
      FROM client_apis a WHERE a.client_id = c.client_id), '[]') AS apis,
    coalesce((SELECT json_agg(json_build_object('id', s.id, 'digest', encode(s.secret_digest, 'hex'), 'created_at', s.created_at, 'expires_at', s.expires_at) ORDER BY s.created_at DESC)
      FROM client_secrets s WHERE s.client_id = c.client_id AND (s.expires_at IS NULL OR s.expires_at > clock_timestamp())), '[]') AS secrets
  FROM clients c`

const findStatement = { name: 'client-find', text: `${select} WHERE c.client_id = $1` }

const toClient = (row: Row): Client => ({
  clientId: row.client_id,
  kind: row.kind,
  name: row.name,
  isFirstParty: row.first_party,
  requiresPkce: row.pkce_required,
  secondFactor: row.second_factor ?? undefined,
  isDynamicallyRegistered: row.dynamically_registered,
  isBuiltIn: row.built_in,
  disabledAt: row.disabled_at ?? undefined,
  metadata: row.metadata,
  apis: Object.fromEntries(row.apis.map(({ audience, scopes }) => [audience, scopes])),
  secrets: row.secrets.map((secret) => ({
    id: secret.id,
    digest: Buffer.from(secret.digest, 'hex'),
    createdAt: new Date(secret.created_at),
    expiresAt: secret.expires_at ? new Date(secret.expires_at) : undefined,
  })),
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

export type ClientStore = ReturnType<typeof createClientStore>

export function createClientStore({ database }: { database: Database }) {
  return {
    find: (clientId: string) => find(database, clientId),

    /** At most `limit` clients whose id sorts after `after`. */
    list: async ({ after = '', limit }: { after?: string | undefined; limit: number }): Promise<Client[]> => {
      const rows = await database.query<Row>(`${select} WHERE c.client_id > $1 ORDER BY c.client_id LIMIT $2`, [
        after,
        limit,
      ])
      return rows.map(toClient)
    },

    insert: (client: NewClient): Promise<void> => database.transaction(() => insert(database, client)),

    /** Undefined when there is no such client, or when it is no longer at `version`. */
    update: (clientId: string, changes: ClientChanges, version?: number): Promise<Client | undefined> =>
      database.transaction(() => update(database, clientId, changes, version)),

    /** Locks the row, so that a token that is being issued is either seen by what follows or refused. Never one of the server's own. */
    setDisabled: async (clientId: string, isDisabled: boolean): Promise<boolean> => {
      await database.query('SELECT 1 FROM clients WHERE client_id = $1 FOR UPDATE', [clientId])
      const rows = await database.query(
        `UPDATE clients SET disabled_at = CASE WHEN $2 THEN coalesce(disabled_at, now()) END, version = version + 1, updated_at = now()
         WHERE client_id = $1 AND NOT built_in RETURNING client_id`,
        [clientId, isDisabled],
      )
      return rows.length > 0
    },

    /** Its grants, tokens, consents and secrets go with it. */
    remove: async (clientId: string): Promise<boolean> => {
      const rows = await database.query(
        'DELETE FROM clients WHERE client_id = $1 AND NOT built_in RETURNING client_id',
        [clientId],
      )
      return rows.length > 0
    },

    insertSecret: async (clientId: string, digest: Buffer): Promise<void> => {
      await database.query('INSERT INTO client_secrets (client_id, secret_digest) VALUES ($1, $2)', [clientId, digest])
    },

    /** Every secret that lives now ends in so many seconds. */
    expireSecrets: async (clientId: string, seconds: number): Promise<void> => {
      await database.query(
        `UPDATE client_secrets SET expires_at = least(expires_at, clock_timestamp() + make_interval(secs => $2)) WHERE client_id = $1`,
        [clientId, seconds],
      )
    },
  }
}

async function find(database: Database, clientId: string): Promise<Client | undefined> {
  const [row] = await database.query<Row>(findStatement, [clientId])
  return row && toClient(row)
}

async function insert(database: Database, client: NewClient): Promise<void> {
  await database.query(
    `INSERT INTO clients (client_id, kind, name, first_party, pkce_required, dynamically_registered, built_in, metadata, second_factor)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      client.clientId,
      client.kind,
      client.name,
      client.isFirstParty ?? false,
      client.requiresPkce ?? true,
      client.isDynamicallyRegistered ?? false,
      client.isBuiltIn ?? false,
      client.metadata,
      client.secondFactor,
    ],
  )
  await saveApis(database, client.clientId, client.apis ?? {})
}

async function update(
  database: Database,
  clientId: string,
  changes: ClientChanges,
  version?: number,
): Promise<Client | undefined> {
  const rows = await database.query(
    `UPDATE clients SET name = coalesce($2, name), metadata = coalesce($3, metadata), first_party = coalesce($4, first_party),
       pkce_required = coalesce($5, pkce_required), second_factor = CASE WHEN $7 THEN $8 ELSE second_factor END, version = version + 1, updated_at = now()
     WHERE client_id = $1 AND ($6::int IS NULL OR version = $6) RETURNING client_id`,
    [
      clientId,
      changes.name,
      changes.metadata,
      changes.isFirstParty,
      changes.requiresPkce,
      version,
      changes.secondFactor !== undefined,
      changes.secondFactor,
    ],
  )
  if (rows.length === 0) return undefined
  if (changes.apis) await saveApis(database, clientId, changes.apis)
  return find(database, clientId)
}

async function saveApis(database: Database, clientId: string, apis: Record<string, string[]>): Promise<void> {
  const granted = Object.entries(apis).flatMap(([audience, scopes]) => scopes.map((scope) => ({ audience, scope })))
  await database.query('DELETE FROM client_apis WHERE client_id = $1', [clientId])
  await database.query('INSERT INTO client_apis (client_id, audience) SELECT $1, unnest($2::text[])', [
    clientId,
    Object.keys(apis),
  ])
  await database.query(
    'INSERT INTO client_scopes (client_id, audience, scope) SELECT $1, * FROM unnest($2::text[], $3::text[])',
    [clientId, granted.map((entry) => entry.audience), granted.map((entry) => entry.scope)],
  )
}
