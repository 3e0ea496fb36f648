// Reads the parameters of a token exchange (RFC 8693 section 2.1): what is asked for, or what is wrong with the question.
import { type IssuedType, issuedTypes } from '../../clients/exchange/exchange-policy-store.ts'

export const tokenTypes = {
  access_token: 'urn:ietf:params:oauth:token-type:access_token',
  refresh_token: 'urn:ietf:params:oauth:token-type:refresh_token',
  id_token: 'urn:ietf:params:oauth:token-type:id_token',
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
  txn_token: 'urn:ietf:params:oauth:token-type:txn_token',
} as const

export type TokenKind = keyof typeof tokenTypes

/** Beside `grant_type` and what authenticates the client. */
export const exchangeParameters = [
  'subject_token',
  'subject_token_type',
  'actor_token',
  'actor_token_type',
  'requested_token_type',
  'audience',
  'resource',
  'scope',
  'request_context',
  'request_details',
] as const

export type ExchangeParameters = {
  [Name in (typeof exchangeParameters)[number]]?: string | string[] | undefined
}

export interface PresentedToken {
  kind: TokenKind
  token: string
}

export interface ExchangeRequest {
  subject: PresentedToken
  actor: PresentedToken | undefined
  audience: string
  tokenType: IssuedType
  scopes: string[] | undefined
  /** What a transaction token is to tell of the request, and of what it is about. */
  context: TransactionContext
}

export interface TransactionContext {
  requestContext: Record<string, unknown> | undefined
  requestDetails: Record<string, unknown> | undefined
}

export type ReadRequest =
  | { ok: true; request: ExchangeRequest }
  | { ok: false; error: 'invalid_request' | 'invalid_target'; description: string }

const longestToken = 16_384
const kindOf = (type: unknown) => (Object.keys(tokenTypes) as TokenKind[]).find((kind) => tokenTypes[kind] === type)

export function readExchangeRequest(params: ExchangeParameters): ReadRequest {
  const subject = presented('subject', params.subject_token, params.subject_token_type)
  if (typeof subject === 'string') return wrong(subject)
  if (!subject) return wrong('subject_token and subject_token_type are needed')
  const actor = presented('actor', params.actor_token, params.actor_token_type)
  if (typeof actor === 'string') return wrong(actor)
  if (actor && actor.kind !== 'access_token' && actor.kind !== 'id_token')
    return wrong(
      `an actor_token is an access token or an ID token of this server (${tokenTypes.access_token}, ${tokenTypes.id_token})`,
    )
  const tokenType = issuedTypes.find(
    (type) => tokenTypes[type] === (params.requested_token_type ?? tokenTypes.access_token),
  )
  if (!tokenType) return wrong(`requested_token_type must be ${tokenTypes.access_token} or ${tokenTypes.txn_token}`)
  const context = contextIn(params)
  if (typeof context === 'string') return wrong(context)
  if (tokenType === 'txn_token' && actor) return wrong('a transaction token is asked for without an actor_token')
  const targets = [...new Set([params.audience, params.resource].flat().filter((target) => target !== undefined))]
  const [audience] = targets
  if (audience === undefined || targets.length > 1)
    return { ok: false, error: 'invalid_target', description: 'name one API, with audience or resource' }
  const scopes = typeof params.scope === 'string' ? params.scope.split(' ').filter(Boolean) : undefined
  return { ok: true, request: { subject, actor, audience, tokenType, scopes, context } }
}

/** Of each of the two, in characters of its JSON. */
const mostContext = 4096

function contextIn({ request_context: rctx, request_details: tctx }: ExchangeParameters): TransactionContext | string {
  const requestContext = objectIn(rctx)
  const requestDetails = objectIn(tctx)
  if (requestContext === false || requestDetails === false)
    return `request_context and request_details are JSON objects of at most ${mostContext} characters each`
  return { requestContext, requestDetails }
}

/** False when it is none. */
function objectIn(text: unknown): Record<string, unknown> | undefined | false {
  if (text === undefined) return undefined
  if (typeof text !== 'string' || text.length > mostContext) return false
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) && (value as Record<string, unknown>)
  } catch {
    return false
  }
}

const wrong = (description: string) => ({ ok: false as const, error: 'invalid_request' as const, description })

/** What is wrong, as a text; undefined when there is none. */
function presented(role: 'subject' | 'actor', token: unknown, type: unknown): PresentedToken | string | undefined {
  if (token === undefined && type === undefined) return undefined
  if (typeof token !== 'string' || token === '' || typeof type !== 'string')
    return `${role}_token and ${role}_token_type go together (RFC 8693 section 2.1)`
  const kind = kindOf(type)
  if (!kind) return `${role}_token_type must be one of ${Object.values(tokenTypes).join(', ')}`
  return token.length > longestToken ? `${role}_token is longer than ${longestToken} characters` : { kind, token }
}
