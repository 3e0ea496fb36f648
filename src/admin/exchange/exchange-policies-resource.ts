// The JSON resource of exchange policies: which client may exchange what tokens for which API (RFC 8693).
import type { z } from 'zod'
import type { ExchangePolicyRegistration } from '../../clients/exchange/exchange-policy-registration.ts'
import type { ExchangePolicy, ExchangePolicyStore } from '../../clients/exchange/exchange-policy-store.ts'
import { conflict, notFound } from '../../http/errors.ts'
import { type Operation, operation } from '../operation.ts'
import { page } from '../paging.ts'
import { pageOf, pageQuery } from '../schemas.ts'
import { invalidFields, namedFields } from '../validation.ts'
import * as schemas from './exchange-schemas.ts'

export interface ExchangePoliciesResourceParts {
  exchangePolicies: Pick<ExchangePolicyStore, 'find' | 'list'>
  exchangePolicyRegistration: ExchangePolicyRegistration
  /** Drops this node's copy of the rules. */
  forgetExchangeRules(): void
}

const path = '/exchange-policies'
const one = `${path}/{id}`

export function exchangePoliciesResource(parts: ExchangePoliciesResourceParts): Operation[] {
  return [...reading(parts), creating(parts), deleting(parts)]
}

function reading({ exchangePolicies }: ExchangePoliciesResourceParts): Operation[] {
  const scope = 'exchange-policies:read'
  return [
    operation({
      id: 'listExchangePolicies',
      summary: 'List exchange policies',
      method: 'get',
      path,
      scope,
      query: pageQuery,
      status: 200,
      answer: pageOf(schemas.exchangePolicy),
      refusals: [],
      handle: async ({ query }) => {
        const source = { name: 'exchange-policies', list: exchangePolicies.list, idOf: ({ id }: ExchangePolicy) => id }
        const found = await page(query, source)
        return { body: { ...found, items: found.items.map(policyJson) } }
      },
    }),
    operation({
      id: 'showExchangePolicy',
      summary: 'Show an exchange policy',
      method: 'get',
      path: one,
      scope,
      status: 200,
      answer: schemas.exchangePolicy,
      refusals: [404],
      handle: async ({ id }) => {
        const policy = await exchangePolicies.find(id)
        if (!policy) throw noSuchPolicy()
        return { body: policyJson(policy) }
      },
    }),
  ]
}

function creating({ exchangePolicyRegistration, forgetExchangeRules }: ExchangePoliciesResourceParts): Operation {
  return operation({
    id: 'createExchangePolicy',
    summary: 'Let a client exchange tokens',
    method: 'post',
    path,
    scope: 'exchange-policies:write',
    body: schemas.exchangePolicyCreation,
    status: 201,
    answer: schemas.exchangePolicy,
    refusals: [409],
    handle: async ({ body }) => {
      const created = await exchangePolicyRegistration.create({
        clientId: body.client_id,
        subjectAudience: body.subject_audience,
        subjectClientId: body.subject_client_id,
        subjectIssuer: body.subject_issuer,
        audience: body.audience,
        tokenType: body.token_type,
        scopes: body.scopes,
        maxTtl: body.max_ttl,
        mode: body.mode,
        maxDepth: body.max_depth,
      })
      if (!created.ok) throw created.reason ? taken() : invalidFields(namedFields(created.problems))
      forgetExchangeRules()
      const { policy } = created
      return { body: policyJson(policy), location: `/admin/api/v1${path}/${policy.id}` }
    },
  })
}

function deleting({ exchangePolicyRegistration, forgetExchangeRules }: ExchangePoliciesResourceParts): Operation {
  return operation({
    id: 'deleteExchangePolicy',
    summary: 'Delete an exchange policy; tokens that were got by it live out their lifetime',
    method: 'delete',
    path: one,
    scope: 'exchange-policies:write',
    status: 204,
    refusals: [404],
    handle: async ({ id }) => {
      if (!(await exchangePolicyRegistration.remove(id))) throw noSuchPolicy()
      forgetExchangeRules()
      return {}
    },
  })
}

const noSuchPolicy = () => notFound('There is no exchange policy with this id.')
const taken = () =>
  conflict('taken', 'There is a policy for this client, subject and API already: delete it, then make another.')

function policyJson(policy: ExchangePolicy): z.output<typeof schemas.exchangePolicy> {
  const { kind, value } = policy.subject
  return {
    id: policy.id,
    client_id: policy.clientId,
    subject_audience: kind === 'audience' ? value : null,
    subject_client_id: kind === 'client' ? value : null,
    subject_issuer: kind === 'issuer' ? value : null,
    audience: policy.audience,
    token_type: policy.tokenType,
    scopes: policy.scopes,
    max_ttl: policy.maxTtl,
    mode: policy.mode,
    max_depth: policy.maxDepth,
    created_at: policy.createdAt.toISOString(),
  }
}
