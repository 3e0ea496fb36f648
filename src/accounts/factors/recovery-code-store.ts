// Stores the digests of recovery codes, sealed, and strikes each off once.
import type { Database } from '../../database/database.ts'

export interface SealedCode {
  id: string
  sub: string
  sealedDigest: string
}

interface Row {
  id: string
  sub: string
  sealed_digest: string
}

const listUnusedStatement = {
  name: 'recovery-code-list',
  text: 'SELECT id, sub, sealed_digest FROM recovery_codes WHERE sub = $1 AND used_at IS NULL',
}

// One statement that succeeds once, whoever else presents the code at the same moment.
const useStatement = {
  name: 'recovery-code-use',
  text: 'UPDATE recovery_codes SET used_at = clock_timestamp() WHERE id = $1 AND used_at IS NULL RETURNING 1',
}

const toCode = (row: Row): SealedCode => ({ id: row.id, sub: row.sub, sealedDigest: row.sealed_digest })

export function createRecoveryCodeStore({ database }: { database: Database }) {
  return {
    /** All or nothing: whoever replaces them at the same moment comes before or after, and leaves one set. */
    replaceAll: (sub: string, sealedDigests: readonly string[], sealingKey: string): Promise<void> =>
      database.transaction(async () => {
        await database.query('SELECT 1 FROM accounts WHERE sub = $1 FOR NO KEY UPDATE', [sub])
        await database.query('DELETE FROM recovery_codes WHERE sub = $1', [sub])
        await database.query(
          `INSERT INTO recovery_codes (sub, sealed_digest, sealing_key)
           SELECT $1, sealed_digest, $3 FROM unnest($2::text[]) AS made (sealed_digest)`,
          [sub, sealedDigests, sealingKey],
        )
      }),

    listUnused: async (sub: string): Promise<SealedCode[]> =>
      (await database.query<Row>(listUnusedStatement, [sub])).map(toCode),

    use: async (id: string): Promise<boolean> => (await database.query(useStatement, [id])).length > 0,

    /** At most `limit`, those that were made after `after`. */
    listSealedUnder: async (sealingKeys: readonly string[], after: string, limit: number): Promise<SealedCode[]> => {
      const rows = await database.query<Row>(
        `SELECT id, sub, sealed_digest FROM recovery_codes
         WHERE sealing_key = ANY($1) AND id > $2 ORDER BY id LIMIT $3`,
        [sealingKeys, after, limit],
      )
      return rows.map(toCode)
    },

    reseal: async ({ id }: SealedCode, resealed: string, sealingKey: string): Promise<void> => {
      await database.query('UPDATE recovery_codes SET sealed_digest = $2, sealing_key = $3 WHERE id = $1', [
        id,
        resealed,
        sealingKey,
      ])
    },
  }
}
