// The page on which somebody deletes their account, and the one that says goodbye.
import Router from '@koa/router'
import type { Context } from 'koa'
import { readForm } from '../../http/form-body.ts'
import { showPage } from '../../http/show-page.ts'
import type { Views } from '../../http/views.ts'
import { languageOf } from '../../language/language-choice.ts'
import type { Sentence } from '../../language/translations.ts'
import type { AccountDoor, Visitor } from '../account-door.ts'
import type { ShowAccountPage } from '../account-page.ts'
import { callerOf } from '../caller.ts'
import { doneWith, takeNotice } from '../notice.ts'
import type { AccountDeletion } from './account-deletion.ts'

export interface DeletionRoutesParts {
  door: AccountDoor
  views: Views
  showPage: ShowAccountPage
  deletion: Pick<AccountDeletion, 'request'>
  graceDays: number
}

const path = '/account/delete'
const goodbye = '/account/goodbye'

export function deletionRoutes(parts: DeletionRoutesParts): Router {
  const { door } = parts
  const router = new Router()
  router.get(
    path,
    door.openFreshly(async (ctx, visitor) => show(ctx, visitor, parts)),
  )
  router.post(
    path,
    door.openFreshly((ctx, visitor) => deleteAccount(ctx, visitor, parts)),
  )
  // Open to everybody: who comes here has no session any more.
  router.get(goodbye, (ctx) => showPage(ctx, parts.views, 'account/goodbye', { notice: takeNotice(ctx) }))
  return router
}

function show(
  ctx: Context,
  visitor: Visitor,
  { showPage, graceDays }: DeletionRoutesParts,
  typed: { email?: string; error?: Sentence } = {},
): void {
  showPage(ctx, visitor, 'delete', {
    action: path,
    graceDays,
    typed: typed.email,
    errors: typed.error ? [{ field: 'email', sentence: typed.error }] : [],
  })
}

async function deleteAccount(ctx: Context, visitor: Visitor, parts: DeletionRoutesParts): Promise<void> {
  const { email = '' } = readForm(ctx)
  if (email.trim().toLowerCase() !== visitor.account.email.toLowerCase()) {
    ctx.status = 400
    return show(ctx, visitor, parts, { email, error: { key: 'account.delete.other-address' } })
  }
  const requested = await parts.deletion.request(visitor, callerOf(ctx))
  if (requested.ok) return doneWith(ctx, goodbye, goodbyeSentence(requested.deleteAfter, languageOf(ctx).locale))
  ctx.status = 409
  const key = requested.reason === 'last_owner' ? 'account.delete.last-owner' : 'account.changed-meanwhile'
  show(ctx, visitor, parts, { email, error: { key } })
}

function goodbyeSentence(deleteAfter: Date | undefined, locale: string): Sentence {
  if (!deleteAfter) return { key: 'account.goodbye.deleted' }
  const date = new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeZone: 'UTC' }).format(deleteAfter)
  return { key: 'account.goodbye.scheduled', values: { date } }
}
