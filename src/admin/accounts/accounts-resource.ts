// The JSON resource of people's accounts. There is always one enabled owner.
import type { z } from 'zod'
import type { AccountRegistration, Problem } from '../../accounts/account-registration.ts'
import type { Account, AccountStore } from '../../accounts/account-store.ts'
import type { FactorStore } from '../../accounts/factors/factor-store.ts'
import type { AccountLocks } from '../../accounts/sign-in/account-locks.ts'
import type { Database } from '../../database/database.ts'
import type { Translator } from '../../language/translations.ts'
import type { AccessRevocation } from '../../oidc/access-revocation.ts'
import { demandRoles } from '../admin-rights.ts'
import type { Caller } from '../guard.ts'
import { type Operation, operation } from '../operation.ts'
import { page } from '../paging.ts'
import { changedMeanwhile, requiredVersion, seenVersion } from '../preconditions.ts'
import { pageOf } from '../schemas.ts'
import { invalidFields, namedFields } from '../validation.ts'
import { changeable, refusal } from './account-access.ts'
import { accountJson, factorsJson } from './account-json.ts'
import * as schemas from './account-schemas.ts'

export interface AccountsResourceParts {
  accounts: AccountStore
  accountLocks: Pick<AccountLocks, 'lockedAmong' | 'lift'>
  accountRegistration: AccountRegistration
  factorStore: Pick<FactorStore, 'summary'>
  revocation: AccessRevocation
  transaction: Database['transaction']
  /** What is wrong with a field is told in it. */
  english: Translator
}

const path = '/accounts'
const one = `${path}/{sub}`
const scope = 'accounts:write'

export function accountsResource(parts: AccountsResourceParts): Operation[] {
  return [...reading(parts), creating(parts), updating(parts), ...acting(parts)]
}

function reading(parts: AccountsResourceParts): Operation[] {
  const { accounts, accountLocks } = parts
  return [
    operation({
      id: 'listAccounts',
      summary: 'List accounts',
      method: 'get',
      path,
      scope: 'accounts:read',
      query: schemas.accountsQuery,
      status: 200,
      answer: pageOf(schemas.account),
      refusals: [],
      handle: async ({ query }) => {
        const list = (range: { after: string | undefined; limit: number }) =>
          accounts.list({ ...range, email: query.email })
        const found = await page(query, { name: 'accounts', list, idOf: ({ sub }) => sub })
        const locked = await accountLocks.lockedAmong(found.items.map(({ sub }) => sub))
        return { body: { ...found, items: found.items.map((item) => accountJson(item, locked.has(item.sub))) } }
      },
    }),
    operation({
      id: 'showAccount',
      summary: 'Show an account',
      method: 'get',
      path: one,
      scope: 'accounts:read',
      status: 200,
      answer: schemas.shownAccount,
      refusals: [404],
      handle: async ({ id }) => {
        const { body, version } = await shown(await accounts.find(id), parts)
        return { body: { ...body, factors: factorsJson(await parts.factorStore.summary(id)) }, version }
      },
    }),
  ]
}

function creating(parts: AccountsResourceParts): Operation {
  return operation({
    id: 'createAccount',
    summary: 'Create an account',
    method: 'post',
    path,
    scope,
    body: schemas.accountCreation,
    status: 201,
    answer: schemas.account,
    refusals: [409, 503],
    handle: async ({ caller, body }) => {
      demandRoles(caller, body.roles ?? [])
      const created = await parts.accountRegistration.create({
        ...changesIn(body),
        email: body.email,
        password: body.password,
      })
      if (!created.ok) throw created.reason ? refusal(created.reason) : invalid(created.problems, parts.english)
      const location = `/admin/api/v1${path}/${encodeURIComponent(created.account.sub)}`
      return { ...(await shown(created.account, parts)), location }
    },
  })
}

function updating(parts: AccountsResourceParts): Operation {
  return operation({
    id: 'updateAccount',
    summary: 'Change an account',
    method: 'patch',
    path: one,
    scope,
    body: schemas.accountUpdate,
    status: 200,
    answer: schemas.account,
    refusals: [404, 409, 412, 428],
    takesIfMatch: true,
    handle: async ({ caller, id, body, ifMatch }) => {
      const version = requiredVersion(ifMatch)
      const before = await changeable(id, caller, parts.accounts)
      demandRoles(caller, body.roles ?? [])
      // Against the version whose roles were looked at, so that nobody gets hold of somebody who has just become an owner.
      const updated = await parts.accountRegistration.update(id, changesIn(body), version ?? before.version)
      if (!updated.ok) throw updated.reason ? refusal(updated.reason) : invalid(updated.problems, parts.english)
      return shown(updated.account, parts)
    },
  })
}

function acting(parts: AccountsResourceParts): Operation[] {
  const { accounts, accountRegistration, revocation, transaction } = parts
  /** In one transaction: the account is looked at, kept if it is the last owner, and changed. */
  const ending = (id: string, caller: Caller, change: () => Promise<boolean>, version?: number) =>
    transaction(async () => {
      // First of all the lock: what is read before it may have changed when it is held.
      const isLastOwner = await accountRegistration.isLastOwner(id)
      const account = await changeable(id, caller, parts.accounts)
      if (version !== undefined && version !== account.version) throw changedMeanwhile()
      if (isLastOwner) throw refusal('last_owner')
      if (!(await change())) throw refusal('not_found')
    })
  const switched = { method: 'post', scope, status: 200, answer: schemas.account } as const
  return [
    operation({
      id: 'deleteAccount',
      summary: 'Delete an account with its sessions, grants, tokens and consents',
      method: 'delete',
      path: one,
      scope,
      status: 204,
      refusals: [404, 409, 412],
      takesIfMatch: true,
      handle: async ({ caller, id, ifMatch }) => {
        await ending(id, caller, () => revocation.deleteAccount(id), seenVersion(ifMatch))
        return {}
      },
    }),
    operation({
      ...switched,
      id: 'disableAccount',
      summary: 'Disable an account: it is signed out everywhere, what it granted is withdrawn',
      path: `${one}/disable`,
      refusals: [404, 409],
      handle: async ({ caller, id }) => {
        await ending(id, caller, () => revocation.disableAccount(id))
        return shown(await accounts.find(id), parts)
      },
    }),
    operation({
      ...switched,
      id: 'enableAccount',
      summary: 'Enable an account again',
      path: `${one}/enable`,
      refusals: [404],
      handle: ({ caller, id }) =>
        transaction(async () => {
          await changeable(id, caller, parts.accounts)
          await revocation.enableAccount(id)
          return shown(await accounts.find(id), parts)
        }),
    }),
    operation({
      id: 'unlockAccount',
      summary: 'Lift the lock that failed sign-ins have put on an account',
      method: 'post',
      path: `${one}/unlock`,
      scope,
      status: 204,
      refusals: [404],
      handle: async ({ caller, id }) => {
        await changeable(id, caller, parts.accounts)
        await parts.accountLocks.lift(id)
        return {}
      },
    }),
  ]
}

const invalid = (problems: readonly Problem[], { say }: Translator) =>
  invalidFields(
    namedFields(
      problems.map((problem) => ({ field: problem.field, message: say(problem) })),
      { isEmailVerified: 'email_verified' },
    ),
  )

/** The store takes an empty text for "take it away". */
const changesIn = (body: z.output<typeof schemas.accountUpdate>) => ({
  email: body.email,
  isEmailVerified: body.email_verified,
  username: body.username === null ? '' : body.username,
  name: body.name,
  profile: body.profile,
  locale: body.locale === null ? '' : body.locale,
  roles: body.roles,
})

async function shown(account: Account | undefined, { accountLocks }: AccountsResourceParts) {
  if (!account) throw refusal('not_found')
  const locked = await accountLocks.lockedAmong([account.sub])
  return { body: accountJson(account, locked.has(account.sub)), version: account.version }
}
