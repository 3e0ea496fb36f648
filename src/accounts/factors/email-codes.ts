// Codes of six digits that go out by mail: a weak second factor, and what is typed when a sign-in link is opened elsewhere.
import { randomInt } from 'node:crypto'
import type { Database } from '../../database/database.ts'
import type { Sealing } from '../../sealing.ts'
import { createEmailCodeStore } from './email-code-store.ts'
import { sixDigits } from './six-digits.ts'

export type EmailCodePurpose = 'second-factor' | 'sign-in-link' | 'sign-up'

export interface EmailCodeScope {
  purpose: EmailCodePurpose
  /** Where it may be used: the uid of the interaction that asked for it. */
  scope: string
}

export interface EmailCodeRequest extends EmailCodeScope {
  /** Undefined where the account is yet to be made. */
  sub?: string | undefined
  /** Of the account: the code dies when a credential changes. */
  securityVersion?: number | undefined
  seconds: number
}

interface Parts {
  database: Database
  sealing: Pick<Sealing, 'digests'>
}

export type EmailCodes = ReturnType<typeof createEmailCodes>

export function createEmailCodes({ database, sealing }: Parts) {
  const store = createEmailCodeStore({ database })
  const keysOf = ({ purpose, scope }: EmailCodeScope) => sealing.digests(JSON.stringify(['email code', purpose, scope]))
  // Keyed, like everything that is looked up: a million codes would soon be tried out.
  const digestsOf = ({ purpose, scope }: EmailCodeScope, code: string) =>
    sealing.digests(JSON.stringify(['email code', purpose, scope, code])).map((digest) => digest.toString('base64url'))

  return {
    /** The code, which is nowhere kept. It takes the place of an earlier one of the same scope. */
    create: async ({ sub, securityVersion, seconds, ...scope }: EmailCodeRequest): Promise<string> => {
      const code = String(randomInt(1_000_000)).padStart(6, '0')
      const [codeDigest = ''] = digestsOf(scope, code)
      const purpose = storedPurpose(scope)
      await store.put({ keys: keysOf(scope), purpose, sub, securityVersion, codeDigest, seconds })
      return code
    },

    /** Once, and at most five tries for each code. */
    use: async ({
      code,
      ...scope
    }: EmailCodeScope & { code: string }): Promise<{ sub: string | undefined } | undefined> => {
      const digits = sixDigits(code)
      if (digits === undefined) return undefined
      const codeDigests = digestsOf(scope, digits)
      return store.tryOnce({ keys: keysOf(scope), purpose: storedPurpose(scope), codeDigests })
    },
  }
}

const storedPurpose = ({ purpose }: EmailCodeScope) => `email-code:${purpose}`
