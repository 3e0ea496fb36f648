// Lists the applications that may use an account: what their owner has agreed to, and what they hold grants for now.
import type { Database } from '../../database/database.ts'

export interface Connection {
  clientId: string
  name: string
  /** OpenID scopes. */
  scopes: string[]
  /** API scopes by audience. */
  resources: Record<string, string[]>
  since: Date
  lastUsed: Date
}

interface Row {
  client_id: string
  name: string
  scopes: string[] | null
  /** A consent's are lists, a grant's are texts. */
  resources: Record<string, string[] | string> | null
  since: Date
  last_used: Date
}

// Not the server's own pages: nobody can disconnect from those.
const list = {
  name: 'connection-list',
  text: `
    SELECT client_id, c.name, held.scopes, held.resources, held.since, held.last_used FROM (
        SELECT client_id, ARRAY(SELECT jsonb_array_elements_text(coalesce(openid->'scopes', '[]'))) AS scopes, resources,
          created_at AS since, updated_at AS last_used
        FROM consents WHERE sub = $1
      UNION ALL
        SELECT client_id, string_to_array(payload->'openid'->>'scope', ' '), payload->'resources', created_at, last_used_at
        FROM grants WHERE sub = $1 AND expires_at > clock_timestamp()
      ) held JOIN clients c USING (client_id)
    WHERE NOT c.built_in ORDER BY client_id`,
}

export type ConnectionStore = ReturnType<typeof createConnectionStore>

export function createConnectionStore({ database }: { database: Database }) {
  return {
    /** The one used last first. */
    listConnections: async (sub: string): Promise<Connection[]> => {
      const connections = new Map<string, Connection>()
      for (const row of await database.query<Row>(list, [sub])) {
        const known = connections.get(row.client_id)
        connections.set(row.client_id, known ? merged(known, toConnection(row)) : toConnection(row))
      }
      return [...connections.values()].sort((left, right) => right.lastUsed.getTime() - left.lastUsed.getTime())
    },
  }
}

const toConnection = (row: Row): Connection => ({
  clientId: row.client_id,
  name: row.name,
  scopes: [...new Set(row.scopes ?? [])],
  resources: Object.fromEntries(
    Object.entries(row.resources ?? {}).map(([audience, scopes]) => [
      audience,
      typeof scopes === 'string' ? scopes.split(' ').filter(Boolean) : scopes,
    ]),
  ),
  since: row.since,
  lastUsed: row.last_used,
})

const union = (left: string[] = [], right: string[] = []) => [...new Set([...left, ...right])]

function merged(left: Connection, right: Connection): Connection {
  const audiences = union(Object.keys(left.resources), Object.keys(right.resources))
  return {
    ...left,
    scopes: union(left.scopes, right.scopes),
    resources: Object.fromEntries(
      audiences.map((audience) => [audience, union(left.resources[audience], right.resources[audience])]),
    ),
    since: new Date(Math.min(left.since.getTime(), right.since.getTime())),
    lastUsed: new Date(Math.max(left.lastUsed.getTime(), right.lastUsed.getTime())),
  }
}
