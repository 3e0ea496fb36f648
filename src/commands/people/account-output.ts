// Shows an account in the claims of OpenID Connect, for people, and as a line of an import file.
import type { Account } from '../../accounts/account-store.ts'
import type { FactorSummary } from '../../accounts/factors/factor-store.ts'
import { totpPurpose } from '../../accounts/factors/totp.ts'
import type { HashSchemes } from '../../accounts/password/imported/hash-schemes.ts'
import type { AccountLock } from '../../accounts/sign-in/sign-in-throttle-store.ts'
import type { TransferredAccount } from '../../accounts/transfer/account-transfer-store.ts'
import type { Sealing } from '../../sealing.ts'
import { lines } from '../terminal.ts'

export const accountState = (account: Account): string => (account.disabledAt ? 'disabled' : 'active')

/** What is looked up where one account is shown. */
export interface Seen {
  /** What keeps strangers out of it. */
  locks: readonly AccountLock[]
  factors: FactorSummary
  /** How many browsers it knows. */
  devices: number
}

export const accountJson = (account: Account, seen?: Seen) => ({
  sub: account.sub,
  email: account.email,
  email_verified: account.isEmailVerified,
  username: account.username,
  name: account.name,
  profile: account.profile,
  locale: account.locale,
  roles: account.roles,
  has_password: account.hasPassword,
  disabled: account.disabledAt !== undefined,
  delete_after: account.deleteAfter?.toISOString(),
  locks: seen?.locks.map(({ kind, until }) => ({ kind, until: until?.toISOString() ?? null })),
  factors: seen && factorsJson(seen.factors),
  devices: seen?.devices,
  created_at: account.createdAt.toISOString(),
  updated_at: account.updatedAt.toISOString(),
})

export const factorsJson = ({ hasTotp, passkeys, recoveryCodesLeft, hasEmailCode }: FactorSummary) => ({
  totp: hasTotp,
  passkeys,
  recovery_codes: recoveryCodesLeft,
  email_codes: hasEmailCode,
})

export function factorsText({ hasTotp, passkeys, recoveryCodesLeft, hasEmailCode }: FactorSummary): string {
  const counted = (count: number, one: string) => (count === 0 ? [] : [count === 1 ? `one ${one}` : `${count} ${one}s`])
  const had = [
    ...(hasTotp ? ['authenticator app'] : []),
    ...counted(passkeys, 'passkey'),
    ...(hasEmailCode ? ['codes by mail'] : []),
    ...counted(recoveryCodesLeft, 'recovery code'),
  ]
  return had.length === 0 ? 'none' : had.join(', ')
}

export const accountText = (account: Account, seen?: Seen): string =>
  lines({
    sub: account.sub,
    email: `${account.email}${account.isEmailVerified ? ' (verified)' : ''}`,
    username: account.username,
    name: account.name,
    locale: account.locale,
    roles: account.roles.join(' '),
    state: accountState(account),
    password: account.hasPassword ? 'set' : 'none',
    'second factors': seen && factorsText(seen.factors),
    'known browsers': seen?.devices,
    'deleted after': account.deleteAfter?.toISOString(),
    'locked for strangers': seen?.locks.map(
      ({ kind, until }) => `${kind}s, until ${until?.toISOString() ?? 'unlocked'}`,
    ),
    'created at': account.createdAt.toISOString(),
  })

interface ExportParts {
  schemes: Pick<HashSchemes, 'toPortable'>
  sealing: Pick<Sealing, 'open'>
}

/** What `accounts import` reads, there or here: nothing in it is sealed. */
export function exportedLine(account: TransferredAccount, { schemes, sealing }: ExportParts): string {
  const { passwordHash, totp, profile } = account
  return JSON.stringify({
    sub: account.sub,
    email: account.email,
    email_verified: account.isEmailVerified,
    username: account.username,
    name: account.name,
    profile: Object.keys(profile).length > 0 ? profile : undefined,
    locale: account.locale,
    password_hash: passwordHash && schemes.toPortable(passwordHash),
    password_changed_at: account.passwordChangedAt?.toISOString(),
    password_is_short: account.isPasswordShort || undefined,
    totp_secret: totp && sealing.open(totp.sealedSecret, totpPurpose(account.sub)),
    email_code_enabled: account.isEmailCodeEnabled || undefined,
    roles: account.roles,
    created_at: account.createdAt?.toISOString(),
    // Or a copy would let in whom this server keeps out.
    disabled: account.isDisabled || undefined,
  })
}
