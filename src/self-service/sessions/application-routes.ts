// The page that lists the applications that may use an account, in words, and takes that back.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { Api } from '../../apis/api-store.ts'
import type { Database } from '../../database/database.ts'
import { notFound } from '../../http/errors.ts'
import type { AccessRevocation } from '../../oidc/access-revocation.ts'
import { openidScopes } from '../../oidc/policy/claims.ts'
import type { Connection, ConnectionStore } from '../../oidc/storage/connection-store.ts'
import type { AccountDoor, Visitor } from '../account-door.ts'
import type { ShowAccountPage } from '../account-page.ts'
import { callerOf } from '../caller.ts'
import { doneWith } from '../notice.ts'

export interface ApplicationRoutesParts {
  door: AccountDoor
  showPage: ShowAccountPage
  database: Pick<Database, 'transaction'>
  connections: Pick<ConnectionStore, 'listConnections'>
  findApi(audience: string): Promise<Api | undefined>
  revocation: Pick<AccessRevocation, 'withdrawConsent'>
  activity: Pick<ActivityLog, 'append'>
}

const path = '/account/applications'

export function applicationRoutes(parts: ApplicationRoutesParts): Router {
  const { door, connections, revocation } = parts
  const router = new Router()

  router.get(
    path,
    door.open(async (ctx, visitor) => {
      const connected = await connections.listConnections(visitor.account.sub)
      const applications = await Promise.all(connected.map((connection) => describe(connection, parts)))
      parts.showPage(ctx, visitor, 'applications', { applications })
    }),
  )

  router.post(
    `${path}/:clientId/withdraw`,
    door.open((ctx, visitor) => withdraw(ctx, visitor)),
  )

  const withdraw = async (ctx: Context, { account: { sub } }: Visitor) => {
    const connected = await connections.listConnections(sub)
    const application = connected.find(({ clientId }) => clientId === ctx.params.clientId)
    if (!application) throw notFound('There is no such application that uses your account.')
    const { where } = callerOf(ctx)
    const { clientId, name } = application
    await parts.database.transaction(async () => {
      await revocation.withdrawConsent(sub, clientId)
      await parts.activity.append(sub, { type: 'consent_withdrawn', ...where, details: { application: name } })
    })
    doneWith(ctx, path, { key: 'account.applications.withdrawn' })
  }
  return router
}

async function describe(connection: Connection, { findApi }: ApplicationRoutesParts) {
  const { clientId, name, scopes, resources, since, lastUsed } = connection
  const apis = await Promise.all(
    Object.entries(resources).map(async ([audience, names]) => describeApi(await findApi(audience), audience, names)),
  )
  return {
    name,
    since,
    lastUsed,
    withdrawAction: `${path}/${encodeURIComponent(clientId)}/withdraw`,
    // The last one: access that goes on is the heaviest.
    scopes: scopes
      .filter((scope) => openidScopes.has(scope))
      .sort((left, right) => Number(left === 'offline_access') - Number(right === 'offline_access'))
      .map((scope) => ({ name: scope, key: `consent.scope.${scope}` })),
    apis: apis.filter((api) => api.scopes.length > 0),
  }
}

const describeApi = (api: Api | undefined, audience: string, names: string[]) => ({
  name: api?.name ?? audience,
  scopes: names.map((scope) => ({
    name: scope,
    description: api?.scopes.find((known) => known.scope === scope)?.description,
  })),
})
