// Stores consents: what a person has agreed that a client may have, remembered across sessions until it is withdrawn.
import type { Database } from '../../database/database.ts'

export interface Consent {
  /** OpenID scopes and claims. */
  scopes: string[]
  claims: string[]
  /** API scopes by audience. */
  resources: Record<string, string[]>
}

interface Row {
  openid: { scopes?: string[]; claims?: string[] }
  resources: Record<string, string[]>
}

const find = { name: 'consent-find', text: 'SELECT openid, resources FROM consents WHERE sub = $1 AND client_id = $2' }

const union = (left: string[] = [], right: string[] = []) => [...new Set([...left, ...right])]

export type ConsentStore = ReturnType<typeof createConsentStore>

export function createConsentStore({ database }: { database: Database }) {
  const read = async (sub: string, clientId: string): Promise<Consent | undefined> => {
    const [row] = await database.query<Row>(find, [sub, clientId])
    return row && { scopes: row.openid.scopes ?? [], claims: row.openid.claims ?? [], resources: row.resources }
  }

  return {
    find: read,

    /** Adds to what was agreed before. */
    add: (sub: string, clientId: string, added: Consent): Promise<void> =>
      database.transaction(async () => {
        await database.query('INSERT INTO consents (sub, client_id) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
          sub,
          clientId,
        ])
        await database.query('SELECT 1 FROM consents WHERE sub = $1 AND client_id = $2 FOR UPDATE', [sub, clientId])
        const before = await read(sub, clientId)
        const audiences = union(Object.keys(before?.resources ?? {}), Object.keys(added.resources))
        const openid = { scopes: union(before?.scopes, added.scopes), claims: union(before?.claims, added.claims) }
        const resources = Object.fromEntries(
          audiences.map((audience) => [audience, union(before?.resources[audience], added.resources[audience])]),
        )
        await database.query(
          'UPDATE consents SET openid = $3, resources = $4, updated_at = now() WHERE sub = $1 AND client_id = $2',
          [sub, clientId, openid, resources],
        )
      }),

    remove: async (sub: string, clientId: string): Promise<void> => {
      await database.query('DELETE FROM consents WHERE sub = $1 AND client_id = $2', [sub, clientId])
    },
  }
}
