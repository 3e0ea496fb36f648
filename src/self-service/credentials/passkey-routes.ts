// The pages on which somebody adds a passkey, gives it another name, or removes it.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { PasskeyTickets } from '../../accounts/factors/passkey-tickets.ts'
import type { Passkey, Passkeys } from '../../accounts/factors/passkeys.ts'
import { notFound } from '../../http/errors.ts'
import { readForm } from '../../http/form-body.ts'
import type { Sentence } from '../../language/translations.ts'
import type { AccountDoor, Visitor } from '../account-door.ts'
import type { ShowAccountPage } from '../account-page.ts'
import { callerOf } from '../caller.ts'
import { doneWith } from '../notice.ts'
import type { FactorChanges } from './factor-changes.ts'
import { showAdded, showRemoved } from './factor-outcome.ts'

export interface PasskeyRoutesParts {
  door: AccountDoor
  showPage: ShowAccountPage
  passkeys: Pick<Passkeys, 'registrationOptions' | 'register' | 'list' | 'rename' | 'remove'>
  tickets: PasskeyTickets
  factorChanges: FactorChanges
}

const newPath = '/account/second-factor/new-passkey'
const onePath = '/account/second-factor/passkey/:id'
const refusedTexts = {
  refused: 'account.passkey.refused',
  registered_already: 'account.passkey.registered_already',
  too_many: 'account.passkey.no-more',
}
/** What a ticket is for. */
const scopeOf = ({ session }: Visitor) => `account ${session.uid}`

export function passkeyRoutes(parts: PasskeyRoutesParts): Router {
  const { door } = parts
  const router = new Router()
  router.get(
    newPath,
    door.openFreshly((ctx, visitor) => showNew(ctx, visitor, parts)),
  )
  router.post(
    newPath,
    door.openFreshly((ctx, visitor) => add(ctx, visitor, parts)),
  )
  router.get(
    onePath,
    door.openFreshly(async (ctx, visitor) => showOne(ctx, visitor, await demandOwn(ctx, visitor, parts), parts)),
  )
  router.post(
    `${onePath}/name`,
    door.openFreshly((ctx, visitor) => rename(ctx, visitor, parts)),
  )
  router.post(
    `${onePath}/remove`,
    door.openFreshly((ctx, visitor) => remove(ctx, visitor, parts)),
  )
  return router
}

async function showNew(
  ctx: Context,
  visitor: Visitor,
  { passkeys, tickets, showPage }: PasskeyRoutesParts,
  error?: Sentence,
): Promise<void> {
  const { options } = await passkeys.registrationOptions(visitor.account)
  const { challenge, ticket } = tickets.issue(scopeOf(visitor))
  showPage(ctx, visitor, 'new-passkey', {
    action: newPath,
    ticket,
    passkeyOptions: JSON.stringify({ ...options, challenge }),
    error,
  })
}

async function add(ctx: Context, visitor: Visitor, parts: PasskeyRoutesParts): Promise<void> {
  const { response = '', name = '', ticket = '' } = readForm(ctx)
  const challenge = parts.tickets.challengeOf(ticket, scopeOf(visitor))
  const added =
    challenge === undefined
      ? ({ ok: false, reason: 'refused' } as const)
      : await parts.factorChanges.add(visitor, { factor: 'passkey', name: name.trim() }, callerOf(ctx), () =>
          parts.passkeys.register(visitor.account.sub, { challenge, response, name }),
        )
  if (added.ok) return showAdded(ctx, visitor, added, parts.showPage, { key: 'account.passkey.added' })
  if (added.reason === 'changed_meanwhile') return doneWith(ctx, newPath, { key: 'account.changed-meanwhile' })
  ctx.status = 400
  await showNew(ctx, visitor, parts, { key: refusedTexts[added.reason] })
}

/** One of this account's own; whatever else the path names, there is nothing here. */
async function demandOwn(ctx: Context, { account }: Visitor, { passkeys }: PasskeyRoutesParts): Promise<Passkey> {
  const passkey = (await passkeys.list(account.sub)).find(({ id }) => id === ctx.params.id)
  if (!passkey) throw notFound('There is no such passkey in your account.')
  return passkey
}

function showOne(
  ctx: Context,
  visitor: Visitor,
  passkey: Passkey,
  { showPage }: PasskeyRoutesParts,
  error?: Sentence,
): void {
  const path = pathOf(passkey)
  showPage(ctx, visitor, 'passkey', {
    passkey,
    renameAction: `${path}/name`,
    removeAction: `${path}/remove`,
    errors: error ? [{ field: 'name', sentence: error }] : [],
  })
}

const pathOf = ({ id }: Passkey) => onePath.replace(':id', id)

async function rename(ctx: Context, visitor: Visitor, parts: PasskeyRoutesParts): Promise<void> {
  const passkey = await demandOwn(ctx, visitor, parts)
  const { name = '' } = readForm(ctx)
  if (await parts.passkeys.rename(visitor.account.sub, passkey.id, name))
    return doneWith(ctx, '/account/second-factor', { key: 'account.passkey.renamed' })
  ctx.status = 400
  showOne(ctx, visitor, passkey, parts, { key: 'account.passkey.no-name' })
}

async function remove(ctx: Context, visitor: Visitor, parts: PasskeyRoutesParts): Promise<void> {
  const passkey = await demandOwn(ctx, visitor, parts)
  const changed = { factor: 'passkey', name: passkey.name } as const
  const removed = await parts.factorChanges.remove(visitor, changed, callerOf(ctx), () =>
    parts.passkeys.remove(visitor.account.sub, passkey.id),
  )
  showRemoved(ctx, removed, { path: pathOf(passkey), factor: 'passkey' })
}
