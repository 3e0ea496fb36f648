// Starts the server: its database, its processes and its first words; and stops it all in the right order.
import cluster from 'node:cluster'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import { type Logger, pino } from 'pino'
import { type Config, ConfigError } from '../config.ts'
import { startEmbeddedPostgres } from '../database/embedded-postgres.ts'
import { brandingProblems } from '../server/pages/deployment-branding.ts'
import { createServer, type Server } from '../server/server.ts'
import { prepareFirstStart } from './first-start.ts'
import { superviseWorkers } from './workers.ts'

/** Resolves when the server has stopped. */
export async function serve(config: Config): Promise<void> {
  refuseBadBranding(config)
  const log = createLog(config)
  if (config.production && config.insecureHttp)
    log.warn('GATEHOUSE_INSECURE_HTTP is set: tokens and passwords travel unencrypted unless TLS ends elsewhere.')
  const workers = config.http.workers ?? (config.production ? availableParallelism() : 1)
  if (cluster.isWorker) {
    await serveHere(config, databaseUrlOf(config), log)
    // The channel to the supervisor would keep the process alive.
    cluster.worker?.disconnect()
    return
  }
  const postgres = config.database.url
    ? undefined
    : await startEmbeddedPostgres({ dataDir: config.dataDir, log: (message) => log.info(message) })
  try {
    const url = postgres?.url ?? databaseUrlOf(config)
    if (workers === 1) await serveHere(config, url, log)
    else await superviseWorkers({ count: workers, environment: { DATABASE_URL: url }, log })
  } finally {
    await postgres?.stop()
  }
}

/** Before a database is started or a worker made. */
function refuseBadBranding(config: Config): void {
  const problems = brandingProblems(config)
  if (problems.length > 0) throw new ConfigError(problems)
}

async function serveHere(config: Config, databaseUrl: string, log: Logger): Promise<void> {
  const server = createServer({ config, databaseUrl, log })
  const stopped = stopOnSignal(server, log)
  await listen(server, config)
  await Promise.race([server.start(), stopped])
  if (server.node.readiness.isStarted() && isFirst())
    await prepareFirstStart({ config, server, write: (text) => process.stdout.write(text) })
  log.info({ address: server.http.address() }, 'ready')
  await stopped
}

// Of several workers one speaks for all.
const isFirst = () => !cluster.isWorker || cluster.worker?.id === 1

async function listen({ http }: Server, { http: { host, port } }: Config): Promise<AddressInfo> {
  http.listen(port, host)
  await once(http, 'listening')
  return http.address() as AddressInfo
}

function stopOnSignal(server: Server, log: Logger): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false
    const stop = (signal: string) => {
      if (stopping) return
      stopping = true
      log.info({ signal }, 'stopping')
      server.stop().then(resolve, reject)
    }
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop)
    server.http.on('error', reject)
    // Nothing that escaped may leave the process half alive: say it, finish what is under way, and let the supervisor start anew.
    process.on('uncaughtException', (error) => {
      log.fatal({ err: error }, 'uncaught exception; stopping')
      process.exitCode = 1
      stop('uncaughtException')
    })
  })
}

function databaseUrlOf(config: Config): string {
  if (!config.database.url) throw new TypeError('DATABASE_URL is missing.')
  return config.database.url
}

const redacted = [
  'password',
  '*.password',
  'client_secret',
  '*.client_secret',
  'req.headers.authorization',
  'req.headers.cookie',
]

function createLog(config: Config): Logger {
  const options = { level: config.logLevel, redact: redacted }
  if (config.production || !process.stdout.isTTY) return pino(options)
  try {
    const target = { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'HH:MM:ss' } }
    return pino({ ...options, transport: target })
  } catch {
    // Only a clone has the printer for people; elsewhere the lines stay JSON.
    return pino(options)
  }
}
