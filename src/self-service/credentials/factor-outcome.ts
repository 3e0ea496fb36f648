// Shows what became of a second factor that was added or removed.
import type { Context } from 'koa'
import type { Sentence } from '../../language/translations.ts'
import type { Visitor } from '../account-door.ts'
import type { ShowAccountPage } from '../account-page.ts'
import { doneWith } from '../notice.ts'
import type { Factor, FactorRemoved, RefusedRemoval } from './factor-changes.ts'

const list = '/account/second-factor'
const removedTexts: Record<Factor, string> = {
  totp: 'account.removed.totp',
  passkey: 'account.removed.passkey',
  email_code: 'account.removed.email_code',
}
const keptTexts: Record<Exclude<RefusedRemoval, 'gone'>, string> = {
  demanded: 'account.kept.demanded',
  password_short: 'account.kept.password_short',
  last_way_in: 'account.kept.last_way_in',
}

/** New recovery codes are the answer itself: they are shown once, so there is no page to go on to. */
export function showAdded(
  ctx: Context,
  visitor: Visitor,
  { codes }: { codes: string[] | undefined },
  showPage: ShowAccountPage,
  done: Sentence,
): void {
  if (codes) showPage(ctx, visitor, 'new-recovery-codes', { codes, notice: done, nextUrl: list })
  else doneWith(ctx, list, done)
}

/** Back to where the button was, with the reason, when the account must keep it. */
export function showRemoved(
  ctx: Context,
  removed: FactorRemoved,
  { path, factor }: { path: string; factor: Factor },
): void {
  if (removed.ok) doneWith(ctx, list, { key: removedTexts[factor] })
  else if (removed.reason === 'gone') doneWith(ctx, list, { key: 'account.removed.gone' })
  else if (removed.reason === 'changed_meanwhile') doneWith(ctx, list, { key: 'account.changed-meanwhile' })
  else doneWith(ctx, path, { key: keptTexts[removed.reason] })
}
