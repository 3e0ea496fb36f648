// Shows clients to the engine in the metadata of RFC 7591, and keeps those that register themselves.
import { randomUUID } from 'node:crypto'
import type { Adapter, AdapterPayload } from 'oidc-provider'
import { digestClientSecret } from '../../clients/client-secret.ts'
import type { Client, ClientKind, ClientMetadata, ClientStore } from '../../clients/client-store.ts'
import type { Database } from '../../database/database.ts'

export interface ClientRecords {
  database: Database
  store: ClientStore
  cache: { find(clientId: string): Promise<Client | undefined>; forget(clientId: string): void }
}

/** Stands where the engine wants a secret; only digests are stored, and they are compared elsewhere. Nobody can present it. */
export const storedAsDigest = `stored as a digest ${randomUUID()}`

export function createClientAdapter({ database, store, cache }: ClientRecords): Adapter {
  const forgetLater = (clientId: string) => database.afterCommit(() => cache.forget(clientId))
  return {
    find: async (clientId) => {
      const client = await cache.find(clientId)
      return client && !client.disabledAt ? engineMetadata(client) : undefined
    },
    upsert: async (clientId, payload) => {
      await database.transaction(() => save(store, clientId, payload))
      forgetLater(clientId)
    },
    destroy: async (clientId) => {
      await store.remove(clientId)
      forgetLater(clientId)
    },
    consume: unsupported,
    findByUid: unsupported,
    findByUserCode: unsupported,
    revokeByGrantId: unsupported,
  }
}

const unsupported = async (): Promise<never> => {
  throw new TypeError('Clients have no such operation.')
}

function engineMetadata(client: Client): AdapterPayload {
  const usesSecret = String(client.metadata.token_endpoint_auth_method).startsWith('client_secret_')
  return {
    ...client.metadata,
    client_id: client.clientId,
    client_name: client.name,
    ...(usesSecret ? { client_secret: storedAsDigest } : undefined),
  } as AdapterPayload
}

async function save(store: ClientStore, clientId: string, payload: AdapterPayload): Promise<void> {
  const {
    client_id: _,
    client_secret: secret,
    client_secret_expires_at: __,
    client_name: givenName,
    ...metadata
  } = payload
  const name = givenName ?? clientId
  const existing = await store.find(clientId)
  if (existing) await store.update(clientId, { name, metadata: metadata as ClientMetadata })
  else {
    const kind = kindOf(metadata as ClientMetadata)
    await store.insert({ clientId, kind, name, metadata: metadata as ClientMetadata, isDynamicallyRegistered: true })
  }
  const isNewSecret = Boolean(secret) && secret !== storedAsDigest
  // A client that gives its secret up, or gets another, is not let in by the former one again.
  if (existing && (!secret || isNewSecret)) await store.expireSecrets(clientId, 0)
  if (secret && isNewSecret) await store.insertSecret(clientId, digestClientSecret(secret))
}

function kindOf(metadata: ClientMetadata): ClientKind {
  if (metadata.application_type === 'native') return 'native'
  return metadata.token_endpoint_auth_method === 'none' ? 'spa' : 'web'
}
