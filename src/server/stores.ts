// The database and everything that is kept in it, with the caches that its notifications keep true.
import { createAccountStore } from '../accounts/account-store.ts'
import { createOneTimeLinkStore } from '../accounts/one-time-link-store.ts'
import { createPasswordStore } from '../accounts/password/password-store.ts'
import { createSecurityVersionStore } from '../accounts/security-version-store.ts'
import { createSignInThrottleStore } from '../accounts/sign-in/sign-in-throttle-store.ts'
import { createApiCache } from '../apis/api-cache.ts'
import { createApiStore } from '../apis/api-store.ts'
import { createClientCache } from '../clients/client-cache.ts'
import { createClientStore } from '../clients/client-store.ts'
import { createDatabase, type Database } from '../database/database.ts'
import { createListener } from '../database/listener.ts'
import { createSigningKeyStore } from '../keys/signing-key-store.ts'
import { createArtifactStore } from '../oidc/storage/artifact-store.ts'
import { createConnectionStore } from '../oidc/storage/connection-store.ts'
import { createConsentStore } from '../oidc/storage/consent-store.ts'
import { createExpiryStore } from '../oidc/storage/expiry-store.ts'
import { createGrantStore } from '../oidc/storage/grant-store.ts'
import { createRegistrationTokenStore } from '../oidc/storage/registration-token-store.ts'
import { createReplayStore } from '../oidc/storage/replay-store.ts'
import { createSessionStore } from '../oidc/storage/session-store.ts'
import { createSealing, type Sealing } from '../sealing.ts'
import type { ServerParts } from './server.ts'

export type Stores = ReturnType<typeof createStores>

export function createStores({ config, databaseUrl, log, onQuery }: ServerParts) {
  const database = createDatabase({
    ...config.database,
    url: databaseUrl,
    onError: (error) => log.warn({ err: error }, 'a database connection was lost'),
    ...(onQuery ? { onQuery } : undefined),
  })
  const sealing = createSealing(config.sealingKeys)
  return { database, sealing, ...createCached(database, databaseUrl), ...createUncached(database, sealing) }
}

function createCached(database: Database, databaseUrl: string) {
  const clients = createClientStore({ database })
  const apis = createApiStore({ database })
  const keyListeners: (() => void)[] = []
  const keysChanged = () => {
    for (const listen of keyListeners) listen()
  }
  const listener = createListener({
    url: databaseUrl,
    channel: 'gatehouse',
    onMessage: (payload) => {
      if (payload === 'keys') keysChanged()
      else if (payload === 'apis') apiCache.clear()
      else if (payload.startsWith('client:')) clientCache.forget(payload.slice('client:'.length))
    },
    onGap: () => {
      apiCache.clear()
      clientCache.clear()
      keysChanged()
    },
  })
  const cacheParts = { database, isListening: listener.isConnected, now: Date.now }
  const clientCache = createClientCache({ store: clients, ...cacheParts })
  const apiCache = createApiCache({ store: apis, ...cacheParts })
  return {
    clients,
    apis,
    listener,
    clientCache,
    apiCache,
    onKeysChanged: (listen: () => void) => keyListeners.push(listen),
  }
}

function createUncached(database: Database, sealing: Sealing) {
  return {
    accounts: createAccountStore({ database }),
    passwordStore: createPasswordStore({ database }),
    securityVersions: createSecurityVersionStore({ database }),
    links: createOneTimeLinkStore({ database, sealing }),
    throttleStore: createSignInThrottleStore({ database }),
    signingKeys: createSigningKeyStore({ database }),
    artifacts: createArtifactStore({ database }),
    sessions: createSessionStore({ database }),
    grants: createGrantStore({ database }),
    consents: createConsentStore({ database }),
    connections: createConnectionStore({ database }),
    replays: createReplayStore({ database }),
    registrationTokens: createRegistrationTokenStore({ database }),
    expiry: createExpiryStore({ database }),
  }
}
