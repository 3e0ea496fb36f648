// An authenticator app beside an account: enrolled as a person would, with codes that are still good afterwards.
import { generate } from 'otplib'
import type { Account } from '../../src/accounts/account-store.ts'
import type { TestServer } from './test-server.ts'

export const codeOf = (secret: string, seconds = Date.now() / 1000): Promise<string> =>
  generate({ secret, epoch: Math.floor(seconds) })

/** Answers the secret. */
export async function enrolApp(
  { server }: Pick<TestServer, 'server'>,
  account: Pick<Account, 'sub' | 'email'>,
): Promise<string> {
  const { totp } = server.node.factors
  const { secret, enrolment } = await totp.begin(account)
  const enrolled = await totp.confirm(account.sub, enrolment, await codeOf(secret))
  if (!enrolled.ok) throw new Error(enrolled.reason)
  // Otherwise the code of now would be used up.
  await server.stores.database.query('UPDATE totp_authenticators SET last_step = 0 WHERE sub = $1', [account.sub])
  return secret
}
