// Stores the issuers outside whose JWTs are taken as subject tokens of a token exchange, with where their keys are.
import type { Database } from '../../database/database.ts'

export const subjectClaims = ['sub', 'email'] as const
export type SubjectClaim = (typeof subjectClaims)[number]

export interface TrustedIssuer {
  issuer: string
  /** What its JWTs for this server carry in `aud`. */
  audience: string
  /** Where its keys are; or `jwks`, one of both. */
  jwksUri: string | undefined
  jwks: { keys: Record<string, unknown>[] } | undefined
  /** The claim that names an account here: its `sub`, or its e-mail address, which the issuer must have verified. */
  subjectClaim: SubjectClaim
  createdAt: Date
}

export type NewTrustedIssuer = Omit<TrustedIssuer, 'createdAt'>

interface Row {
  issuer: string
  audience: string
  jwks_uri: string | null
  jwks: TrustedIssuer['jwks'] | null
  subject_claim: SubjectClaim
  created_at: Date
}

const toIssuer = (row: Row): TrustedIssuer => ({
  issuer: row.issuer,
  audience: row.audience,
  jwksUri: row.jwks_uri ?? undefined,
  jwks: row.jwks ?? undefined,
  subjectClaim: row.subject_claim,
  createdAt: row.created_at,
})

export type TrustedIssuerStore = ReturnType<typeof createTrustedIssuerStore>

export function createTrustedIssuerStore({ database }: { database: Database }) {
  return {
    find: async (issuer: string): Promise<TrustedIssuer | undefined> => {
      const [row] = await database.query<Row>('SELECT * FROM trusted_issuers WHERE issuer = $1', [issuer])
      return row && toIssuer(row)
    },

    /** At most `limit` issuers that sort after `after`. */
    list: async ({ after = '', limit }: { after?: string | undefined; limit: number }): Promise<TrustedIssuer[]> => {
      const rows = await database.query<Row>(
        'SELECT * FROM trusted_issuers WHERE issuer > $1 ORDER BY issuer LIMIT $2',
        [after, limit],
      )
      return rows.map(toIssuer)
    },

    /** Undefined when it is there already. */
    insert: async (issuer: NewTrustedIssuer): Promise<TrustedIssuer | undefined> => {
      const [row] = await database.query<Row>(
        `INSERT INTO trusted_issuers (issuer, audience, jwks_uri, jwks, subject_claim) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (issuer) DO NOTHING RETURNING *`,
        [issuer.issuer, issuer.audience, issuer.jwksUri, issuer.jwks, issuer.subjectClaim],
      )
      return row && toIssuer(row)
    },

    /** Takes the policies about its JWTs along. */
    remove: async (issuer: string): Promise<boolean> => {
      const rows = await database.query('DELETE FROM trusted_issuers WHERE issuer = $1 RETURNING 1', [issuer])
      return rows.length > 0
    },
  }
}
