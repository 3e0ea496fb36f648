// Keeps clients in memory; every change, on whatever node, drops the entry through the database's notifications.
import type { Database } from '../database/database.ts'
import type { Client, ClientStore } from './client-store.ts'

interface Entry {
  client: Promise<Client | undefined>
  loadedAt: number
}

export interface ClientCacheParts {
  store: Pick<ClientStore, 'find'>
  database: Pick<Database, 'independently'>
  /** While notifications do not arrive, entries are believed for a second only. */
  isListening(): boolean
  now(): number
}

const capacity = 20_000
const trustWithoutNotifications = 1000

export type ClientCache = ReturnType<typeof createClientCache>

export function createClientCache({ store, database, isListening, now }: ClientCacheParts) {
  const entries = new Map<string, Entry>()

  const load = (clientId: string): Promise<Client | undefined> => {
    // Outside any transaction: what one request has not committed yet must not reach the others.
    const client = database.independently(() => store.find(clientId))
    const entry = { client, loadedAt: now() }
    entries.set(clientId, entry)
    if (entries.size > capacity) entries.delete(entries.keys().next().value as string)
    const forget = () => {
      if (entries.get(clientId) === entry) entries.delete(clientId)
    }
    client.then((found) => found ?? forget(), forget)
    return client
  }

  return {
    find: (clientId: string): Promise<Client | undefined> => {
      const entry = entries.get(clientId)
      const isTrusted = entry && (isListening() || now() - entry.loadedAt < trustWithoutNotifications)
      return isTrusted ? entry.client : load(clientId)
    },
    forget: (clientId: string): void => {
      entries.delete(clientId)
    },
    clear: (): void => entries.clear(),
  }
}
