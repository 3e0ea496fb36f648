// Stores codes that went out by mail, in the table of one-time links: one for each purpose and scope, five tries each.
import type { Database } from '../../database/database.ts'

export interface NewEmailCode {
  /** Digests of purpose and scope, newest key first. */
  keys: readonly Buffer[]
  purpose: string
  sub: string | undefined
  securityVersion: number | undefined
  codeDigest: string
  seconds: number
}

export interface EmailCodeTry {
  keys: readonly Buffer[]
  purpose: string
  /** Under every sealing key. */
  codeDigests: readonly string[]
}

// A new code takes the place of the earlier one, also of one that was made under an older sealing key.
const putStatement = {
  name: 'email-code-put',
  text: `
    WITH earlier AS (DELETE FROM one_time_links WHERE key = ANY($1) AND key <> $2)
    INSERT INTO one_time_links (key, purpose, sub, security_version, details, expires_at)
    VALUES ($2, $3, $4, $5, jsonb_build_object('code', $6::text, 'tries', 0), clock_timestamp() + make_interval(secs => $7))
    ON CONFLICT (key) DO UPDATE SET sub = excluded.sub, security_version = excluded.security_version,
      details = excluded.details, expires_at = excluded.expires_at`,
}

// Counts the try, looks at the code and ends its life, all in one: no number of parallel guesses gets more than five
// looks, and no two get in. Against the account as it is now: a code dies when a credential changes.
const tryStatement = {
  name: 'email-code-try',
  text: `
    UPDATE one_time_links AS kept SET
      details = kept.details || jsonb_build_object('tries', (kept.details->>'tries')::int + 1),
      expires_at = CASE WHEN kept.details->>'code' = ANY($3) THEN '-infinity' ELSE kept.expires_at END
    WHERE kept.key = ANY($1) AND kept.purpose = $2 AND kept.expires_at > clock_timestamp()
      AND (kept.details->>'tries')::int < 5
      AND (kept.sub IS NULL OR kept.security_version = (SELECT security_version FROM accounts WHERE sub = kept.sub))
    RETURNING kept.sub, kept.details->>'code' = ANY($3) AS is_right`,
}

export function createEmailCodeStore({ database }: { database: Database }) {
  return {
    put: async ({ keys, purpose, sub, securityVersion, codeDigest, seconds }: NewEmailCode): Promise<void> => {
      await database.query(putStatement, [keys, keys[0], purpose, sub, securityVersion, codeDigest, seconds])
    },

    /** Whose code it was, once, when it is right. The count stays whatever becomes of the request. */
    tryOnce: ({ keys, purpose, codeDigests }: EmailCodeTry): Promise<{ sub: string | undefined } | undefined> =>
      database.independently(async () => {
        const rows = await database.query<{ sub: string | null; is_right: boolean }>(tryStatement, [
          keys,
          purpose,
          codeDigests,
        ])
        const right = rows.find((row) => row.is_right)
        return right && { sub: right.sub ?? undefined }
      }),
  }
}
