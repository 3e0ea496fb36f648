// Decides whether one token may be exchanged for another (RFC 8693), by the policies alone: pure, the same for the grant and `token explain`.
import type { ExchangePolicy, IssuedType } from '../../clients/exchange/exchange-policy-store.ts'

/** Who acts, and for whom that one acted before (RFC 8693 section 4.1). */
export interface Actor {
  sub: string
  act?: Actor | undefined
}

/** What a token says that has been found good. */
export interface Subject {
  kind: 'access_token' | 'refresh_token' | 'id_token' | 'jwt' | 'txn_token'
  /** An account's `sub`, or a machine's client_id. */
  sub: string
  /** The client that it was issued to; of an issuer outside, nobody here. */
  clientId: string | undefined
  /** The APIs that it is for. */
  audiences: readonly string[]
  /** The issuer outside that it comes from. */
  issuer: string | undefined
  scopes: readonly string[]
  /** Seconds since the epoch. */
  expiresAt: number
  /** Who has acted so far, the last one outermost. */
  act: Actor | undefined
  /** The only one who may act for it (RFC 8693 section 4.4). */
  mayAct: string | undefined
}

export interface ExchangeDemand {
  clientId: string
  audience: string
  tokenType: IssuedType
  /** As far as the API exists; what it calls its scopes, and how long its tokens live. */
  api: { scopes: readonly string[]; tokenTtl: number } | undefined
  /** Undefined: as much as there is. */
  scopes: readonly string[] | undefined
  subject: Pick<
    Subject,
    'kind' | 'sub' | 'clientId' | 'audiences' | 'issuer' | 'scopes' | 'expiresAt' | 'act' | 'mayAct'
  >
  /** By an actor token; without one the client itself acts. */
  actor: string | undefined
  /** Seconds since the epoch. */
  now: number
}

export interface AllowedExchange {
  ok: true
  policy: ExchangePolicy
  scopes: string[]
  /** Seconds. */
  lifetime: number
  act: Actor | undefined
}

export interface RefusedExchange {
  ok: false
  error: 'invalid_request' | 'invalid_target' | 'invalid_scope'
  reason:
    | 'no_api'
    | 'no_policy_for_audience'
    | 'no_policy_for_subject'
    | 'not_for_this_type'
    | 'other_domain'
    | 'expired'
    | 'actor_unwanted'
    | 'actor_not_allowed'
    | 'too_deep'
    | 'scope_needed'
    | 'scope_not_in_policy'
    | 'scope_not_in_api'
    | 'scope_not_in_subject'
  description: string
  scope?: string
  /** The one that came nearest. */
  policy?: ExchangePolicy | undefined
}

export type ExchangeDecision = AllowedExchange | RefusedExchange

export function exchangeDecision(policies: readonly ExchangePolicy[], demand: ExchangeDemand): ExchangeDecision {
  const { clientId, audience, tokenType, subject, api } = demand
  if (!api) return refused('no_api', `there is no API ${audience}`)
  const unfit = unfitness(demand)
  if (unfit) return unfit
  const forAudience = policies.filter(
    (policy) => policy.clientId === clientId && policy.audience === audience && policy.tokenType === tokenType,
  )
  if (forAudience.length === 0)
    return refused(
      'no_policy_for_audience',
      `no policy lets ${clientId} exchange anything for ${tokenType === 'txn_token' ? 'a transaction token of ' : ''}${audience}`,
    )
  // Where several would do, the oldest one counts, so that the answer does not depend on chance.
  const candidates = forAudience.filter((policy) => isAbout(policy, subject)).sort(byAge)
  if (candidates.length === 0)
    return refused(
      'no_policy_for_subject',
      `no policy lets ${clientId} exchange this token for ${audience}: ${shown(subject)}`,
    )
  const decisions = candidates.map((policy) => byPolicy(policy, api, demand))
  return decisions.find(({ ok }) => ok) ?? (decisions[0] as ExchangeDecision)
}

/** What no policy could allow (draft-ietf-oauth-transaction-tokens). */
function unfitness({ tokenType, audience, scopes, subject }: ExchangeDemand): RefusedExchange | undefined {
  if (tokenType === 'access_token')
    return subject.kind === 'txn_token'
      ? refused('not_for_this_type', 'a transaction token is exchanged for another transaction token only')
      : undefined
  if (subject.kind === 'refresh_token')
    return refused('not_for_this_type', 'a refresh token is not exchanged for a transaction token')
  if (subject.kind === 'txn_token' && !subject.audiences.includes(audience))
    return refused('other_domain', 'a transaction token is replaced within its trust domain only')
  return scopes && scopes.length > 0
    ? undefined
    : refused('scope_needed', 'a transaction token has a purpose: name it as scope')
}

const byAge = (left: ExchangePolicy, right: ExchangePolicy): number =>
  left.createdAt.getTime() - right.createdAt.getTime() || left.id.localeCompare(right.id)

function isAbout({ subject: rule }: ExchangePolicy, { kind, audiences, clientId, issuer }: ExchangeDemand['subject']) {
  if (rule.kind === 'issuer') return kind === 'jwt' && rule.value === issuer
  if (kind === 'jwt') return false
  if (rule.kind === 'client') return rule.value === clientId
  // ID tokens are for clients, and refresh tokens for this server.
  return (kind === 'access_token' || kind === 'txn_token') && audiences.includes(rule.value)
}

type KnownApi = NonNullable<ExchangeDemand['api']>

function byPolicy(policy: ExchangePolicy, api: KnownApi, demand: ExchangeDemand): ExchangeDecision {
  const { subject, now } = demand
  const lifetime = Math.min(policy.maxTtl, api.tokenTtl, Math.floor(subject.expiresAt) - now)
  if (lifetime < 1) return refused('expired', 'the subject token has expired', policy)
  const acting = actingBy(policy, demand)
  if (!acting.ok) return acting
  const scopes = scopesBy(policy, api, demand)
  if (!scopes.ok) return scopes
  return { ok: true, policy, scopes: scopes.granted, lifetime, act: acting.act }
}

function actingBy(
  policy: ExchangePolicy,
  { clientId, subject, actor }: ExchangeDemand,
): { ok: true; act: Actor | undefined } | RefusedExchange {
  const isDelegation = policy.mode === 'delegation'
  if (!isDelegation && actor !== undefined)
    return refused('actor_unwanted', 'the policy is for impersonation, which takes no actor_token', policy)
  const acts = actor ?? clientId
  if (subject.mayAct !== undefined && subject.mayAct !== acts)
    return refused('actor_not_allowed', `the subject token lets ${subject.mayAct} act for it only (may_act)`, policy)
  // Who has acted before is never left out, in impersonation neither.
  const act = isDelegation ? { sub: acts, ...(subject.act && { act: subject.act }) } : subject.act
  const depth = depthOf(act)
  if (depth > policy.maxDepth)
    return refused(
      'too_deep',
      `${depth} parties would act one for another, the policy allows ${policy.maxDepth}`,
      policy,
    )
  return { ok: true, act }
}

export function depthOf(act: Actor | undefined): number {
  let depth = 0
  for (let actor = act; actor; actor = actor.act) depth += 1
  return depth
}

function scopesBy(
  policy: ExchangePolicy,
  api: KnownApi,
  { scopes, subject, audience }: ExchangeDemand,
): { ok: true; granted: string[] } | RefusedExchange {
  const isGranted = (scope: string) =>
    policy.scopes.includes(scope) && api.scopes.includes(scope) && subject.scopes.includes(scope)
  if (scopes === undefined) return { ok: true, granted: [...new Set(policy.scopes.filter(isGranted))] }
  for (const scope of scopes) {
    if (!api.scopes.includes(scope))
      return { ...refused('scope_not_in_api', `${audience} has no scope ${scope}`, policy), scope }
    if (!policy.scopes.includes(scope))
      return { ...refused('scope_not_in_policy', `the policy does not grant the scope ${scope}`, policy), scope }
    if (!subject.scopes.includes(scope))
      return { ...refused('scope_not_in_subject', `the subject token does not have the scope ${scope}`, policy), scope }
  }
  return { ok: true, granted: [...new Set(scopes)] }
}

const errorOf = (reason: RefusedExchange['reason']): RefusedExchange['error'] => {
  if (['no_api', 'no_policy_for_audience', 'other_domain'].includes(reason)) return 'invalid_target'
  return reason.startsWith('scope_') ? 'invalid_scope' : 'invalid_request'
}

const refused = (reason: RefusedExchange['reason'], description: string, policy?: ExchangePolicy): RefusedExchange => ({
  ok: false,
  error: errorOf(reason),
  reason,
  description,
  policy,
})

function shown({ kind, clientId, audiences, issuer }: ExchangeDemand['subject']): string {
  const facts = [
    ...(issuer === undefined ? [] : [`by ${issuer}`]),
    ...(clientId === undefined ? [] : [`issued to ${clientId}`]),
    ...(audiences.length === 0 ? [] : [`for ${audiences.join(', ')}`]),
  ]
  return [kind, ...facts].join(' ')
}
