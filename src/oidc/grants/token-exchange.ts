// The grant of token exchange (RFC 8693): reads the request, weighs its tokens, asks the policies, issues the new token.
import type { JSONWebKeySet } from 'jose'
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider'
import type { ApiCache } from '../../apis/api-cache.ts'
import type { Api } from '../../apis/api-store.ts'
import { exchangeGrantType } from '../../clients/exchange/exchange-grant.ts'
import type { ExchangeRulesCache } from '../../clients/exchange/exchange-rules-cache.ts'
import { signJwt } from '../../keys/sign-jwt.ts'
import type { ApiEncryptionKeys } from '../encryption/api-encryption.ts'
import { resourceServer } from '../policy/resource-policy.ts'
import { noteExchangeClaims } from './exchange-claims.ts'
import { type AllowedExchange, exchangeDecision, type RefusedExchange } from './exchange-decision.ts'
import {
  type ExchangeParameters,
  type ExchangeRequest,
  exchangeParameters,
  readExchangeRequest,
  type TransactionContext,
  tokenTypes,
} from './exchange-request.ts'
import { provedKey } from './proof-of-possession.ts'
import { type KnownSubject, transactionTokenType } from './subject-claims.ts'
import type { SubjectTokens } from './subject-tokens.ts'
import { transactionClaims } from './transaction-claims.ts'

export interface TokenExchangeParts {
  apis: Pick<ApiCache, 'find'>
  rules: Pick<ExchangeRulesCache, 'policiesOf'>
  subjectTokens: SubjectTokens
  issuer: string
  privateKeys: JSONWebKeySet
  demandKey(alg: Api['signingAlg']): Promise<void>
  encryption: ApiEncryptionKeys
  now(): Date
}

export function registerTokenExchange(provider: Provider, parts: TokenExchangeParts): void {
  const handle = async (given: object) => {
    const ctx = given as KoaContextWithOIDC
    const { params, client } = ctx.oidc
    if (!client) throw new TypeError('The engine has authenticated nobody.')
    const read = readExchangeRequest(params as ExchangeParameters)
    if (!read.ok) throw refusal(read.error, read.description)
    const key = await provedKey(ctx)
    const subject = await knownSubject(read.request, key, parts)
    const actor = await actorOf(read.request, client.clientId, key, parts)
    const { audience, tokenType, scopes, context } = read.request
    const api = await parts.apis.find(audience)
    const decision = exchangeDecision(await parts.rules.policiesOf(client.clientId), {
      clientId: client.clientId,
      audience,
      tokenType,
      api: api && { scopes: api.scopes.map(({ scope }) => scope), tokenTtl: api.tokenTtl },
      scopes,
      subject,
      actor,
      now: Math.floor(parts.now().getTime() / 1000),
    })
    if (!decision.ok) throw refusedBy(decision)
    if (!api) throw new TypeError('An exchange was allowed for an API that is not there.')
    if (tokenType === 'txn_token') await issueTransaction(ctx, { api, decision, subject, key }, context, parts)
    else await issue(ctx, { api, decision, subject, key }, parts)
  }
  // Several targets are told apart from none, so they may be given twice.
  registerGrant(provider, handle)
}

// The published types ask for a context of their own; the engine hands over the one that it has.
function registerGrant(provider: Provider, handle: (ctx: object) => Promise<void>): void {
  provider.registerGrantType(exchangeGrantType, handle as never, [...exchangeParameters], ['audience', 'resource'])
}

async function knownSubject(
  { subject: presented }: ExchangeRequest,
  key: string | undefined,
  { subjectTokens }: TokenExchangeParts,
): Promise<KnownSubject> {
  const read = await subjectTokens.read(presented)
  if (!read.ok) throw refusal('invalid_request', `subject_token: ${read.cause}`)
  if (read.subject.jkt !== undefined && read.subject.jkt !== key)
    throw refusal('invalid_request', 'the subject_token is bound to a key: send a DPoP proof by that key')
  return read.subject
}

/** Whoever acts shows a token of its own, issued to the client that asks: others' tokens are easily come by. */
async function actorOf(
  { actor: presented }: ExchangeRequest,
  clientId: string,
  key: string | undefined,
  { subjectTokens }: TokenExchangeParts,
): Promise<string | undefined> {
  if (!presented) return undefined
  const read = await subjectTokens.read(presented)
  if (!read.ok) throw refusal('invalid_request', `actor_token: ${read.cause}`)
  const { subject: actor } = read
  if (actor.clientId !== clientId)
    throw refusal('invalid_request', 'the actor_token was issued to another client than the one that asks')
  if (actor.act) throw refusal('invalid_request', 'the actor_token is itself one in which somebody acts for another')
  if (actor.jkt !== undefined && actor.jkt !== key)
    throw refusal('invalid_request', 'the actor_token is bound to a key: send a DPoP proof by that key')
  return actor.sub
}

interface Issue {
  api: Api
  decision: AllowedExchange
  subject: KnownSubject
  key: string | undefined
}

async function issue(ctx: KoaContextWithOIDC, { api, decision, subject, key }: Issue, parts: TokenExchangeParts) {
  const { provider, client } = ctx.oidc
  if (api.tokenFormat === 'jwt') await parts.demandKey(api.signingAlg)
  noteExchangeClaims(ctx, { ...subject.authentication, act: decision.act })
  const token = new provider.AccessToken({
    client,
    accountId: subject.sub,
    grantId: subject.grantId,
    gty: exchangeGrantType,
    expiresIn: decision.lifetime,
    scope: decision.scopes.join(' ') || undefined,
  } as never)
  const encrypt = await parts.encryption.keyOf(api)
  token.resourceServer = new provider.ResourceServer(
    api.audience,
    resourceServer(api, decision.scopes, encrypt) as never,
  )
  if (key !== undefined) token.setThumbprint('jkt', key)
  ctx.oidc.entity('AccessToken', token)
  ctx.body = {
    access_token: await token.save(),
    issued_token_type: tokenTypes.access_token,
    token_type: token.tokenType,
    expires_in: decision.lifetime,
    ...(token.scope && { scope: token.scope }),
  }
}

/** The trust domain is an API whose tokens have a type of their own; they are short, and no bearer tokens for anything else. */
async function issueTransaction(
  ctx: KoaContextWithOIDC,
  { api, decision, subject }: Issue,
  context: TransactionContext,
  { demandKey, privateKeys, issuer, now }: TokenExchangeParts,
) {
  const made = transactionClaims({ issuer, api, decision, subject, context, now: now(), by: clientIdOf(ctx) })
  if (!made.ok) throw refusal('invalid_request', made.cause)
  await demandKey(api.signingAlg)
  const { lifetime, scopes } = decision
  ctx.body = {
    access_token: await signJwt(
      { signing: privateKeys.keys },
      api.signingAlg,
      { typ: transactionTokenType },
      made.claims,
    ),
    issued_token_type: tokenTypes.txn_token,
    token_type: 'N_A',
    expires_in: lifetime,
    scope: scopes.join(' '),
  }
}

const clientIdOf = ({ oidc }: KoaContextWithOIDC): string => {
  if (!oidc.client) throw new TypeError('The engine has authenticated nobody.')
  return oidc.client.clientId
}

const words = {
  invalid_request: 'the exchange is not possible as it was asked for',
  invalid_target: 'no token can be had for this target',
}

const refusedBy = (decision: RefusedExchange): Error =>
  decision.error === 'invalid_scope'
    ? new errors.InvalidScope('this scope cannot be had by exchange', decision.scope ?? '', {
        detail: clean(decision.description),
      } as never)
    : refusal(decision.error, decision.description)

/** The cause goes to the log, and in development to the caller. */
function refusal(error: 'invalid_request' | 'invalid_target', cause: string): Error {
  const options = { detail: clean(cause) } as never
  return error === 'invalid_target'
    ? new errors.InvalidTarget(words.invalid_target, options)
    : new errors.InvalidRequest(words.invalid_request, undefined, options)
}

/** It may repeat what the caller has sent (RFC 6749 section 5.2 tells which characters are allowed). */
const clean = (text: string): string => text.replace(/[^\x20-\x7e]|["\\]/g, '').slice(0, 500)
