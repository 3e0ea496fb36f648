// `gatehouse apis`: registers APIs (resource servers, RFC 8707), shows and changes them, and takes them away.
import { Command, Option } from 'commander'
import type { ApiInputChanges } from '../../apis/api-registration.ts'
import {
  type Api,
  type ApiScope,
  type SigningAlgorithm,
  signingAlgorithms,
  type TokenFormat,
} from '../../apis/api-store.ts'
import type { ApiEncryption, PublicJwks } from '../../apis/token-encryption.ts'
import type { CommandParts } from '../command-parts.ts'
import { type OpenDatabase, withDatabase } from '../open-database.ts'
import { openKeyRing } from '../open-key-ring.ts'
import { collect, readJsonFile, wholeNumber } from '../option-values.ts'
import { CommandRefusal, notFound, refuseProblems, UsageError } from '../refusals.ts'
import { lines, table } from '../terminal.ts'
import { everyPage } from './every-page.ts'
import { claimRuleHelp, tokenClaimChanges, tokenClaimsJson, tokenClaimsText } from './token-claim-options.ts'

interface ApiOptions {
  name?: string
  scope?: ApiScope[]
  tokenFormat?: TokenFormat
  tokenTtl?: number
  tokenAlg?: SigningAlgorithm
  introspectionClient?: string[]
  encryptionJwksUri?: string
  encryptionJwksFile?: string
  encryption?: boolean
  roles?: string
  claimRule?: string[]
  claim?: string[]
}

export function apisCommand(parts: CommandParts): Command {
  const group = new Command('apis')
  for (const add of [addCreate, addUpdate, addOthers]) add(group, parts)
  return group
}

function addCreate(group: Command, { config, terminal }: CommandParts): void {
  const command = group
    .command('create')
    .description('register an API')
    .requiredOption('--audience <uri>', 'what tokens for it carry in aud')
    .requiredOption('--name <name>', 'name that people see')
  apiOptions(command).action((options: ApiOptions & { audience: string; name: string }) =>
    withDatabase(config(), async (open) => {
      await prepare(open, options)
      const { audience, name, scope = [] } = options
      const created = await open.apiRegistration.create({ ...changes(options), audience, name, scopes: scope })
      if (!created.ok) throw created.reason ? refusal('taken', audience) : refuseProblems(created.problems)
      terminal.print(apiJson(created.api), apiText(created.api))
    }),
  )
}

function addUpdate(group: Command, { config, terminal }: CommandParts): void {
  const command = group
    .command('update <audience>')
    .description('change an API; a list that is given replaces the one before')
    .option('--name <name>', 'name that people see')
    .option('--no-encryption', 'its tokens are signed only')
  apiOptions(command).action((audience: string, options: ApiOptions) =>
    withDatabase(config(), async (open) => {
      await prepare(open, options)
      const updated = await open.apiRegistration.update(audience, changes(options))
      if (!updated.ok) throw updated.reason ? refusal(updated.reason, audience) : refuseProblems(updated.problems)
      terminal.print(apiJson(updated.api), apiText(updated.api))
    }),
  )
}

function addOthers(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('list')
    .description('all APIs')
    .action(() =>
      withDatabase(config(), async ({ apis }) => {
        const all = await everyPage(apis.list, ({ audience }) => audience)
        const rows = all.map((api) => [api.audience, api.tokenFormat, `${api.tokenTtl} s`, names(api), api.name])
        const text = table(['AUDIENCE', 'TOKENS', 'LIFETIME', 'SCOPES', 'NAME'], rows, 'No API is registered yet.')
        terminal.print({ apis: all.map(apiJson) }, text)
      }),
    )
  group
    .command('show <audience>')
    .description('one API')
    .action((audience: string) =>
      withDatabase(config(), async ({ apis }) => {
        const api = await apis.find(audience)
        if (!api) throw notFound('API', audience)
        terminal.print(apiJson(api), apiText(api))
      }),
    )
  group
    .command('delete <audience>')
    .description('take it away, also from every client that was granted it')
    .action((audience: string) =>
      withDatabase(config(), async ({ apiRegistration }) => {
        const removed = await apiRegistration.remove(audience)
        if (!removed.ok) throw refusal(removed.reason, audience)
        terminal.print({ audience, deleted: true }, `Deleted ${audience}.`)
      }),
    )
}

const apiOptions = (command: Command): Command =>
  command
    .option('--scope <name[=description]>', 'a scope and what it allows, in words for people (repeatable)', scope)
    .addOption(new Option('--token-format <format>', 'access tokens').choices(['jwt', 'opaque']))
    .option('--token-ttl <seconds>', 'lifetime of access tokens, 600 by default', wholeNumber)
    .addOption(new Option('--token-alg <alg>', 'what signs access tokens').choices(signingAlgorithms))
    .option('--introspection-client <id>', 'a client that may introspect every token for it (repeatable)', collect)
    .option('--encryption-jwks-uri <url>', 'where the public key is to which its tokens are encrypted')
    .option('--encryption-jwks-file <path>', 'a file with that key, instead of --encryption-jwks-uri')
    .option('--roles <names>', 'account roles that its tokens name in roles: all, none, or NAME,NAME')
    .option('--claim-rule <CLAIM:VALUE=WHEN>', claimRuleHelp, collect)
    .option('--claim <NAME=PLACE>', 'a claim of its tokens and where it is taken from, or none (repeatable)', collect)

function scope(value: string, before: ApiScope[] = []): ApiScope[] {
  const [name = '', ...description] = value.split('=')
  return [...before, { scope: name, description: description.join('=') }]
}

const changes = (options: ApiOptions): ApiInputChanges => ({
  name: options.name,
  scopes: options.scope,
  tokenFormat: options.tokenFormat,
  tokenTtl: options.tokenTtl,
  signingAlg: options.tokenAlg,
  introspectionClients: options.introspectionClient,
  encryption: encryptionOf(options),
  ...tokenClaimChanges(options),
})

function encryptionOf({
  encryption,
  encryptionJwksUri,
  encryptionJwksFile,
}: ApiOptions): ApiEncryption | null | undefined {
  if (encryption === false) return null
  if (encryptionJwksUri !== undefined && encryptionJwksFile !== undefined)
    throw new UsageError('--encryption-jwks-uri and --encryption-jwks-file: give only one of them.')
  if (encryptionJwksFile !== undefined) return { jwks: readJsonFile(encryptionJwksFile) as PublicJwks }
  return encryptionJwksUri === undefined ? undefined : { jwksUri: encryptionJwksUri }
}

/** The first API with an algorithm needs its key. */
async function prepare(open: OpenDatabase, { tokenAlg }: ApiOptions): Promise<void> {
  if (tokenAlg) await (await openKeyRing(open)).ensureAlgorithm(tokenAlg)
}

const names = (api: Api) => api.scopes.map((entry) => entry.scope).join(' ')

function refusal(reason: 'taken' | 'not_found' | 'built_in' | 'version_conflict', audience: string): CommandRefusal {
  const messages = {
    taken: `The API ${audience} is registered already; change it with \`apis update\`.`,
    not_found: `There is no API ${audience}.`,
    built_in: `${audience} belongs to the server itself and cannot be changed.`,
    version_conflict: `Somebody else has changed ${audience} in this moment. Look again and repeat.`,
  }
  return new CommandRefusal(reason, messages[reason])
}

const apiJson = (api: Api) => ({
  audience: api.audience,
  name: api.name,
  scope: names(api),
  scopes: api.scopes.map((entry) => ({ name: entry.scope, description: entry.description })),
  token_format: api.tokenFormat,
  token_ttl: api.tokenTtl,
  token_alg: api.signingAlg,
  introspection_clients: api.introspectionClients,
  token_claims: tokenClaimsJson(api.tokenClaims),
  encryption: api.encryption
    ? { ...(api.encryption.jwks ? { jwks: api.encryption.jwks } : { jwks_uri: api.encryption.jwksUri }) }
    : null,
  built_in: api.isBuiltIn,
  created_at: api.createdAt.toISOString(),
  updated_at: api.updatedAt.toISOString(),
})

const apiText = (api: Api) =>
  lines({
    audience: api.audience,
    name: api.name,
    scopes: api.scopes.map((entry) => [entry.scope, entry.description].filter(Boolean).join('  ')),
    'access tokens': `${api.tokenFormat}, ${api.tokenTtl} s${api.tokenFormat === 'jwt' ? `, ${api.signingAlg}` : ''}`,
    'introspected by': api.introspectionClients,
    'encrypted to': api.encryption && (api.encryption.jwksUri ?? 'the key given'),
    'tokens tell': tokenClaimsText(api.tokenClaims),
  })
