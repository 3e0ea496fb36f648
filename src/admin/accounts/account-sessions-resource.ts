// The JSON resource of an account's sessions: where somebody is signed in.
import type { AccountStore } from '../../accounts/account-store.ts'
import { byOperator } from '../../accounts/account-support.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { Database } from '../../database/database.ts'
import { notFound } from '../../http/errors.ts'
import type { AccessRevocation } from '../../oidc/access-revocation.ts'
import type { SessionStore } from '../../oidc/storage/session-store.ts'
import { type Operation, operation } from '../operation.ts'
import { changeable, refusal } from './account-access.ts'
import { sessionJson } from './account-json.ts'
import * as schemas from './account-schemas.ts'

export interface AccountSessionsParts {
  accounts: Pick<AccountStore, 'find'>
  sessions: Pick<SessionStore, 'listOfAccount'>
  revocation: Pick<AccessRevocation, 'endSession'>
  activity: Pick<ActivityLog, 'append'>
  transaction: Database['transaction']
}

const path = '/accounts/{sub}/sessions'
const mostShown = 100

export function accountSessionsResource(parts: AccountSessionsParts): Operation[] {
  const { accounts, sessions, revocation, activity, transaction } = parts
  return [
    operation({
      id: 'listSessions',
      summary: 'List the sessions of an account, the one used last first',
      method: 'get',
      path,
      scope: 'accounts:read',
      status: 200,
      answer: schemas.sessions,
      refusals: [404],
      handle: async ({ id }) => {
        if (!(await accounts.find(id))) throw refusal('not_found')
        const all = await sessions.listOfAccount(id)
        return { body: { items: all.slice(0, mostShown).map(sessionJson) } }
      },
    }),
    operation({
      id: 'endSession',
      summary: 'End a session, and what was granted in it, except for offline access',
      method: 'delete',
      path: `${path}/{uid}`,
      scope: 'accounts:write',
      status: 204,
      refusals: [404],
      handle: ({ caller, id, params }) =>
        transaction(async () => {
          await changeable(id, caller, accounts)
          if (!(await revocation.endSession(id, params.uid ?? ''))) throw noSuchSession()
          await activity.append(id, byOperator('session_ended'))
          return {}
        }),
    }),
  ]
}

const noSuchSession = () => notFound('This account has no session with this uid.')
