// The page behind an invitation: whoever got the mail chooses a password for the account that was made for them.
import Router from '@koa/router'
import type { Context } from 'koa'
import { linkPurposes } from '../../accounts/account-links.ts'
import type { AccountStore } from '../../accounts/account-store.ts'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { OneTimeLinkStore } from '../../accounts/one-time-link-store.ts'
import type { PasswordChange } from '../../accounts/password/password-change.ts'
import type { Database } from '../../database/database.ts'
import { readForm } from '../../http/form-body.ts'
import { showPage } from '../../http/show-page.ts'
import type { Views } from '../../http/views.ts'
import { languageOf } from '../../language/language-choice.ts'
import { visitOf } from '../occasion.ts'
import type { FieldProblem } from '../registration-problems.ts'
import { passwordProblem } from './password-problem.ts'

export interface InvitationParts {
  views: Views
  database: Pick<Database, 'transaction'>
  accounts: Pick<AccountStore, 'find' | 'update' | 'setEmailVerified'>
  links: Pick<OneTimeLinkStore, 'find' | 'redeem'>
  passwordChange: PasswordChange
  activity: Pick<ActivityLog, 'append'>
  minimumLength: number
  /** From everybody: then a shorter password will do. */
  requiresSecondFactor: boolean
}

const purpose = linkPurposes.invitation

export function invitationRoutes(parts: InvitationParts): Router {
  const { views } = parts
  const router = new Router({ prefix: '/invitation' })

  const form = async (ctx: Context, token: string, typed: { name?: string; errors?: FieldProblem[] } = {}) => {
    const account = await invited(token, parts)
    if (!account) return expired(ctx, views)
    const { minimumLength } = parts
    showPage(ctx, views, 'invitation', {
      action: ctx.path,
      email: account.email,
      name: account.name,
      minimumLength,
      ...typed,
    })
  }

  router.get('/:token', (ctx) => form(ctx, ctx.params.token as string))

  router.post('/:token', async (ctx) => {
    const token = ctx.params.token as string
    const { name = '', password = '' } = readForm(ctx)
    const problem = await accept(ctx, { token, name: name.trim(), password }, parts)
    if (problem === 'expired') return expired(ctx, views)
    if (!problem) return showPage(ctx, views, 'invitation-accepted', {})
    ctx.status = 400
    await form(ctx, token, { name, errors: [problem] })
  })
  return router
}

function expired(ctx: Context, views: Views): void {
  ctx.status = 410
  showPage(ctx, views, 'link-expired', {})
}

async function invited(token: string, { links, accounts }: InvitationParts) {
  const link = await links.find(purpose, token)
  const account = link?.sub === undefined ? undefined : await accounts.find(link.sub)
  return account?.disabledAt ? undefined : account
}

/** Answers what is wrong; a password that is refused leaves the invitation as it was. */
async function accept(
  ctx: Context,
  { token, name, password }: { token: string; name: string; password: string },
  parts: InvitationParts,
): Promise<FieldProblem | 'expired' | undefined> {
  const { accounts, links, passwordChange, database } = parts
  const { t, say } = languageOf(ctx)
  if (name.length > 200) return { field: 'name', message: t('sign-up.name-too-long') }
  const account = await invited(token, parts)
  if (!account) return 'expired'
  const prepared = await passwordChange.prepare(account, password, { hasSecondFactor: parts.requiresSecondFactor })
  if (!prepared.ok) return { field: 'password', message: say(passwordProblem(prepared)) }
  return database.transaction(async () => {
    if (!(await links.redeem(purpose, token))) return 'expired'
    await prepared.apply()
    if (name) await accounts.update(account.sub, { name })
    await accounts.setEmailVerified(account.sub)
    await parts.activity.append(account.sub, { type: 'signed_up', ...visitOf(ctx) })
    return undefined
  })
}
