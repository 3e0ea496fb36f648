// Decides which exchange policies may be made, for the command line and the admin API alike.
import type { Database } from '../../database/database.ts'
import { isMissingParent } from '../../database/faults.ts'
import type { GrantableApi } from '../client-rules.ts'
import type { Client, ClientStore } from '../client-store.ts'
import { mayExchangeTokens } from './exchange-grant.ts'
import {
  type ExchangeMode,
  type ExchangePolicy,
  type ExchangePolicyStore,
  type ExchangeSubjectRule,
  exchangeModes,
  type IssuedType,
  issuedTypes,
} from './exchange-policy-store.ts'
import type { TrustedIssuerStore } from './trusted-issuer-store.ts'

export interface ExchangePolicyInput {
  clientId: string
  /** Exactly one of the three. */
  subjectAudience?: string | undefined
  subjectClientId?: string | undefined
  subjectIssuer?: string | undefined
  audience: string
  /** An access token, when it is left out. */
  tokenType?: IssuedType | undefined
  scopes?: string[] | undefined
  /** Seconds; 300 when it is left out, 60 for transaction tokens. */
  maxTtl?: number | undefined
  mode?: ExchangeMode | undefined
  maxDepth?: number | undefined
}

export interface PolicyProblem {
  field: keyof ExchangePolicyInput
  message: string
}

export type ExchangePolicyCreated =
  | { ok: true; policy: ExchangePolicy }
  | { ok: false; reason: 'taken' }
  | { ok: false; reason?: never; problems: PolicyProblem[] }

export interface ExchangePolicyRegistrationParts {
  store: Pick<ExchangePolicyStore, 'insert' | 'remove'>
  issuers: Pick<TrustedIssuerStore, 'find'>
  findClient: ClientStore['find']
  findApi(audience: string): Promise<GrantableApi | undefined>
  transaction: Database['transaction']
}

export type ExchangePolicyRegistration = ReturnType<typeof createExchangePolicyRegistration>

export const longestExchange = 86_400
export const longestTransaction = 60
export const deepestChain = 8
const usualTtl = 300

export function createExchangePolicyRegistration(parts: ExchangePolicyRegistrationParts) {
  return {
    create: async (input: ExchangePolicyInput): Promise<ExchangePolicyCreated> => {
      try {
        return await parts.transaction(() => create(input, parts))
      } catch (error) {
        if (!isMissingParent(error)) throw error
        const message = 'A client, an API or an issuer was removed in this moment. Look again and repeat.'
        return { ok: false, problems: [{ field: 'audience', message }] }
      }
    },
    remove: (id: string): Promise<boolean> => parts.store.remove(id),
  }
}

async function create(
  input: ExchangePolicyInput,
  parts: ExchangePolicyRegistrationParts,
): Promise<ExchangePolicyCreated> {
  const { mode = 'delegation', tokenType = 'access_token', clientId, audience } = input
  const { maxTtl = tokenType === 'txn_token' ? longestTransaction : usualTtl } = input
  const { scopes = [], maxDepth = mode === 'delegation' ? 1 : 0 } = input
  const problems = [
    ...(await clientProblems(clientId, parts)),
    ...(await subjectProblems(input, parts)),
    ...(await targetProblems(audience, scopes, parts)),
    ...limitProblems({ mode, maxTtl, maxDepth }),
    ...typeProblems({ tokenType, mode, maxTtl }, scopes),
  ]
  const [subject] = subjectsOf(input)
  if (problems.length > 0 || !subject) return { ok: false, problems }
  const unique = [...new Set(scopes)]
  const policy = await parts.store.insert({
    clientId,
    subject,
    audience,
    tokenType,
    scopes: unique,
    maxTtl,
    mode,
    maxDepth,
  })
  return policy ? { ok: true, policy } : { ok: false, reason: 'taken' }
}

const problem = (field: keyof ExchangePolicyInput, message: string): PolicyProblem[] => [{ field, message }]
const short = (text: string) => text.slice(0, 255)

async function clientProblems(clientId: string, { findClient }: ExchangePolicyRegistrationParts) {
  const client = await findClient(clientId)
  if (!client || client.isBuiltIn) return problem('clientId', `There is no client ${short(clientId)}.`)
  return mayExchangeTokens(client)
    ? []
    : problem(
        'clientId',
        `${clientId} may not exchange tokens: clients update ${clientId} --token-exchange (in the admin API: token_exchange).`,
      )
}

function subjectsOf({ subjectAudience, subjectClientId, subjectIssuer }: ExchangePolicyInput): ExchangeSubjectRule[] {
  return [
    ...(subjectAudience === undefined ? [] : [{ kind: 'audience' as const, value: subjectAudience }]),
    ...(subjectClientId === undefined ? [] : [{ kind: 'client' as const, value: subjectClientId }]),
    ...(subjectIssuer === undefined ? [] : [{ kind: 'issuer' as const, value: subjectIssuer }]),
  ]
}

async function subjectProblems(input: ExchangePolicyInput, parts: ExchangePolicyRegistrationParts) {
  const subjects = subjectsOf(input)
  const [subject] = subjects
  if (!subject || subjects.length > 1)
    return problem(
      'subjectAudience',
      'Say what may be exchanged, by exactly one of: an API that the tokens are for, a client that they were issued to, a trusted issuer.',
    )
  const { kind, value } = subject
  if (kind === 'issuer')
    return (await parts.issuers.find(value))
      ? []
      : problem(
          'subjectIssuer',
          `There is no trusted issuer ${short(value)}. Declare it first: trusted-issuers create.`,
        )
  if (kind === 'client') {
    const client: Client | undefined = await parts.findClient(value)
    return client && !client.isBuiltIn ? [] : problem('subjectClientId', `There is no client ${short(value)}.`)
  }
  return apiProblem('subjectAudience', value, await parts.findApi(value))
}

async function targetProblems(audience: string, scopes: readonly string[], parts: ExchangePolicyRegistrationParts) {
  const api = await parts.findApi(audience)
  const wrong = apiProblem('audience', audience, api)
  if (wrong.length > 0) return wrong
  const existing = api?.scopes.map(({ scope }) => scope) ?? []
  const unknown = scopes.filter((scope) => !existing.includes(scope))
  const list = existing.length > 0 ? `It has: ${existing.join(', ')}.` : 'It has none.'
  return unknown.flatMap((scope) => problem('scopes', `${audience} has no scope ${scope.slice(0, 100)}. ${list}`))
}

function apiProblem(field: 'subjectAudience' | 'audience', audience: string, api: GrantableApi | undefined) {
  if (!api) return problem(field, `There is no API ${short(audience)}. Register it first: apis create.`)
  return api.isBuiltIn ? problem(field, 'Tokens for the admin API are neither exchanged nor got by exchange.') : []
}

function limitProblems({ mode, maxTtl, maxDepth }: { mode: ExchangeMode; maxTtl: number; maxDepth: number }) {
  const isWhole = (value: number, least: number, most: number) =>
    Number.isInteger(value) && value >= least && value <= most
  const leastDepth = mode === 'delegation' ? 1 : 0
  return [
    ...(exchangeModes.includes(mode) ? [] : problem('mode', `The mode must be one of ${exchangeModes.join(', ')}.`)),
    ...(isWhole(maxTtl, 1, longestExchange)
      ? []
      : problem('maxTtl', `The lifetime must be a whole number of seconds from 1 to ${longestExchange}.`)),
    ...(isWhole(maxDepth, leastDepth, deepestChain)
      ? []
      : problem('maxDepth', `The depth of a ${mode} must be a whole number from ${leastDepth} to ${deepestChain}.`)),
  ]
}

function typeProblems(
  { tokenType, mode, maxTtl }: { tokenType: IssuedType; mode: ExchangeMode; maxTtl: number },
  scopes: readonly string[],
) {
  if (!issuedTypes.includes(tokenType))
    return problem('tokenType', `The type of the token must be one of ${issuedTypes.join(', ')}.`)
  if (tokenType !== 'txn_token') return []
  return [
    ...(mode === 'delegation'
      ? []
      : problem('mode', 'A transaction token always names who acts: the mode is delegation.')),
    ...(maxTtl > longestTransaction
      ? problem('maxTtl', `A transaction token lives ${longestTransaction} seconds at most.`)
      : []),
    ...(scopes.length > 0 ? [] : problem('scopes', 'A transaction token has a purpose: name at least one scope.')),
  ]
}
