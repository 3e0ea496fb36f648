// What `doctor` looks at in the database: the server, its clock, the schema, the keys, the admin API and the clients; people are in people-checks.ts.
import { adminAudience, findAdminApi } from '../../apis/admin-api-registration.ts'
import { createApiStore } from '../../apis/api-store.ts'
import { type Client, createClientStore } from '../../clients/client-store.ts'
import type { Config } from '../../config.ts'
import type { Database } from '../../database/database.ts'
import { createMigrator } from '../../database/migrator.ts'
import { createDeploymentStore } from '../../keys/deployment-store.ts'
import { createKeyRing } from '../../keys/key-ring.ts'
import { createSigningKeyStore } from '../../keys/signing-key-store.ts'
import { createSealing } from '../../sealing.ts'
import { everyPage } from '../registry/every-page.ts'
import { readDatabaseFacts } from './database-facts-store.ts'
import { broken, type Finding, fine, warning } from './finding.ts'
import { checkBrandedClients, checkMailQueue, checkPasswords, checkSecondFactors } from './people-checks.ts'

const oldestPostgres = 14
const mostSkew = 2000

export async function checkDatabase(config: Config, url: string, database: Database): Promise<Finding[]> {
  const { version, major, clockSkew } = await readDatabaseFacts(database)
  const server = [
    major < oldestPostgres
      ? broken('database', `PostgreSQL ${version} is too old.`, `Use PostgreSQL ${oldestPostgres} or newer.`)
      : fine('database', `PostgreSQL ${version} answers.`),
    Math.abs(clockSkew) > mostSkew
      ? warning(
          'clock',
          `The database's clock is ${clockSkew / 1000} s ${clockSkew > 0 ? 'ahead of' : 'behind'} this machine's.`,
          'Let both keep time by NTP: tokens may be refused as not yet valid, or live too long.',
        )
      : fine('clock', `This machine and the database agree about the time (${Math.abs(clockSkew)} ms).`),
  ]
  const { pending, unknown } = await createMigrator({ url }).status()
  if (pending.length > 0) return [...server, pendingSchema(config, pending)]
  const schema =
    unknown.length > 0
      ? warning(
          'schema',
          `Migrations of a newer version are applied: ${unknown.join(', ')}.`,
          'Update Gatehouse here too.',
        )
      : fine('schema', 'The schema is up to date.')
  const aboutPeople = [checkSecondFactors, checkPasswords, checkMailQueue, checkBrandedClients]
  const checks = [checkSealing, checkKeys, checkAdminApi, checkClients, ...aboutPeople]
  const findings: Finding[] = []
  for (const check of checks) findings.push(...(await check(config, database)))
  return [...server, schema, ...findings]
}

function pendingSchema({ production }: Config, pending: string[]): Finding {
  const message = `Migrations are missing: ${pending.join(', ')}.`
  return production
    ? broken('schema', message, 'Run `gatehouse migrate up`.')
    : warning('schema', message, 'The next start or command applies them.')
}

/** Only looks; a server that starts settles which key is in use. */
async function checkSealing({ sealingKeys }: Config, database: Database): Promise<Finding[]> {
  const { fingerprints } = createSealing(sealingKeys)
  const stored = await createDeploymentStore({ database }).find('sealing_key_fingerprint')
  if (stored === undefined) return [fine('sealing key', 'No server has started on this database yet.')]
  if (fingerprints.includes(stored)) return [fine('sealing key', 'It is the key that this database was sealed with.')]
  return [
    broken(
      'sealing key',
      `The database was sealed with another key (fingerprint ${stored}, here ${fingerprints[0]}).`,
      'Give GATEHOUSE_SEALING_KEY the value that the other nodes have, or list the former key in GATEHOUSE_SEALING_KEYS_OLD.',
    ),
  ]
}

async function checkKeys({ sealingKeys }: Config, database: Database): Promise<Finding[]> {
  const ring = createKeyRing({
    database,
    store: createSigningKeyStore({ database }),
    sealing: createSealing(sealingKeys),
  })
  const keys = await ring.list()
  if (keys.length === 0) return [warning('keys', 'There are no signing keys yet.', 'The first start makes them.')]
  const signing = keys.filter(({ state }) => state === 'signing')
  const missing = (['ES256', 'RS256'] as const).filter((alg) => !signing.some((key) => key.alg === alg))
  if (missing.length > 0)
    return [
      broken('keys', `No key signs with ${missing.join(' and ')}.`, 'Start the server: it makes what is missing.'),
    ]
  const leaving = signing.filter(({ alg, retiresAt }) => {
    const hasSuccessor = keys.some((key) => key.alg === alg && key.state === 'upcoming')
    return retiresAt !== undefined && !hasSuccessor
  })
  if (leaving.length > 0) {
    const list = leaving.map(({ kid, retiresAt }) => `${kid} (${retiresAt?.toISOString()})`).join(', ')
    return [broken('keys', `Keys leave without a successor: ${list}.`, 'Run `gatehouse keys rotate`.')]
  }
  return [fine('keys', `${signing.map(({ alg }) => alg).join(', ')} sign.`)]
}

async function checkAdminApi({ issuer }: Config, database: Database): Promise<Finding[]> {
  const api = await findAdminApi(createApiStore({ database }))
  if (!api) return [warning('admin API', 'It is not registered yet.', 'The first start registers it.')]
  if (api.audience === adminAudience(issuer)) return [fine('admin API', `It is ${api.audience}.`)]
  const message = `It is registered as ${api.audience}, but the issuer here is ${issuer}.`
  return [
    warning(
      'admin API',
      message,
      'Set GATEHOUSE_ISSUER (or PORT) as the server has it; a server that starts moves it.',
    ),
  ]
}

async function checkClients(config: Config, database: Database): Promise<Finding[]> {
  const clients = await everyPage(createClientStore({ database }).list, ({ clientId }) => clientId)
  const findings = clients.filter(({ isBuiltIn }) => !isBuiltIn).flatMap((client) => clientFindings(client, config))
  return findings.length > 0 ? findings : [fine('clients', `${clients.length} registered, none with a risky setting.`)]
}

function clientFindings(client: Client, { production }: Config): Finding[] {
  const { clientId, name, requiresPkce, disabledAt, metadata, kind, apis } = client
  const what = `${clientId} (${name})`
  const about = (isRisky: boolean, message: string, fix: string) =>
    isRisky ? [warning('clients', `${what} ${message}`, fix)] : []
  const plain = (metadata.redirect_uris ?? []).filter((uri) => uri.startsWith('http:'))
  return [
    ...about(!requiresPkce, 'may do without PKCE.', `Run \`gatehouse clients update ${clientId} --pkce\` once it can.`),
    ...about(
      production && kind !== 'native' && plain.length > 0,
      `has redirect URIs without TLS: ${plain.join(', ')}.`,
      'Replace them with https ones: `gatehouse clients update … --redirect-uri`.',
    ),
    ...about(
      disabledAt !== undefined,
      'is disabled.',
      'Enable it with `--enable`, or delete it when it is gone for good.',
    ),
    ...about(
      kind === 'machine' && Object.keys(apis).length === 0,
      'has no API left and can get no token.',
      'Grant it one with `--audience`, or delete it.',
    ),
  ]
}
