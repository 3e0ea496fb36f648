// The JSON resource of trusted issuers, whose JWTs exchange policies may be about; one is addressed by its percent-encoded URL.
import type { z } from 'zod'
import type { TrustedIssuerRegistration } from '../../clients/exchange/trusted-issuer-registration.ts'
import type { TrustedIssuer, TrustedIssuerStore } from '../../clients/exchange/trusted-issuer-store.ts'
import { conflict, notFound } from '../../http/errors.ts'
import { type Operation, operation } from '../operation.ts'
import { page } from '../paging.ts'
import { pageOf, pageQuery } from '../schemas.ts'
import { invalidFields, namedFields } from '../validation.ts'
import * as schemas from './exchange-schemas.ts'

export interface TrustedIssuersResourceParts {
  trustedIssuers: Pick<TrustedIssuerStore, 'find' | 'list'>
  trustedIssuerRegistration: TrustedIssuerRegistration
  /** Drops this node's copy of the rules. */
  forgetExchangeRules(): void
}

const path = '/trusted-issuers'
const one = `${path}/{issuer}`

export function trustedIssuersResource(parts: TrustedIssuersResourceParts): Operation[] {
  return [...reading(parts), ...changing(parts)]
}

function reading({ trustedIssuers }: TrustedIssuersResourceParts): Operation[] {
  const scope = 'exchange-policies:read'
  return [
    operation({
      id: 'listTrustedIssuers',
      summary: 'List trusted issuers',
      method: 'get',
      path,
      scope,
      query: pageQuery,
      status: 200,
      answer: pageOf(schemas.trustedIssuer),
      refusals: [],
      handle: async ({ query }) => {
        const source = { name: 'trusted-issuers', list: trustedIssuers.list, idOf: (it: TrustedIssuer) => it.issuer }
        const found = await page(query, source)
        return { body: { ...found, items: found.items.map(issuerJson) } }
      },
    }),
    operation({
      id: 'showTrustedIssuer',
      summary: 'Show a trusted issuer',
      method: 'get',
      path: one,
      scope,
      status: 200,
      answer: schemas.trustedIssuer,
      refusals: [404],
      handle: async ({ id }) => {
        const issuer = await trustedIssuers.find(id)
        if (!issuer) throw noSuchIssuer()
        return { body: issuerJson(issuer) }
      },
    }),
  ]
}

function changing({ trustedIssuerRegistration, forgetExchangeRules }: TrustedIssuersResourceParts): Operation[] {
  const scope = 'exchange-policies:write'
  return [
    operation({
      id: 'createTrustedIssuer',
      summary: 'Trust an issuer outside; each exchange needs a policy for it as well',
      method: 'post',
      path,
      scope,
      body: schemas.trustedIssuerCreation,
      status: 201,
      answer: schemas.trustedIssuer,
      refusals: [409],
      handle: async ({ body }) => {
        const { issuer, audience, jwks, jwks_uri: jwksUri, subject_claim: subjectClaim } = body
        const created = await trustedIssuerRegistration.create({ issuer, audience, jwks, jwksUri, subjectClaim })
        if (!created.ok) throw created.reason ? taken() : invalidFields(namedFields(created.problems))
        forgetExchangeRules()
        return { body: issuerJson(created.issuer), location: `/admin/api/v1${path}/${encodeURIComponent(issuer)}` }
      },
    }),
    operation({
      id: 'deleteTrustedIssuer',
      summary: 'Trust an issuer no longer; its exchange policies go with it',
      method: 'delete',
      path: one,
      scope,
      status: 204,
      refusals: [404],
      handle: async ({ id }) => {
        if (!(await trustedIssuerRegistration.remove(id))) throw noSuchIssuer()
        forgetExchangeRules()
        return {}
      },
    }),
  ]
}

const noSuchIssuer = () => notFound('There is no trusted issuer with this URL.')
const taken = () => conflict('taken', 'This issuer is trusted already: delete it, then declare it again.')

const issuerJson = (one: TrustedIssuer): z.output<typeof schemas.trustedIssuer> => ({
  issuer: one.issuer,
  audience: one.audience,
  jwks_uri: one.jwksUri ?? null,
  jwks: one.jwks ?? null,
  subject_claim: one.subjectClaim,
  created_at: one.createdAt.toISOString(),
})
