// The JSON operations by which an operator helps people: invitations, links that set a password, lost second factors, signing out.
import type { AccountStore } from '../../accounts/account-store.ts'
import { type AccountSupport, invitationExpiry, type Operator } from '../../accounts/account-support.ts'
import { demandRoles } from '../admin-rights.ts'
import type { Caller } from '../guard.ts'
import { type Operation, operation } from '../operation.ts'
import { refusal } from './account-access.ts'
import { factorsJson } from './account-json.ts'
import * as schemas from './account-schemas.ts'

export interface AccountSupportResourceParts {
  accounts: Pick<AccountStore, 'find'>
  accountSupport: AccountSupport
}

const one = '/accounts/{sub}'
const scope = 'accounts:write'

export function accountSupportResource({ accounts, accountSupport }: AccountSupportResourceParts): Operation[] {
  return [
    operation({
      id: 'inviteAccount',
      summary: 'Mail an invitation to an account that nobody uses yet; the one before is dead',
      method: 'post',
      path: `${one}/invitation`,
      scope,
      status: 202,
      answer: schemas.invitation,
      refusals: [404, 409],
      handle: async ({ caller, id }) => {
        const operator = { ...rightsOf(caller), name: await nameOf(caller, accounts) }
        const invited = await accountSupport.inviteAgain(id, operator)
        if (!invited.ok) throw refusal(invited.reason)
        return { body: { email: invited.account.email, expires_at: invitationExpiry().toISOString() } }
      },
    }),
    operation({
      id: 'createOneTimeLink',
      summary: 'Make a link that sets a new password; second factors are asked for as ever',
      method: 'post',
      path: `${one}/one-time-link`,
      scope,
      body: schemas.oneTimeLinkCreation,
      status: 200,
      answer: schemas.oneTimeLink,
      refusals: [404, 409],
      handle: async ({ caller, id, body }) => {
        const made = await accountSupport.oneTimeLink(id, body.expires_in, rightsOf(caller))
        if (!made.ok) throw refusal(made.reason)
        return { body: { url: made.url, expires_at: made.expiresAt.toISOString() } }
      },
    }),
    operation({
      id: 'resetFactors',
      summary: 'Take every second factor, passkey and recovery code away, and sign the account out everywhere',
      method: 'post',
      path: `${one}/reset-factors`,
      scope,
      status: 200,
      answer: schemas.removedFactors,
      refusals: [404],
      handle: async ({ caller, id }) => {
        const reset = await accountSupport.resetFactors(id, rightsOf(caller))
        if (!reset.ok) throw refusal(reset.reason)
        return { body: { removed: factorsJson(reset.removed) } }
      },
    }),
    operation({
      id: 'signOutAccount',
      summary: 'End every session and withdraw every grant, offline access included',
      method: 'post',
      path: `${one}/sign-out`,
      scope,
      status: 204,
      refusals: [404],
      handle: async ({ caller, id }) => {
        const done = await accountSupport.signOut(id, rightsOf(caller))
        if (!done.ok) throw refusal(done.reason)
        return {}
      },
    }),
  ]
}

const rightsOf = (caller: Caller): Operator => ({ demand: ({ roles }) => demandRoles(caller, roles) })

/** The invitation says who invites, where that is a person. */
const nameOf = async ({ isMachine, subject }: Caller, accounts: Pick<AccountStore, 'find'>) =>
  isMachine ? undefined : (await accounts.find(subject))?.name
