// Says which second factors an account has, switches codes by mail, and takes all factors away at once.
import type { Database } from '../../database/database.ts'

export interface FactorSummary {
  hasTotp: boolean
  passkeys: number
  recoveryCodesLeft: number
  /** Codes by mail serve as a second factor. */
  hasEmailCode: boolean
}

interface Row {
  has_totp: boolean
  passkeys: number
  recovery_codes_left: number
  email_code_enabled: boolean
}

const summaryStatement = {
  name: 'factor-summary',
  text: `SELECT email_code_enabled,
      EXISTS (SELECT 1 FROM totp_authenticators WHERE sub = $1) AS has_totp,
      (SELECT count(*)::int FROM passkeys WHERE sub = $1) AS passkeys,
      (SELECT count(*)::int FROM recovery_codes WHERE sub = $1 AND used_at IS NULL) AS recovery_codes_left
    FROM accounts WHERE sub = $1`,
}

/** Recovery codes only stand in for another factor. */
export const hasSecondFactor = ({ hasTotp, passkeys, hasEmailCode }: FactorSummary): boolean =>
  hasTotp || passkeys > 0 || hasEmailCode

export const noFactors: FactorSummary = { hasTotp: false, passkeys: 0, recoveryCodesLeft: 0, hasEmailCode: false }

export type FactorStore = ReturnType<typeof createFactorStore>

export function createFactorStore({ database, canUseEmailCodes }: { database: Database; canUseEmailCodes: boolean }) {
  return {
    summary: async (sub: string): Promise<FactorSummary> => {
      const [row] = await database.query<Row>(summaryStatement, [sub])
      if (!row) return noFactors
      return {
        hasTotp: row.has_totp,
        passkeys: row.passkeys,
        recoveryCodesLeft: row.recovery_codes_left,
        hasEmailCode: canUseEmailCodes && row.email_code_enabled,
      }
    },

    /** True when that changed something. */
    setEmailCode: async (sub: string, isEnabled: boolean): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE accounts SET email_code_enabled = $2, version = version + 1, updated_at = now()
         WHERE sub = $1 AND email_code_enabled <> $2 RETURNING 1`,
        [sub, isEnabled],
      )
      return rows.length > 0
    },

    /** Also ends what was begun under them: the security version rises. */
    removeAll: (sub: string): Promise<boolean> =>
      database.transaction(async () => {
        // The account first, as whoever adds a factor locks it first: two that meet wait in one order.
        const rows = await database.query(
          `UPDATE accounts SET email_code_enabled = false, security_version = security_version + 1,
             version = version + 1, updated_at = now() WHERE sub = $1 RETURNING 1`,
          [sub],
        )
        for (const table of ['totp_authenticators', 'recovery_codes', 'passkeys'])
          await database.query(`DELETE FROM ${table} WHERE sub = $1`, [sub])
        await database.query('UPDATE devices SET remembered_until = NULL, factor_shown_at = NULL WHERE sub = $1', [sub])
        return rows.length > 0
      }),
  }
}
