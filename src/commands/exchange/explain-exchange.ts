// `gatehouse token explain`: tells whether an exchange would be allowed, by the server's own decision, and if not what is missing.
import { text } from 'node:stream/consumers'
import { type Command, Option } from 'commander'
import { mayExchangeTokens } from '../../clients/exchange/exchange-grant.ts'
import {
  createExchangePolicyStore,
  type ExchangePolicy,
  type IssuedType,
  issuedTypes,
} from '../../clients/exchange/exchange-policy-store.ts'
import { createTrustedIssuerStore } from '../../clients/exchange/trusted-issuer-store.ts'
import { exchangeDecision, type RefusedExchange } from '../../oidc/grants/exchange-decision.ts'
import { type TokenKind, tokenTypes } from '../../oidc/grants/exchange-request.ts'
import { createOutwardFetch } from '../../oidc/grants/outward-fetch.ts'
import type { KnownSubject } from '../../oidc/grants/subject-claims.ts'
import { createSubjectTokens } from '../../oidc/grants/subject-tokens.ts'
import { createTrustedJwts } from '../../oidc/grants/trusted-jwts.ts'
import { createIntrospectionPolicy } from '../../oidc/policy/introspection-policy.ts'
import { createArtifactStore } from '../../oidc/storage/artifact-store.ts'
import { createGrantStore } from '../../oidc/storage/grant-store.ts'
import type { CommandParts } from '../command-parts.ts'
import { type OpenDatabase, withDatabase } from '../open-database.ts'
import { openKeyRing } from '../open-key-ring.ts'
import { collect } from '../option-values.ts'
import { notFound } from '../refusals.ts'
import { everyPage } from '../registry/every-page.ts'
import { lines } from '../terminal.ts'
import { policyJson } from './exchange-policies-command.ts'

interface ExplainOptions {
  client: string
  audience: string
  tokenType?: IssuedType
  scope?: string[]
  subjectToken?: string
  subjectTokenType?: TokenKind
}

interface Explanation {
  allowed: boolean
  reason?: string
  message: string
  /** What to type, where there is something to type. */
  remedy?: string | undefined
  policy?: object
  scope?: string
  expires_in?: number
  act?: object | undefined
}

export function addExplain(group: Command, { config, terminal, stdin }: CommandParts): void {
  group
    .command('explain')
    .description('tell whether a token exchange would be allowed, and if not, which rule is missing and how to add it')
    .requiredOption('--client <client-id>', 'who would exchange')
    .requiredOption('--audience <uri>', 'the API that the new token would be for')
    .addOption(new Option('--token-type <type>', 'of the new token, access_token by default').choices(issuedTypes))
    .option('--scope <scope>', 'a scope that would be asked for (repeatable)', collect)
    .option('--subject-token <token>', 'the token that would be exchanged; - reads it from stdin')
    .addOption(
      new Option('--subject-token-type <type>', 'what it is, access_token by default').choices(Object.keys(tokenTypes)),
    )
    .action(async (options: ExplainOptions) => {
      const token = options.subjectToken === '-' ? (await text(stdin)).trim() : options.subjectToken
      const found = await withDatabase(config(), (open) => explain(open, { ...options, subjectToken: token }))
      const { policy: _, ...shown } = found
      const act = shown.act && JSON.stringify(shown.act)
      terminal.print(found, lines({ ...shown, act }))
    })
}

async function explain(
  open: OpenDatabase,
  {
    client: clientId,
    audience,
    tokenType = 'access_token',
    scope,
    subjectToken,
    subjectTokenType = 'access_token',
  }: Omit<ExplainOptions, 'subjectToken'> & { subjectToken: string | undefined },
): Promise<Explanation> {
  const client = await open.clients.find(clientId)
  if (!client) throw notFound('client', clientId)
  if (client.disabledAt) return no('disabled', `${clientId} is disabled.`, `clients update ${clientId} --enable`)
  if (!mayExchangeTokens(client))
    return no('not_enabled', `${clientId} may not exchange tokens.`, `clients update ${clientId} --token-exchange`)
  const policies = await everyPage(createExchangePolicyStore(open).list, ({ id }) => id)
  if (subjectToken === undefined) return withoutToken(policies, { clientId, audience, tokenType, scope })
  const read = await (await subjectTokens(open)).read({ kind: subjectTokenType, token: subjectToken })
  if (!read.ok) return no('subject_token', `The token is not acceptable: ${read.cause}.`)
  const api = await open.apis.find(audience)
  const decision = exchangeDecision(policies, {
    clientId,
    audience,
    tokenType,
    api: api && { scopes: api.scopes.map((entry) => entry.scope), tokenTtl: api.tokenTtl },
    scopes: scope,
    subject: read.subject,
    actor: undefined,
    now: Math.floor(Date.now() / 1000),
  })
  if (!decision.ok) return refusedBy(decision, read.subject, { clientId, audience, tokenType, scope })
  const key =
    read.subject.jkt === undefined ? '' : ' The token is bound to a key: the request needs a DPoP proof by it.'
  return {
    allowed: true,
    message: `The exchange would be allowed by the policy ${decision.policy.id}.${key}`,
    policy: policyJson(decision.policy),
    scope: decision.scopes.join(' '),
    expires_in: decision.lifetime,
    act: decision.act,
  }
}

const no = (reason: string, message: string, command?: string): Explanation => ({
  allowed: false,
  reason,
  message,
  ...(command && { remedy: `npx gatehouse ${command}` }),
})

interface Asked {
  clientId: string
  audience: string
  tokenType: IssuedType
  scope?: string[] | undefined
}

function withoutToken(policies: ExchangePolicy[], asked: Asked): Explanation {
  const { clientId, audience, tokenType } = asked
  const own = policies.filter(
    (policy) => policy.clientId === clientId && policy.audience === audience && policy.tokenType === tokenType,
  )
  if (own.length === 0) {
    const message = `No policy lets ${clientId} exchange anything for ${audience}.`
    return no('no_policy_for_audience', message, createPolicy('--subject-audience URI', asked))
  }
  const list = own.map(({ subject, scopes }) => `${subject.kind} ${subject.value} (${scopes.join(' ') || 'no scope'})`)
  return {
    allowed: true,
    message: `With a good token by one of: ${list.join('; ')}. Give --subject-token to be told more.`,
  }
}

function refusedBy({ reason, description, policy }: RefusedExchange, subject: KnownSubject, asked: Asked): Explanation {
  const message = `${description.charAt(0).toUpperCase()}${description.slice(1)}.`
  return { ...no(reason, message, remedyFor(reason, subject, asked)), ...(policy && { policy: policyJson(policy) }) }
}

/** What is not the policies' affair has no remedy here: a token that has expired, or lacks the scope. */
function remedyFor(reason: RefusedExchange['reason'], subject: KnownSubject, asked: Asked): string | undefined {
  switch (reason) {
    case 'no_api':
      return `apis create --audience ${asked.audience} --name NAME`
    case 'scope_not_in_api':
      return `apis update ${asked.audience} --scope NAME … (the whole list)`
    case 'no_policy_for_audience':
    case 'no_policy_for_subject':
      return createPolicy(subjectOption(subject), asked)
    case 'scope_not_in_policy':
      return `exchange-policies delete ID, then ${createPolicy(subjectOption(subject), asked)}`
    case 'too_deep':
      return `exchange-policies delete ID, then ${createPolicy(subjectOption(subject), asked)} --max-depth N`
    default:
      return undefined
  }
}

function subjectOption({ issuer, kind, audiences: [audience], clientId }: KnownSubject): string {
  if (issuer !== undefined) return `--subject-issuer ${issuer}`
  return (kind === 'access_token' || kind === 'txn_token') && audience !== undefined
    ? `--subject-audience ${audience}`
    : `--subject-client ${clientId}`
}

const createPolicy = (subject: string, { clientId, audience, tokenType, scope = [] }: Asked) =>
  [
    'exchange-policies create',
    `--client ${clientId}`,
    subject,
    `--audience ${audience}`,
    ...(tokenType === 'txn_token' ? ['--token-type txn_token'] : []),
    ...scope.map((one) => `--scope ${one}`),
  ].join(' ')

/** As the server reads them, from the database instead of its memory. */
async function subjectTokens(open: OpenDatabase) {
  const { public: publicKeys } = await (await openKeyRing(open)).load()
  const { issuer } = open.config
  const introspection = createIntrospectionPolicy({ ...open, issuer, publicKeys })
  return createSubjectTokens({
    ...open,
    issuer,
    publicKeys,
    artifacts: createArtifactStore(open),
    grants: createGrantStore(open),
    findClient: open.clients.find,
    liveClaims: introspection.liveClaims,
    trustedJwts: createTrustedJwts({
      findIssuer: createTrustedIssuerStore(open).find,
      accounts: open.accounts,
      fetch: createOutwardFetch(),
    }),
  })
}
