// `gatehouse exchange-policies`: decides which client may exchange what tokens for which API (RFC 8693).
import { Command, Option } from 'commander'
import {
  createExchangePolicyRegistration,
  type ExchangePolicyInput,
} from '../../clients/exchange/exchange-policy-registration.ts'
import {
  createExchangePolicyStore,
  type ExchangePolicy,
  exchangeModes,
  issuedTypes,
} from '../../clients/exchange/exchange-policy-store.ts'
import { createTrustedIssuerStore } from '../../clients/exchange/trusted-issuer-store.ts'
import type { CommandParts } from '../command-parts.ts'
import { type OpenDatabase, withDatabase } from '../open-database.ts'
import { collect, wholeNumber } from '../option-values.ts'
import { CommandRefusal, notFound, refuseProblems } from '../refusals.ts'
import { everyPage } from '../registry/every-page.ts'
import { lines, table } from '../terminal.ts'

interface CreateOptions {
  client: string
  subjectAudience?: string
  subjectClient?: string
  subjectIssuer?: string
  audience: string
  tokenType?: ExchangePolicyInput['tokenType']
  scope?: string[]
  ttl?: number
  mode?: ExchangePolicyInput['mode']
  maxDepth?: number
}

export function exchangePoliciesCommand(parts: CommandParts): Command {
  const group = new Command('exchange-policies')
  for (const add of [addCreate, addOthers]) add(group, parts)
  return group
}

function addCreate(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('create')
    .description('let a client exchange tokens; what no policy allows is refused')
    .requiredOption('--client <client-id>', 'who may exchange; it needs `clients update --token-exchange`')
    .option('--subject-audience <uri>', 'access tokens for this API')
    .option('--subject-client <client-id>', 'access, refresh and ID tokens that were issued to this client')
    .option('--subject-issuer <url>', 'JWTs of this trusted issuer')
    .requiredOption('--audience <uri>', 'the API that the new token is for')
    .addOption(new Option('--token-type <type>', 'of the new token, access_token by default').choices(issuedTypes))
    .option('--scope <scope>', 'a scope that the new token may have, if the one before has it (repeatable)', collect)
    .option('--ttl <seconds>', 'lifetime of the new token at most, 300 by default; 60 for a txn_token', wholeNumber)
    .addOption(
      new Option('--mode <mode>', 'delegation names who acts (act), impersonation does not').choices(exchangeModes),
    )
    .option('--max-depth <number>', 'how many may act one for another, 1 by default', wholeNumber)
    .action((options: CreateOptions) =>
      withDatabase(config(), async (open) => {
        const created = await registration(open).create({
          clientId: options.client,
          subjectAudience: options.subjectAudience,
          subjectClientId: options.subjectClient,
          subjectIssuer: options.subjectIssuer,
          audience: options.audience,
          tokenType: options.tokenType,
          scopes: options.scope,
          maxTtl: options.ttl,
          mode: options.mode,
          maxDepth: options.maxDepth,
        })
        if (!created.ok) throw created.reason ? taken() : refuseProblems(created.problems)
        terminal.print(policyJson(created.policy), policyText(created.policy))
      }),
    )
}

function addOthers(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('list')
    .description('all policies')
    .action(() =>
      withDatabase(config(), async (open) => {
        const all = await everyPage(createExchangePolicyStore(open).list, ({ id }) => id)
        const rows = all.map((policy) => [policy.id, policy.clientId, shown(policy), policy.audience, policy.mode])
        const text = table(['ID', 'CLIENT', 'EXCHANGES', 'FOR', 'MODE'], rows, 'No client may exchange anything yet.')
        terminal.print({ exchange_policies: all.map(policyJson) }, text)
      }),
    )
  group
    .command('show <id>')
    .description('one policy')
    .action((id: string) =>
      withDatabase(config(), async (open) => {
        const policy = await createExchangePolicyStore(open).find(id)
        if (!policy) throw notFound('exchange policy', id)
        terminal.print(policyJson(policy), policyText(policy))
      }),
    )
  group
    .command('delete <id>')
    .description('take it away; tokens that were got by it live out their lifetime')
    .action((id: string) =>
      withDatabase(config(), async (open) => {
        if (!(await createExchangePolicyStore(open).remove(id))) throw notFound('exchange policy', id)
        terminal.print({ id, deleted: true }, `Deleted ${id}.`)
      }),
    )
}

const registration = (open: OpenDatabase) =>
  createExchangePolicyRegistration({
    store: createExchangePolicyStore(open),
    issuers: createTrustedIssuerStore(open),
    findClient: open.clients.find,
    findApi: open.apis.find,
    transaction: open.database.transaction,
  })

const taken = () =>
  new CommandRefusal(
    'taken',
    'There is a policy for this client, subject and API already: delete it, then make another.',
  )

const shown = ({ subject: { kind, value } }: ExchangePolicy) => `${kind} ${value}`

const subjectNames = { audience: 'subject_audience', client: 'subject_client_id', issuer: 'subject_issuer' } as const

export const policyJson = (policy: ExchangePolicy) => ({
  id: policy.id,
  client_id: policy.clientId,
  [subjectNames[policy.subject.kind]]: policy.subject.value,
  audience: policy.audience,
  token_type: policy.tokenType,
  scope: policy.scopes.join(' '),
  max_ttl: policy.maxTtl,
  mode: policy.mode,
  max_depth: policy.maxDepth,
  created_at: policy.createdAt.toISOString(),
})

const policyText = (policy: ExchangePolicy) =>
  lines({
    id: policy.id,
    client_id: policy.clientId,
    exchanges: `tokens by ${shown(policy)}`,
    for: policy.audience,
    'token type': policy.tokenType,
    scopes: policy.scopes.join(' ') || 'none',
    lifetime: `${policy.maxTtl} s at most`,
    mode: policy.mode,
    'max depth': policy.maxDepth,
  })
