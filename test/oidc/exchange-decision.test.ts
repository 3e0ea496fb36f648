// Whatever the policies and whatever the token: an exchange never widens anything (property tests over the pure decision).
import fc from 'fast-check'
import type { ExchangePolicy } from '../../src/clients/exchange/exchange-policy-store.ts'
import { type Actor, depthOf, type ExchangeDemand, exchangeDecision } from '../../src/oidc/grants/exchange-decision.ts'

const clients = ['client_a', 'client_b', 'client_c']
const audiences = ['urn:orders', 'urn:stock', 'urn:billing']
const issuers = ['https://one.example', 'https://two.example']
const scopeNames = ['read', 'write', 'count', 'destroy']
const now = 1_800_000_000

const tokenType = fc.oneof(
  { weight: 3, arbitrary: fc.constant('access_token' as const) },
  { weight: 1, arbitrary: fc.constant('txn_token' as const) },
)
const scopes = fc.uniqueArray(fc.constantFrom(...scopeNames))
const rule = fc.oneof(
  fc.record({ kind: fc.constant('audience' as const), value: fc.constantFrom(...audiences) }),
  fc.record({ kind: fc.constant('client' as const), value: fc.constantFrom(...clients) }),
  fc.record({ kind: fc.constant('issuer' as const), value: fc.constantFrom(...issuers) }),
)
const policy: fc.Arbitrary<ExchangePolicy> = fc
  .record({
    id: fc.uuid(),
    clientId: fc.constantFrom(...clients),
    subject: rule,
    audience: fc.constantFrom(...audiences),
    tokenType,
    scopes,
    maxTtl: fc.integer({ min: 1, max: 86_400 }),
    mode: fc.constantFrom('delegation' as const, 'impersonation' as const),
    maxDepth: fc.integer({ min: 0, max: 8 }),
  })
  .map((given) => ({ ...given, createdAt: new Date(0) }))

const act = fc
  .array(fc.constantFrom(...clients, 'sub-of-a-person'), { maxLength: 9 })
  .map((subs) => subs.reduce<Actor | undefined>((inner, sub) => ({ sub, ...(inner && { act: inner }) }), undefined))
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

const subject: fc.Arbitrary<ExchangeDemand['subject']> = fc.record({
  kind: fc.constantFrom(
    'access_token' as const,
    'refresh_token' as const,
    'id_token' as const,
    'jwt' as const,
    'txn_token' as const,
  ),
  sub: fc.constant('person'),
  clientId: maybe(fc.constantFrom(...clients)),
  audiences: fc.uniqueArray(fc.constantFrom(...audiences), { maxLength: 2 }),
  issuer: maybe(fc.constantFrom(...issuers)),
  scopes,
  expiresAt: fc.integer({ min: now - 100, max: now + 100_000 }),
  act,
  mayAct: fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, fc.constantFrom(...clients)),
})
const demand: fc.Arbitrary<ExchangeDemand> = fc.record({
  clientId: fc.constantFrom(...clients),
  audience: fc.constantFrom(...audiences),
  tokenType,
  api: fc.oneof(
    { weight: 9, arbitrary: fc.record({ scopes, tokenTtl: fc.integer({ min: 10, max: 86_400 }) }) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  ),
  scopes: maybe(scopes),
  subject,
  actor: maybe(fc.constantFrom(...clients, 'sub-of-a-person')),
  now: fc.constant(now),
})
/** Half of the policies are about the very token, or nearly all would be refused at once. */
const world = demand.chain((asked) => {
  const { kind, audiences: [forApi] = [], clientId, issuer } = asked.subject
  const about: ExchangePolicy['subject'] =
    kind === 'jwt'
      ? { kind: 'issuer', value: issuer ?? '' }
      : (kind === 'access_token' || kind === 'txn_token') && forApi
        ? { kind: 'audience', value: forApi }
        : { kind: 'client', value: clientId ?? '' }
  const fitting = policy.map((given) => ({
    ...given,
    subject: about,
    clientId: asked.clientId,
    audience: asked.audience,
    tokenType: asked.tokenType,
  }))
  return fc.record({ asked: fc.constant(asked), policies: fc.array(fc.oneof(policy, fitting), { maxLength: 6 }) })
})

const chain = (given: Actor | undefined): string[] => (given ? [given.sub, ...chain(given.act)] : [])
const allow = (policies: ExchangePolicy[], asked: ExchangeDemand) => {
  const decision = exchangeDecision(policies, asked)
  return decision.ok ? decision : undefined
}
const check = (property: Parameters<typeof fc.assert>[0]) => fc.assert(property as never, { numRuns: 5000 })

describe('an exchange, whatever the policies and the token', () => {
  it('never widens the scopes: each is the token’s, the policy’s, the API’s, and one that was asked for', () => {
    check(
      fc.property(world, ({ asked, policies }) => {
        const allowed = allow(policies, asked)
        for (const scope of allowed?.scopes ?? []) {
          expect(asked.subject.scopes).toContain(scope)
          expect(allowed?.policy.scopes).toContain(scope)
          expect(asked.api?.scopes).toContain(scope)
          if (asked.scopes) expect(asked.scopes).toContain(scope)
        }
        // And what was asked for is given as a whole or not at all.
        if (allowed && asked.scopes) expect([...allowed.scopes].sort()).toEqual([...asked.scopes].sort())
      }),
    )
  })

  it('never widens the audience: a policy names this client, this API and this very token', () => {
    check(
      fc.property(world, ({ asked, policies }) => {
        const allowed = allow(policies, asked)
        if (!allowed) return
        const { subject: given } = asked
        expect(policies).toContain(allowed.policy)
        const { clientId, audience, tokenType: issued } = allowed.policy
        expect([clientId, audience, issued]).toEqual([asked.clientId, asked.audience, asked.tokenType])
        // A transaction token is nothing but the beginning of another one, in the same domain; a refresh token is none.
        if (given.kind === 'txn_token')
          expect([issued, given.audiences]).toEqual(['txn_token', expect.arrayContaining([audience])])
        if (issued === 'txn_token') expect(given.kind).not.toBe('refresh_token')
        if (issued === 'txn_token') expect(allowed.scopes.length).toBeGreaterThan(0)
        const { kind, value } = allowed.policy.subject
        const fits = {
          audience: ['access_token', 'txn_token'].includes(given.kind) && given.audiences.includes(value),
          client: given.kind !== 'jwt' && given.clientId === value,
          issuer: given.kind === 'jwt' && given.issuer === value,
        }
        expect(fits[kind]).toBe(true)
      }),
    )
  })

  it('never lengthens the life', () => {
    check(
      fc.property(world, ({ asked, policies }) => {
        const allowed = allow(policies, asked)
        if (!allowed) return
        expect(Number.isInteger(allowed.lifetime) && allowed.lifetime >= 1).toBe(true)
        expect(now + allowed.lifetime).toBeLessThanOrEqual(asked.subject.expiresAt)
        expect(allowed.lifetime).toBeLessThanOrEqual(allowed.policy.maxTtl)
        expect(allowed.lifetime).toBeLessThanOrEqual(asked.api?.tokenTtl ?? 0)
      }),
    )
  })

  it('never lengthens the chain beyond the limit, forgets nobody in it, and names who acts', () => {
    check(
      fc.property(world, ({ asked, policies }) => {
        const allowed = allow(policies, asked)
        if (!allowed) return
        expect(depthOf(allowed.act)).toBeLessThanOrEqual(allowed.policy.maxDepth)
        const acts = allowed.policy.mode === 'delegation' ? [asked.actor ?? asked.clientId] : []
        expect(chain(allowed.act)).toEqual([...acts, ...chain(asked.subject.act)])
        if (asked.subject.mayAct !== undefined) expect(asked.actor ?? asked.clientId).toBe(asked.subject.mayAct)
      }),
    )
  })

  it('is the narrower the fewer policies there are: what a part of them allows, all of them allow', () => {
    check(
      fc.property(world, ({ asked, policies }) => {
        if (allow(policies.slice(1), asked)) expect(allow(policies, asked)).toBeDefined()
        expect(allow([], asked)).toBeUndefined()
      }),
    )
  })

  it('was allowed often enough in these tests to have been tested', () => {
    const outcomes = fc.sample(world, 5000).map(({ asked, policies }) => exchangeDecision(policies, asked))
    const counts = Map.groupBy(outcomes, (outcome) => (outcome.ok ? 'allowed' : outcome.reason))
    expect(counts.get('allowed')?.length).toBeGreaterThan(100)
    for (const reason of [
      'no_api',
      'no_policy_for_audience',
      'no_policy_for_subject',
      'expired',
      'not_for_this_type',
      'other_domain',
      'scope_needed',
      'actor_unwanted',
      'actor_not_allowed',
      'too_deep',
      'scope_not_in_policy',
      'scope_not_in_api',
      'scope_not_in_subject',
    ] as const)
      expect([reason, counts.has(reason)]).toEqual([reason, true])
  })
})
