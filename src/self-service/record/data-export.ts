// Gathers everything that is kept about a person, as one JSON document without secrets (GDPR articles 15 and 20).
import type { Activity, ActivityLog } from '../../accounts/activity-log.ts'
import type { Devices } from '../../accounts/devices/devices.ts'
import type { Passkeys } from '../../accounts/factors/passkeys.ts'
import type { ConnectionStore } from '../../oidc/storage/connection-store.ts'
import type { SessionStore } from '../../oidc/storage/session-store.ts'
import type { Visitor } from '../account-door.ts'
import type { EmailChangeStore } from '../profile/email-change-store.ts'

export interface DataExportParts {
  issuer: string
  passkeys: Pick<Passkeys, 'list'>
  sessions: Pick<SessionStore, 'listOfAccount'>
  devices: Pick<Devices, 'list'>
  connections: Pick<ConnectionStore, 'listConnections'>
  activity: Pick<ActivityLog, 'list'>
  emailChanges: Pick<EmailChangeStore, 'find'>
}

export type DataExport = ReturnType<typeof createDataExport>

const batch = 500

export function createDataExport(parts: DataExportParts) {
  const allActivity = async (sub: string): Promise<Activity[]> => {
    const all: Activity[] = []
    for (let before: string | undefined; ; before = all.at(-1)?.id) {
      const found = await parts.activity.list(sub, { limit: batch, ...(before ? { before } : undefined) })
      all.push(...found)
      if (found.length < batch) return all
    }
  }

  return async ({ account, factors }: Visitor): Promise<Record<string, unknown>> => {
    const { sub } = account
    const pending = await parts.emailChanges.find(sub)
    return {
      issuer: parts.issuer,
      exported_at: new Date(),
      account: accountOf(account),
      pending_email_change: pending && { new_email: pending.newEmail, expires_at: pending.expiresAt },
      second_factors: {
        authenticator_app: factors.hasTotp,
        email_codes: factors.hasEmailCode,
        recovery_codes_left: factors.recoveryCodesLeft,
        passkeys: (await parts.passkeys.list(sub)).map((passkey) => ({
          name: passkey.name,
          kept_for_several_devices: passkey.isMultiDevice,
          created_at: passkey.createdAt,
          last_used_at: passkey.lastUsedAt ?? null,
        })),
      },
      sessions: (await parts.sessions.listOfAccount(sub)).map((session) => ({
        address: session.address,
        user_agent: session.userAgent,
        created_at: session.createdAt,
        last_seen_at: session.lastSeenAt,
        expires_at: session.expiresAt,
      })),
      known_browsers: (await parts.devices.list(sub)).map((device) => ({
        address: device.address,
        user_agent: device.userAgent,
        created_at: device.createdAt,
        last_seen_at: device.lastSeenAt,
        remembered_until: device.rememberedUntil ?? null,
      })),
      applications: (await parts.connections.listConnections(sub)).map((connection) => ({
        client_id: connection.clientId,
        name: connection.name,
        scopes: connection.scopes,
        api_scopes: connection.resources,
        since: connection.since,
        last_used_at: connection.lastUsed,
      })),
      activity: (await allActivity(sub)).map(({ at, type, address, userAgent, details }) => ({
        at,
        type,
        address,
        user_agent: userAgent,
        details,
      })),
    }
  }
}

/** Claims by their standard names (OpenID Connect Core section 5.1), then what else is kept. */
const accountOf = (account: Visitor['account']) => ({
  sub: account.sub,
  email: account.email,
  email_verified: account.isEmailVerified,
  preferred_username: account.username,
  name: account.name,
  locale: account.locale,
  ...account.profile,
  roles: account.roles,
  has_password: account.hasPassword,
  password_changed_at: account.passwordChangedAt ?? null,
  created_at: account.createdAt,
  updated_at: account.updatedAt,
})
