// The first administrator: a link that works once and expires, printed at start until somebody has used it.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { AccountCreated, AccountRegistration } from '../../accounts/account-registration.ts'
import type { AccountStore } from '../../accounts/account-store.ts'
import type { Database } from '../../database/database.ts'
import { readForm } from '../../http/form-body.ts'
import { showPage } from '../../http/show-page.ts'
import type { Views } from '../../http/views.ts'
import { languageOf } from '../../language/language-choice.ts'
import { registrationProblems } from '../registration-problems.ts'

export interface FirstAdministratorParts {
  issuer: string
  views: Views
  database: Pick<Database, 'transaction'>
  accounts: Pick<AccountStore, 'countOtherOwners'>
  registration: Pick<AccountRegistration, 'prepare'>
  links: {
    create(purpose: string, options: { seconds: number }): Promise<string>
    find(purpose: string, token: string): Promise<unknown>
    redeem(purpose: string, token: string): Promise<unknown>
    removeAll(purpose: string): Promise<void>
  }
  minimumLength: number
}

const purpose = 'first-administrator'
const lifetime = 3600

export type FirstAdministrator = ReturnType<typeof createFirstAdministrator>

export function createFirstAdministrator(parts: FirstAdministratorParts) {
  const { issuer, database, accounts, links, registration } = parts
  const hasOwner = async () => (await accounts.countOtherOwners('')) > 0

  /** Undefined when there is an administrator already, or when the link has been used. */
  const create = async (token: string, given: { email: string; password: string }) => {
    if (!(await links.find(purpose, token))) return undefined
    // Before the transaction: whoever waits for its locks must not wait for a password.
    const prepared = await registration.prepare({ ...given, roles: ['owner'], isEmailVerified: true })
    if (!prepared.ok) return prepared
    return database.transaction(async () => {
      if (!(await links.find(purpose, token)) || (await hasOwner())) return undefined
      const result = await prepared.insert()
      if (result.ok && !(await links.redeem(purpose, token)))
        throw new Error('The link was used while its row was locked.')
      return result
    })
  }

  const bootstrap = async (given: { email: string; password: string }) => {
    if (await database.transaction(hasOwner)) return undefined
    const prepared = await registration.prepare({ ...given, roles: ['owner'], isEmailVerified: true })
    if (!prepared.ok) return prepared
    return database.transaction(async () => ((await hasOwner()) ? undefined : prepared.insert()))
  }

  return {
    /** A new link, unless there is an administrator; earlier links stop working. */
    link: (): Promise<string | undefined> =>
      database.transaction(async () => {
        if (await hasOwner()) return undefined
        await links.removeAll(purpose)
        return `${issuer}/setup/${await links.create(purpose, { seconds: lifetime })}`
      }),
    /** For automation: makes the administrator that the environment names, at the first start only. */
    bootstrap,
    routes: firstAdministratorRoutes(parts, create),
  }
}

type Create = (token: string, given: { email: string; password: string }) => Promise<AccountCreated | undefined>

function firstAdministratorRoutes(
  { issuer, views, links, minimumLength }: FirstAdministratorParts,
  create: Create,
): Router {
  const router = new Router()
  const expired = (ctx: Context) => {
    ctx.status = 410
    showPage(ctx, views, 'link-expired', {})
  }
  const form = (ctx: Context, more: Record<string, unknown>) =>
    showPage(ctx, views, 'first-administrator', { action: ctx.path, minimumLength, ...more })

  router.get('/setup/:token', async (ctx) => {
    const isLive = await links.find(purpose, ctx.params.token as string)
    return isLive ? form(ctx, {}) : expired(ctx)
  })

  router.post('/setup/:token', async (ctx) => {
    const { email = '', password = '' } = readForm(ctx)
    const result = await create(ctx.params.token as string, { email: email.trim(), password })
    if (!result) return expired(ctx)
    if (result.ok) return showPage(ctx, views, 'first-administrator-done', { email: result.account.email, issuer })
    ctx.status = 400
    form(ctx, { email, errors: registrationProblems(result, languageOf(ctx)) })
  })
  return router
}
