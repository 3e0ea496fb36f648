// Opens the database for one command: the configured one, or the embedded one, which is stopped again if it was started here.
import { type AccountStore, createAccountStore } from '../accounts/account-store.ts'
import { createSecurityVersionStore } from '../accounts/security-version-store.ts'
import { adminAudience } from '../apis/admin-api-registration.ts'
import { type ApiRegistration, createApiRegistration } from '../apis/api-registration.ts'
import { type ApiStore, createApiStore } from '../apis/api-store.ts'
import { type ClientStore, createClientStore } from '../clients/client-store.ts'
import type { Config } from '../config.ts'
import { createDatabase, type Database } from '../database/database.ts'
import { startEmbeddedPostgres } from '../database/embedded-postgres.ts'
import { DatabaseUnavailable } from '../database/faults.ts'
import { createMigrator, pendingMigrations } from '../database/migrator.ts'
import { type AccessRevocation, createAccessRevocation } from '../oidc/access-revocation.ts'
import { createConsentStore } from '../oidc/storage/consent-store.ts'
import { createGrantStore } from '../oidc/storage/grant-store.ts'
import { createSessionStore } from '../oidc/storage/session-store.ts'
import { createSealing, type Sealing } from '../sealing.ts'
import { CommandRefusal, reasonOf } from './refusals.ts'

/** What most commands need; the rest they build themselves from these. */
export interface OpenDatabase {
  config: Config
  database: Database
  sealing: Sealing
  accounts: AccountStore
  apis: ApiStore
  clients: ClientStore
  apiRegistration: ApiRegistration
  revocation: AccessRevocation
}

/** With a schema that fits: brought up in development, demanded in production. */
export function withDatabase<T>(config: Config, work: (parts: OpenDatabase) => Promise<T>): Promise<T> {
  return withDatabaseUrl(config, (url) =>
    withConnection(config, url, async (database) => {
      await demandSchema(config, url, database)
      return work(assemble(config, database))
    }),
  )
}

/** Whatever the schema. */
export async function withDatabaseUrl<T>(config: Config, work: (url: string) => Promise<T>): Promise<T> {
  if (config.database.url) return work(config.database.url)
  const embedded = await startEmbeddedPostgres({ dataDir: config.dataDir })
  try {
    return await work(embedded.url)
  } finally {
    await embedded.stop()
  }
}

export async function withConnection<T>(
  config: Config,
  url: string,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const { preparedStatements } = config.database
  const database = createDatabase({ url, poolSize: 2, preparedStatements, onError: () => undefined })
  try {
    return await work(database)
  } finally {
    await database.end()
  }
}

async function demandSchema({ production }: Config, url: string, database: Database): Promise<void> {
  const { length: pending } = await patiently(() => pendingMigrations(database))
  if (pending === 0) return
  if (production) {
    const count = pending === 1 ? 'one migration' : `${pending} migrations`
    throw new CommandRefusal('schema_pending', `The database lacks ${count}: run gatehouse migrate up.`)
  }
  await createMigrator({ url }).up()
}

/** The pool gives up after a second, as a server must; a command on a slow line or a busy machine may take its time. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask()
    } catch (error) {
      const isLate = error instanceof DatabaseUnavailable && /timeout/i.test(reasonOf(error.cause))
      if (!isLate || attempt === 5) throw error
    }
  }
}

function assemble(config: Config, database: Database): OpenDatabase {
  const accounts = createAccountStore({ database })
  const apis = createApiStore({ database })
  const clients = createClientStore({ database })
  const { issuer } = config
  return {
    config,
    database,
    sealing: createSealing(config.sealingKeys),
    accounts,
    apis,
    clients,
    apiRegistration: createApiRegistration({
      store: apis,
      hasClient: async (clientId) => (await clients.find(clientId)) !== undefined,
      transaction: database.transaction,
      issuer,
      adminAudience: adminAudience(issuer),
    }),
    revocation: createAccessRevocation({
      database,
      accounts,
      securityVersions: createSecurityVersionStore({ database }),
      clients,
      grants: createGrantStore({ database }),
      sessions: createSessionStore({ database }),
      consents: createConsentStore({ database }),
      // Nothing is kept in memory here; a running server hears of changes from the database.
      forgetClient: () => undefined,
    }),
  }
}
