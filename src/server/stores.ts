// The database and everything that is kept in it, with the caches that its notifications keep true.
import { createAccountStore } from '../accounts/account-store.ts'
import { createActivityLog } from '../accounts/activity-log.ts'
import { createDevices } from '../accounts/devices/devices.ts'
import { createOneTimeLinkStore } from '../accounts/one-time-link-store.ts'
import { createPasswordStore } from '../accounts/password/password-store.ts'
import { createSecurityVersionStore } from '../accounts/security-version-store.ts'
import { createAccountLocks } from '../accounts/sign-in/account-locks.ts'
import { createMailThrottleStore } from '../accounts/sign-in/mail-throttle-store.ts'
import { createSignInThrottleStore } from '../accounts/sign-in/sign-in-throttle-store.ts'
import { createApiCache } from '../apis/api-cache.ts'
import { createApiStore } from '../apis/api-store.ts'
import { createClientCache } from '../clients/client-cache.ts'
import { createClientStore } from '../clients/client-store.ts'
import { createExchangePolicyStore } from '../clients/exchange/exchange-policy-store.ts'
import { createExchangeRulesCache } from '../clients/exchange/exchange-rules-cache.ts'
import { createTrustedIssuerStore } from '../clients/exchange/trusted-issuer-store.ts'
import { createDatabase, type Database } from '../database/database.ts'
import { createListener } from '../database/listener.ts'
import { createSigningKeyStore } from '../keys/signing-key-store.ts'
import { createMailQueueStore } from '../mail/mail-queue-store.ts'
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
  return { database, sealing, ...createCached(database, databaseUrl), ...createUncached(config, database, sealing) }
}

function createCached(database: Database, databaseUrl: string) {
  const clients = createClientStore({ database })
  const apis = createApiStore({ database })
  const exchangePolicies = createExchangePolicyStore({ database })
  const trustedIssuers = createTrustedIssuerStore({ database })
  const keyListeners: (() => void)[] = []
  const mailListeners: (() => void)[] = []
  const tell = (listeners: (() => void)[]) => {
    for (const listen of listeners) listen()
  }
  const listener = createListener({
    url: databaseUrl,
    channel: 'gatehouse',
    onMessage: (payload) => {
      if (payload === 'keys') tell(keyListeners)
      else if (payload === 'mail') tell(mailListeners)
      else if (payload === 'apis') apiCache.clear()
      else if (payload === 'exchange') exchangeRules.clear()
      else if (payload.startsWith('client:')) clientCache.forget(payload.slice('client:'.length))
    },
    onGap: () => {
      apiCache.clear()
      clientCache.clear()
      exchangeRules.clear()
      tell(keyListeners)
      tell(mailListeners)
    },
  })
  const cacheParts = { database, isListening: listener.isConnected, now: Date.now }
  const clientCache = createClientCache({ store: clients, ...cacheParts })
  const apiCache = createApiCache({ store: apis, ...cacheParts })
  const exchangeRules = createExchangeRulesCache({ policies: exchangePolicies, issuers: trustedIssuers, ...cacheParts })
  return {
    clients,
    apis,
    exchangePolicies,
    trustedIssuers,
    exchangeRules,
    listener,
    clientCache,
    apiCache,
    onKeysChanged: (listen: () => void) => keyListeners.push(listen),
    onMailQueued: (listen: () => void) => mailListeners.push(listen),
  }
}

function createUncached({ mail }: ServerParts['config'], database: Database, sealing: Sealing) {
  const throttleStore = createSignInThrottleStore({ database })
  return {
    accounts: createAccountStore({ database }),
    passwordStore: createPasswordStore({ database }),
    securityVersions: createSecurityVersionStore({ database }),
    links: createOneTimeLinkStore({ database, sealing }),
    mailQueue: createMailQueueStore({ database, sealing, keepsMessages: !mail.server }),
    throttleStore,
    accountLocks: createAccountLocks({ store: throttleStore }),
    mailThrottleStore: createMailThrottleStore({ database }),
    devices: createDevices({ database, sealing }),
    activity: createActivityLog({ database }),
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
