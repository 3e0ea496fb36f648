// Mounts the admin JSON API at /admin/api/v1 and its OpenAPI document at /admin/api/openapi.json.
import Router from '@koa/router'
import type { Middleware } from 'koa'
import { type AccountSessionsParts, accountSessionsResource } from './accounts/account-sessions-resource.ts'
import { type AccountSupportResourceParts, accountSupportResource } from './accounts/account-support-resource.ts'
import { type AccountsResourceParts, accountsResource } from './accounts/accounts-resource.ts'
import { type ApisResourceParts, apisResource } from './apis-resource.ts'
import { type ClientsResourceParts, clientsResource } from './clients-resource.ts'
import { type ExchangePoliciesResourceParts, exchangePoliciesResource } from './exchange/exchange-policies-resource.ts'
import { type TrustedIssuersResourceParts, trustedIssuersResource } from './exchange/trusted-issuers-resource.ts'
import { createGuard, type GuardParts } from './guard.ts'
import { openApiDocument } from './openapi.ts'

export type AdminApiParts = Omit<GuardParts, 'findClient' | 'findAccount'> &
  ClientsResourceParts &
  ApisResourceParts &
  AccountsResourceParts &
  AccountSupportResourceParts &
  AccountSessionsParts &
  ExchangePoliciesResourceParts &
  TrustedIssuersResourceParts

/** Mount it inside the error renderer and the input check. */
export function adminApi(parts: AdminApiParts): Middleware {
  const { clients, accounts, issuer } = parts
  // From the tables, not from a cache: a right that is withdrawn here ends here.
  const guard = createGuard({ ...parts, findClient: clients.find, findAccount: accounts.find })
  const people = [...accountsResource(parts), ...accountSupportResource(parts), ...accountSessionsResource(parts)]
  const exchange = [...exchangePoliciesResource(parts), ...trustedIssuersResource(parts)]
  const operations = [...clientsResource(parts), ...apisResource(parts), ...people, ...exchange]
  const document = JSON.stringify(openApiDocument({ issuer, operations }))

  const router = new Router({ prefix: '/admin/api' })
  router.get('/openapi.json', (ctx) => {
    ctx.type = 'application/json'
    ctx.set('Cache-Control', 'public, max-age=300')
    ctx.body = document
  })
  for (const { method, path, run } of operations) {
    router[method](`/v1${path.replace(/\{(\w+)\}/g, ':$1')}`, (ctx) => run(ctx, guard))
  }
  const [routes, otherMethods] = [router.routes(), router.allowedMethods()]
  return (ctx, next) => {
    if (!ctx.path.startsWith('/admin/api/')) return next()
    return routes(ctx as Parameters<typeof routes>[0], () =>
      otherMethods(ctx as Parameters<typeof otherMethods>[0], next),
    )
  }
}
