// A server process with the storage that most servers have: it looks, then writes, and locks nothing. The races must catch it.
import { once } from 'node:events'
import { join } from 'node:path'
import { pino } from 'pino'
import { loadConfig } from '../../src/config.ts'
import { createServer } from '../../src/server/server.ts'
import { makeSignInNaive } from './naive-sign-in.ts'

const config = loadConfig({ root: join(import.meta.dirname, '../..') })
const log = pino({ level: 'info' })
const server = createServer({ config, databaseUrl: config.database.url ?? '', log })
const { artifacts, replays, database } = server.stores

// The engine is built at the start, from these same objects.
artifacts.findWithGrant = artifacts.find
artifacts.findForUpdate = artifacts.find
artifacts.consumeAgain = async () => true
artifacts.consume = async (keys) => {
  await database.query('UPDATE artifacts SET consumed_at = clock_timestamp() WHERE key = ANY($1)', [keys])
  return true
}
replays.claim = (key, seconds) =>
  database.independently(async () => {
    const known = await database.query('SELECT 1 FROM replays WHERE key = $1', [key])
    if (known.length > 0) return false
    const expiry = 'clock_timestamp() + make_interval(secs => $2)'
    await database.query(`INSERT INTO replays VALUES ($1, ${expiry}) ON CONFLICT DO NOTHING`, [key, seconds])
    return true
  })

makeSignInNaive(server)

server.http.listen(config.http.port, config.http.host)
await once(server.http, 'listening')
await server.start()
log.info({ address: server.http.address() }, 'ready')
process.once('SIGTERM', () => server.stop())
