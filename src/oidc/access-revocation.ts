// Ends access: a session or all of them, an account, a client, a consent; each takes grants, sessions and stored tokens along.
import type { AccountStore } from '../accounts/account-store.ts'
import type { SecurityVersionStore } from '../accounts/security-version-store.ts'
import type { ClientStore } from '../clients/client-store.ts'
import type { Database } from '../database/database.ts'
import type { ConsentStore } from './storage/consent-store.ts'
import type { GrantStore } from './storage/grant-store.ts'
import type { SessionStore } from './storage/session-store.ts'

export interface AccessRevocationParts {
  database: Database
  accounts: AccountStore
  securityVersions: SecurityVersionStore
  clients: ClientStore
  grants: GrantStore
  sessions: SessionStore
  consents: ConsentStore
  /** Drops this node's copy at once; the others hear of it from the database. */
  forgetClient(clientId: string): void
}

export type AccessRevocation = ReturnType<typeof createAccessRevocation>

/**
 * Each in one transaction. JWTs that are out live out their lifetime. Locks are taken as the engine takes them: session, account,
 * grant. Inside a transaction of your own, call these before anything else locks the account.
 */
export function createAccessRevocation(parts: AccessRevocationParts) {
  const { database, accounts, clients, grants, sessions, consents, securityVersions } = parts
  const changeClient = (clientId: string, change: () => Promise<boolean>) =>
    database.transaction(async () => {
      database.afterCommit(() => parts.forgetClient(clientId))
      return change()
    })
  // Sessions first, as the engine takes its locks: session, account, grant.
  const endAccess = async (sub: string) => {
    await sessions.removeOfAccount(sub)
    await grants.removeOfAccount(sub)
  }

  return {
    /** False when there is no such account. */
    disableAccount: (sub: string): Promise<boolean> =>
      database.transaction(async () => {
        await sessions.removeOfAccount(sub)
        if (!(await accounts.setDisabled(sub, true))) return false
        await endAccess(sub)
        return true
      }),
    enableAccount: (sub: string): Promise<boolean> => database.transaction(() => accounts.setDisabled(sub, false)),
    /** And what was granted in it, except for offline use. False when this account has no such session. */
    endSession: (sub: string, uid: string): Promise<boolean> =>
      database.transaction(async () => {
        if (!(await sessions.removeOne(sub, uid))) return false
        await grants.removeOfSessions([uid])
        return true
      }),
    /** All but `keepUid`, and what was granted in them, except for offline use. Half-finished sign-ins are over everywhere. */
    endOtherSessions: (sub: string, keepUid: string): Promise<void> =>
      database.transaction(async () => {
        const before = await sessions.removeOthers(sub, keepUid)
        await securityVersions.raise(sub)
        // Those of the sign-ins that it has waited for.
        const since = await sessions.removeOthers(sub, keepUid)
        await grants.removeOfSessions([...before, ...since])
      }),
    /** All sessions, and all that was ever granted, refresh tokens for offline use included. */
    endEverything: (sub: string): Promise<void> =>
      database.transaction(async () => {
        await sessions.removeOfAccount(sub)
        await securityVersions.raise(sub)
        await endAccess(sub)
      }),
    deleteAccount: (sub: string): Promise<boolean> =>
      database.transaction(async () => {
        await endAccess(sub)
        return accounts.remove(sub)
      }),
    disableClient: (clientId: string): Promise<boolean> =>
      changeClient(clientId, async () => {
        if (!(await clients.setDisabled(clientId, true))) return false
        await grants.removeOfClient(clientId)
        return true
      }),
    enableClient: (clientId: string): Promise<boolean> =>
      changeClient(clientId, () => clients.setDisabled(clientId, false)),
    /** False when there is no such client, or when it belongs to the server itself. */
    deleteClient: (clientId: string): Promise<boolean> =>
      changeClient(clientId, async () => {
        if ((await clients.find(clientId))?.isBuiltIn) return false
        await grants.removeOfClient(clientId)
        return clients.remove(clientId)
      }),
    withdrawConsent: (sub: string, clientId: string): Promise<void> =>
      database.transaction(async () => {
        await grants.removeOfAccountAndClient(sub, clientId)
        await consents.remove(sub, clientId)
      }),
  }
}
