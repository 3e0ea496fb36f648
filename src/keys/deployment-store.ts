// Stores what all nodes of one deployment have in common.
import type { Database } from '../database/database.ts'

export function createDeploymentStore({ database }: { database: Database }) {
  return {
    find: async (name: string): Promise<string | undefined> => {
      const [row] = await database.query<{ value: string }>('SELECT value FROM deployment WHERE name = $1', [name])
      return row?.value
    },

    /** The first one stays. */
    insert: async (name: string, value: string): Promise<void> => {
      await database.query('INSERT INTO deployment (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING', [
        name,
        value,
      ])
    },

    update: async (name: string, value: string): Promise<void> => {
      await database.query('UPDATE deployment SET value = $2 WHERE name = $1', [name, value])
    },
  }
}
