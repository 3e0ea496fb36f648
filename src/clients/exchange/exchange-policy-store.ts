// Stores which client may exchange what tokens for which API (RFC 8693); what no policy allows is refused.
import type { Database } from '../../database/database.ts'

export const exchangeModes = ['delegation', 'impersonation'] as const
export type ExchangeMode = (typeof exchangeModes)[number]

/** What comes out: a token for the API, or one that goes along with a single transaction (draft-ietf-oauth-transaction-tokens). */
export const issuedTypes = ['access_token', 'txn_token'] as const
export type IssuedType = (typeof issuedTypes)[number]

/** Tokens for an API, tokens that were issued to a client, or the JWTs of a trusted issuer. */
export type ExchangeSubjectRule =
  | { kind: 'audience'; value: string }
  | { kind: 'client'; value: string }
  | { kind: 'issuer'; value: string }

export interface ExchangePolicy {
  id: string
  /** Who may exchange. */
  clientId: string
  subject: ExchangeSubjectRule
  /** The API that the new token is for; of a transaction token, the trust domain. */
  audience: string
  tokenType: IssuedType
  /** At most these. */
  scopes: string[]
  /** Seconds that the new token lives, at most. */
  maxTtl: number
  /** Delegation names the acting party in the new token; impersonation does not. */
  mode: ExchangeMode
  /** How many acting parties the new token may name, one inside the other. */
  maxDepth: number
  createdAt: Date
}

export type NewExchangePolicy = Omit<ExchangePolicy, 'id' | 'createdAt'>

interface Row {
  id: string
  client_id: string
  subject_audience: string | null
  subject_client_id: string | null
  subject_issuer: string | null
  audience: string
  token_type: IssuedType
  scopes: string[]
  max_ttl: number
  mode: ExchangeMode
  max_depth: number
  created_at: Date
}

const toPolicy = (row: Row): ExchangePolicy => ({
  id: row.id,
  clientId: row.client_id,
  subject: subjectOf(row),
  audience: row.audience,
  tokenType: row.token_type,
  scopes: row.scopes,
  maxTtl: row.max_ttl,
  mode: row.mode,
  maxDepth: row.max_depth,
  createdAt: row.created_at,
})

function subjectOf(row: Row): ExchangeSubjectRule {
  if (row.subject_audience !== null) return { kind: 'audience', value: row.subject_audience }
  if (row.subject_client_id !== null) return { kind: 'client', value: row.subject_client_id }
  return { kind: 'issuer', value: row.subject_issuer ?? '' }
}

export type ExchangePolicyStore = ReturnType<typeof createExchangePolicyStore>

export function createExchangePolicyStore({ database }: { database: Database }) {
  return {
    find: async (id: string): Promise<ExchangePolicy | undefined> => {
      const [row] = await database.query<Row>('SELECT * FROM token_exchange_policies WHERE id::text = $1', [id])
      return row && toPolicy(row)
    },

    /** At most `limit` policies whose id sorts after `after`. */
    list: async ({ after = '', limit }: { after?: string | undefined; limit: number }): Promise<ExchangePolicy[]> => {
      const rows = await database.query<Row>(
        'SELECT * FROM token_exchange_policies WHERE id::text > $1 ORDER BY id::text LIMIT $2',
        [after, limit],
      )
      return rows.map(toPolicy)
    },

    /** Undefined when there is one already for this client, subject and API. */
    insert: async (policy: NewExchangePolicy): Promise<ExchangePolicy | undefined> => {
      const { kind, value } = policy.subject
      const when = (wanted: ExchangeSubjectRule['kind']) => (kind === wanted ? value : null)
      const [row] = await database.query<Row>(
        `INSERT INTO token_exchange_policies
           (client_id, subject_audience, subject_client_id, subject_issuer, audience, token_type, scopes, max_ttl, mode, max_depth)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING *`,
        [
          policy.clientId,
          when('audience'),
          when('client'),
          when('issuer'),
          policy.audience,
          policy.tokenType,
          policy.scopes,
          policy.maxTtl,
          policy.mode,
          policy.maxDepth,
        ],
      )
      return row && toPolicy(row)
    },

    remove: async (id: string): Promise<boolean> => {
      const rows = await database.query('DELETE FROM token_exchange_policies WHERE id::text = $1 RETURNING 1', [id])
      return rows.length > 0
    },
  }
}
