// Decides whether a finished sign-in that waits to become a session may still become one.
import type { AdapterPayload } from 'oidc-provider'
import type { SecurityVersionStore } from '../../accounts/security-version-store.ts'

export interface SignInCheckParts {
  securityVersions: Pick<SecurityVersionStore, 'isCurrent'>
}

/**
 * A sign-in that was finished before the credentials changed, or before everything was signed out, is over. The account stays
 * locked until its session is stored, so that whoever ends sessions either sees this one or stops it. In the order of
 * access-revocation.ts: the session (the engine has loaded it by now), the account, the grant.
 */
export function createSignInCheck({ securityVersions }: SignInCheckParts) {
  return async ({ result }: AdapterPayload): Promise<boolean> => {
    const { login } = result ?? {}
    // Results of an earlier release have no version.
    if (login?.securityVersion === undefined) return false
    if (!Number.isSafeInteger(login.securityVersion)) return true
    return !(await securityVersions.isCurrent(login.accountId, Number(login.securityVersion)))
  }
}
