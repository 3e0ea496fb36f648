// Shows a page of the account: with its navigation, the notice that waits, and times as their reader has them.
import type { Context } from 'koa'
import { showPage } from '../http/show-page.ts'
import type { Views } from '../http/views.ts'
import { languageOf } from '../language/language-choice.ts'
import type { Sentence } from '../language/translations.ts'
import type { Visitor } from './account-door.ts'
import { takeNotice } from './notice.ts'
import { timesFor } from './time-text.ts'

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
      ...timesFor(languageOf(ctx).locale, account.profile.zoneinfo),
      ...data,
    })
}
