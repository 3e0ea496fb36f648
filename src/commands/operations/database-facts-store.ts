// Reads what a database server tells about itself.
import type { Database } from '../../database/database.ts'

export interface DatabaseFacts {
  /** Such as 17.2. */
  version: string
  major: number
  /** The database's clock minus this machine's, in milliseconds, give or take the time of the question. */
  clockSkew: number
}

interface Row {
  version: string
  number: number
  milliseconds: number
}

export async function readDatabaseFacts(database: Database): Promise<DatabaseFacts> {
  const asked = Date.now()
  const [row] = await database.query<Row>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
       (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS milliseconds`,
  )
  const { version, number, milliseconds } = row as Row
  return { version, major: Math.floor(number / 10_000), clockSkew: Math.round(milliseconds - (asked + Date.now()) / 2) }
}
