// Shows a page of the account: with the notice that waits, and with times and lists as their reader writes them.
import type { Context } from 'koa'
import { showPage } from '../http/show-page.ts'
import type { Views } from '../http/views.ts'
import { languageOf } from '../language/language-choice.ts'
import type { Sentence } from '../language/translations.ts'
import type { Visitor } from './account-door.ts'
import { takeNotice } from './notice.ts'
import { formatsFor } from './reader-formats.ts'

export interface FieldProblem {
  field: string
  sentence: Sentence
}

export type ShowAccountPage = (
  ctx: Context,
  visitor: Pick<Visitor, 'account'>,
  name: string,
  data?: Record<string, unknown>,
) => void

export function createAccountPage({ views }: { views: Views }): ShowAccountPage {
  return (ctx, { account }, name, data = {}) =>
    showPage(ctx, views, `account/${name}`, {
      accountEmail: account.email,
      accountName: account.name,
      notice: takeNotice(ctx),
      ...formatsFor(languageOf(ctx).locale, account.profile.zoneinfo),
      ...data,
    })
}
