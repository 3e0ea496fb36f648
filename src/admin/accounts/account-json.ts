// Shows an account in the claims of OpenID Connect, and a session as its owner sees it.
import type { z } from 'zod'
import type { Account } from '../../accounts/account-store.ts'
import type { FactorSummary } from '../../accounts/factors/factor-store.ts'
import type { ListedSession } from '../../oidc/storage/session-store.ts'
import type * as schemas from './account-schemas.ts'

export const accountJson = (account: Account, locked: boolean): z.output<typeof schemas.account> => ({
  sub: account.sub,
  email: account.email,
  email_verified: account.isEmailVerified,
  username: account.username ?? null,
  name: account.name ?? null,
  profile: account.profile,
  locale: account.locale ?? null,
  roles: account.roles,
  has_password: account.hasPassword,
  locked,
  disabled_at: account.disabledAt?.toISOString() ?? null,
  delete_after: account.deleteAfter?.toISOString() ?? null,
  created_at: account.createdAt.toISOString(),
  updated_at: account.updatedAt.toISOString(),
})

export const factorsJson = (factors: FactorSummary): z.output<typeof schemas.factors> => ({
  totp: factors.hasTotp,
  passkeys: factors.passkeys,
  recovery_codes: factors.recoveryCodesLeft,
  email_codes: factors.hasEmailCode,
})

export const sessionJson = (session: ListedSession): z.output<typeof schemas.session> => ({
  uid: session.uid,
  address: session.address,
  user_agent: session.userAgent,
  created_at: session.createdAt.toISOString(),
  last_seen_at: session.lastSeenAt.toISOString(),
  expires_at: session.expiresAt.toISOString(),
})
