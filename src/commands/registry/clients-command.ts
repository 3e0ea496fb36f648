// `gatehouse clients`: registers applications, shows and changes them, and takes them away.
import { Command, Option } from 'commander'
import { adminAudience } from '../../apis/admin-api-registration.ts'
import { type ClientInputChanges, createClientRegistration } from '../../clients/client-registration.ts'
import { type Client, type ClientKind, clientKinds } from '../../clients/client-store.ts'
import type { CommandParts } from '../command-parts.ts'
import { demandAdminApi } from '../demand-admin-api.ts'
import { type OpenDatabase, withDatabase } from '../open-database.ts'
import { openKeyRing } from '../open-key-ring.ts'
import { wholeNumber } from '../option-values.ts'
import { CommandRefusal, notFound, refuseProblems, UsageError } from '../refusals.ts'
import { table } from '../terminal.ts'
import { apiGrants } from './api-grants.ts'
import { type ClientOptions, clientChanges, clientOptions, withoutNull } from './client-options.ts'
import { clientJson, clientState, clientText, secretNote } from './client-output.ts'
import { everyPage } from './every-page.ts'

interface UpdateOptions extends ClientOptions {
  disable?: boolean
  enable?: boolean
}

export function clientsCommand(parts: CommandParts): Command {
  const group = new Command('clients')
  for (const add of [addCreate, addUpdate, addOthers]) add(group, parts)
  return group
}

function addCreate(group: Command, { config, terminal }: CommandParts): void {
  const command = group
    .command('create')
    .description('register a client; its secret is shown once')
    .addOption(new Option('--type <type>', 'what it is').choices(clientKinds).makeOptionMandatory())
    .requiredOption('--name <name>', 'name that people see')
  const { granted } = apiGrants(clientOptions(command))
  command.action((options: ClientOptions & { type: ClientKind; name: string }) =>
    withDatabase(config(), async (open) => {
      const input = {
        ...withoutNull(clientChanges(options)),
        kind: options.type,
        name: options.name,
        apis: granted(),
      }
      await prepare(open, input)
      const created = await registration(open).create(input)
      if (!created.ok) throw refuseProblems(created.problems)
      const { client, clientSecret } = created
      const text = [clientText(client, clientSecret), ...(clientSecret ? ['', secretNote] : [])].join('\n')
      terminal.print(clientJson(client, clientSecret), text)
    }),
  )
}

function addUpdate(group: Command, { config, terminal }: CommandParts): void {
  const command = group
    .command('update <client-id>')
    .description('change a client; a list that is given replaces the one before')
    .option('--name <name>', 'name that people see')
    // Before its opposite: otherwise commander takes it as given.
    .option('--pkce', 'PKCE is required again')
  const { granted } = apiGrants(clientOptions(command))
  command
    .option('--no-first-party', 'people are asked for consent')
    .option('--no-token-exchange', 'the opposite of --token-exchange')
    .option('--disable', 'no more tokens; what it holds is withdrawn')
    .option('--enable', 'the opposite of --disable')
  command.action((clientId: string, options: UpdateOptions) => {
    if (options.disable && options.enable) throw new UsageError('--disable and --enable: give only one of them.')
    return withDatabase(config(), (open) =>
      open.database.transaction(async () => {
        const before = await demandClient(open, clientId)
        const { [adminAudience(open.config.issuer)]: _, ...apis } = before.apis
        const changes: ClientInputChanges = { ...clientChanges(options), apis: granted(Object.keys(apis)) }
        await prepare(open, changes)
        const updated = await registration(open).update(clientId, changes)
        if (!updated.ok) throw updated.reason ? refusal(updated.reason, clientId) : refuseProblems(updated.problems)
        if (options.disable) await open.revocation.disableClient(clientId)
        if (options.enable) await open.revocation.enableClient(clientId)
        const after = await demandClient(open, clientId)
        terminal.print(clientJson(after), clientText(after))
      }),
    )
  })
}

function addOthers(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('list')
    .description('all clients')
    .action(() =>
      withDatabase(config(), async ({ clients }) => {
        const all = await everyPage(clients.list, ({ clientId }) => clientId)
        const rows = all.map((client) => [client.clientId, client.kind, clientState(client), client.name])
        const text = table(['CLIENT_ID', 'TYPE', 'STATE', 'NAME'], rows, 'No client is registered yet.')
        terminal.print({ clients: all.map((client) => clientJson(client)) }, text)
      }),
    )
  group
    .command('show <client-id>')
    .description('one client')
    .action((clientId: string) =>
      withDatabase(config(), async (open) => {
        const client = await demandClient(open, clientId)
        terminal.print(clientJson(client), clientText(client))
      }),
    )
  group
    .command('delete <client-id>')
    .description('take it away with all its tokens, grants and consents')
    .action((clientId: string) =>
      withDatabase(config(), async (open) => {
        if ((await demandClient(open, clientId)).isBuiltIn) throw refusal('built_in', clientId)
        await open.revocation.deleteClient(clientId)
        terminal.print({ client_id: clientId, deleted: true }, `Deleted ${clientId}.`)
      }),
    )
  group
    .command('rotate-secret <client-id>')
    .description('make a new secret; the old one stays good for a while')
    .option('--overlap <seconds>', 'how long the old secret stays good', wholeNumber)
    .action((clientId: string, { overlap }: { overlap?: number }) =>
      withDatabase(config(), async (open) => {
        const rotated = await registration(open).rotateSecret(clientId, { overlapSeconds: overlap })
        if (!rotated.ok) throw refusal(rotated.reason, clientId)
        const { clientSecret, oldSecretsExpireAt } = rotated
        const until = oldSecretsExpireAt.toISOString()
        terminal.print(
          { client_id: clientId, client_secret: clientSecret, old_secrets_expire_at: until },
          `client_id      ${clientId}\nclient_secret  ${clientSecret}\n\n${secretNote}\nEarlier secrets end at ${until}.`,
        )
      }),
    )
}

const registration = ({ clients, apis, database, config }: OpenDatabase) =>
  createClientRegistration({
    store: clients,
    findApi: apis.find,
    transaction: database.transaction,
    adminAudience: adminAudience(config.issuer),
  })

/** What a client refers to must be there before it: the admin API, and a key for its ID tokens. */
async function prepare(open: OpenDatabase, input: ClientInputChanges): Promise<void> {
  if (input.adminScopes) await demandAdminApi(open)
  const alg = input.idTokenSignedResponseAlg
  if (alg) await (await openKeyRing(open)).ensureAlgorithm(alg)
}

async function demandClient({ clients }: OpenDatabase, clientId: string): Promise<Client> {
  const client = await clients.find(clientId)
  if (!client) throw notFound('client', clientId)
  return client
}

function refusal(reason: 'not_found' | 'version_conflict' | 'built_in' | 'no_secret', clientId: string) {
  const messages = {
    not_found: `There is no client ${clientId}.`,
    version_conflict: `Somebody else has changed ${clientId} in this moment. Look again and repeat.`,
    built_in: `${clientId} belongs to the server itself and cannot be changed.`,
    no_secret: `${clientId} has no secret: it does not authenticate with one.`,
  }
  return new CommandRefusal(reason, messages[reason])
}
