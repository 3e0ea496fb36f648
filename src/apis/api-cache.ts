// Keeps all APIs in memory; there are few, and every change drops them through the database's notifications.
import type { Database } from '../database/database.ts'
import type { Api, ApiStore } from './api-store.ts'

export interface ApiCacheParts {
  store: Pick<ApiStore, 'list'>
  database: Pick<Database, 'independently'>
  /** While notifications do not arrive, what was read is believed for a second only. */
  isListening(): boolean
  now(): number
}

const most = 100_000
const trustWithoutNotifications = 1000

export type ApiCache = ReturnType<typeof createApiCache>

export function createApiCache({ store, database, isListening, now }: ApiCacheParts) {
  let loaded: { apis: Promise<Map<string, Api>>; at: number } | undefined

  const load = async () => {
    // Outside any transaction: what one request has not committed yet must not reach the others.
    const apis = await database.independently(() => store.list({ limit: most }))
    return new Map(apis.map((api) => [api.audience, api]))
  }

  const all = (): Promise<Map<string, Api>> => {
    if (loaded && (isListening() || now() - loaded.at < trustWithoutNotifications)) return loaded.apis
    const entry = { apis: load(), at: now() }
    loaded = entry
    entry.apis.catch(() => {
      if (loaded === entry) loaded = undefined
    })
    return entry.apis
  }

  return {
    find: async (audience: string): Promise<Api | undefined> => (await all()).get(audience),
    clear: (): void => {
      loaded = undefined
    },
  }
}
