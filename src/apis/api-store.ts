// Stores APIs (resource servers, RFC 8707): their audience, scopes, token format and lifetime.
import type { Database } from '../database/database.ts'
import type { TokenClaims } from './token-claims.ts'
import type { ApiEncryption } from './token-encryption.ts'

export const signingAlgorithms = ['ES256', 'RS256', 'PS256', 'EdDSA'] as const
export type SigningAlgorithm = (typeof signingAlgorithms)[number]
export type TokenFormat = 'jwt' | 'opaque'

export interface ApiScope {
  scope: string
  description: string
}

export interface Api {
  audience: string
  name: string
  tokenFormat: TokenFormat
  /** Lifetime of its access tokens in seconds. */
  tokenTtl: number
  signingAlg: SigningAlgorithm
  scopes: ApiScope[]
  /** Clients that may introspect every token for this API. */
  introspectionClients: string[]
  /** What its tokens tell about an account. */
  tokenClaims: TokenClaims
  /** Where the key is to which its access tokens are encrypted; undefined: they are signed only. */
  encryption: ApiEncryption | undefined
  /** The server's own API; it cannot be removed. */
  isBuiltIn: boolean
  version: number
  createdAt: Date
  updatedAt: Date
}

export type NewApi = Pick<Api, 'audience' | 'name' | 'scopes'> &
  Partial<
    Pick<
      Api,
      'tokenFormat' | 'tokenTtl' | 'signingAlg' | 'isBuiltIn' | 'introspectionClients' | 'tokenClaims' | 'encryption'
    >
  >
export type ApiChanges = Partial<
  Pick<Api, 'name' | 'scopes' | 'tokenFormat' | 'tokenTtl' | 'signingAlg' | 'introspectionClients' | 'tokenClaims'>
> & {
  /** Null: signed only. */
  encryption?: ApiEncryption | null | undefined
}

interface Row {
  audience: string
  name: string
  token_format: TokenFormat
  token_ttl: number
  signing_alg: SigningAlgorithm
  built_in: boolean
  token_claims: TokenClaims
  encryption: ApiEncryption | null
  version: number
  created_at: Date
  updated_at: Date
  scopes: ApiScope[]
  introspection_clients: string[]
}

const select = `
  SELECT a.*,
    coalesce((SELECT json_agg(json_build_object('scope', s.scope, 'description', s.description) ORDER BY s.scope) FROM api_scopes s WHERE s.audience = a.audience), '[]') AS scopes,
    coalesce((SELECT json_agg(i.client_id ORDER BY i.client_id) FROM api_introspection_clients i WHERE i.audience = a.audience), '[]') AS introspection_clients
  FROM apis a`

const toApi = (row: Row): Api => ({
  audience: row.audience,
  name: row.name,
  tokenFormat: row.token_format,
  tokenTtl: row.token_ttl,
  signingAlg: row.signing_alg,
  scopes: row.scopes,
  introspectionClients: row.introspection_clients,
  tokenClaims: row.token_claims,
  encryption: row.encryption ?? undefined,
  isBuiltIn: row.built_in,
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

export type ApiStore = ReturnType<typeof createApiStore>

export function createApiStore({ database }: { database: Database }) {
  const find = async (audience: string): Promise<Api | undefined> => {
    const [row] = await database.query<Row>(`${select} WHERE a.audience = $1`, [audience])
    return row && toApi(row)
  }

  return {
    find,

    /** At most `limit` APIs whose audience sorts after `after`. */
    list: async ({ after = '', limit }: { after?: string | undefined; limit: number }): Promise<Api[]> => {
      const rows = await database.query<Row>(`${select} WHERE a.audience > $1 ORDER BY a.audience LIMIT $2`, [
        after,
        limit,
      ])
      return rows.map(toApi)
    },

    /** False when the audience is taken. */
    insert: (api: NewApi): Promise<boolean> =>
      database.transaction(async () => {
        const rows = await database.query(
          `INSERT INTO apis (audience, name, token_format, token_ttl, signing_alg, built_in, token_claims, encryption)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (audience) DO NOTHING RETURNING audience`,
          [
            api.audience,
            api.name,
            api.tokenFormat ?? 'jwt',
            api.tokenTtl ?? 600,
            api.signingAlg ?? 'ES256',
            api.isBuiltIn ?? false,
            api.tokenClaims ?? {},
            api.encryption,
          ],
        )
        if (rows.length === 0) return false
        await saveScopes(database, api.audience, api.scopes)
        await saveIntrospectionClients(database, api.audience, api.introspectionClients ?? [])
        return true
      }),

    /** Undefined when there is no such API, or when it is no longer at `version`. */
    update: (audience: string, changes: ApiChanges, version?: number): Promise<Api | undefined> =>
      database.transaction(async () => {
        const rows = await database.query(
          `UPDATE apis SET name = coalesce($2, name), token_format = coalesce($3, token_format), token_ttl = coalesce($4, token_ttl),
             signing_alg = coalesce($5, signing_alg), token_claims = coalesce($7, token_claims),
             encryption = CASE WHEN $8 THEN $9::jsonb ELSE encryption END, version = version + 1, updated_at = now()
           WHERE audience = $1 AND ($6::int IS NULL OR version = $6) RETURNING audience`,
          [
            audience,
            changes.name,
            changes.tokenFormat,
            changes.tokenTtl,
            changes.signingAlg,
            version,
            changes.tokenClaims,
            changes.encryption !== undefined,
            changes.encryption,
          ],
        )
        if (rows.length === 0) return undefined
        if (changes.scopes) await saveScopes(database, audience, changes.scopes)
        if (changes.introspectionClients)
          await saveIntrospectionClients(database, audience, changes.introspectionClients)
        return find(audience)
      }),

    /** Also withdraws it from every client that was granted it. */
    remove: async (audience: string): Promise<boolean> => {
      const rows = await database.query('DELETE FROM apis WHERE audience = $1 AND NOT built_in RETURNING audience', [
        audience,
      ])
      return rows.length > 0
    },

    /** Moves the server's own API to a new audience, when the issuer has changed. */
    moveBuiltIn: async (audience: string): Promise<void> => {
      await database.query('UPDATE apis SET audience = $1 WHERE built_in AND audience <> $1', [audience])
    },
  }
}

async function saveScopes(database: Database, audience: string, scopes: ApiScope[]): Promise<void> {
  const names = scopes.map((entry) => entry.scope)
  await database.query('DELETE FROM api_scopes WHERE audience = $1 AND scope <> ALL($2)', [audience, names])
  await database.query(
    `INSERT INTO api_scopes (audience, scope, description) SELECT $1, * FROM unnest($2::text[], $3::text[])
     ON CONFLICT (audience, scope) DO UPDATE SET description = excluded.description`,
    [audience, names, scopes.map((entry) => entry.description)],
  )
}

async function saveIntrospectionClients(database: Database, audience: string, clients: string[]): Promise<void> {
  await database.query('DELETE FROM api_introspection_clients WHERE audience = $1', [audience])
  await database.query('INSERT INTO api_introspection_clients (audience, client_id) SELECT $1, unnest($2::text[])', [
    audience,
    clients,
  ])
}
