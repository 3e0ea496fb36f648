// The page that lists where somebody is signed in and which browsers are known, and ends or forgets one or all others.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { ActivityLog } from '../../accounts/activity-log.ts'
import type { Devices } from '../../accounts/devices/devices.ts'
import { browserWords } from '../../accounts/devices/user-agent.ts'
import { readDeviceToken } from '../../http/cookies/device-cookie.ts'
import { notFound } from '../../http/errors.ts'
import type { AccessRevocation } from '../../oidc/access-revocation.ts'
import type { SessionStore } from '../../oidc/storage/session-store.ts'
import type { AccountDoor, Visitor } from '../account-door.ts'
import type { ShowAccountPage } from '../account-page.ts'
import { callerOf } from '../caller.ts'
import { doneWith } from '../notice.ts'

export interface SessionRoutesParts {
  door: AccountDoor
  showPage: ShowAccountPage
  sessions: Pick<SessionStore, 'listOfAccount'>
  devices: Pick<Devices, 'list' | 'find' | 'forget' | 'forgetAll'>
  revocation: Pick<AccessRevocation, 'endSession' | 'endOtherSessions'>
  activity: Pick<ActivityLog, 'append'>
}

const path = '/account/sessions'

/** None of this asks for a fresh sign-in: whoever fears for an account must not be held up. */
export function sessionRoutes(parts: SessionRoutesParts): Router {
  const { door, devices, revocation } = parts
  const router = new Router()

  router.get(
    path,
    door.open((ctx, visitor) => show(ctx, visitor, parts)),
  )

  router.post(
    `${path}/end-others`,
    door.open(async (ctx, { account, session }) => {
      await revocation.endOtherSessions(account.sub, session.uid)
      await note(ctx, account.sub, 'sessions_ended', parts)
      doneWith(ctx, path, { key: 'account.sessions.others-ended' })
    }),
  )

  router.post(
    `${path}/forget-browsers`,
    door.open(async (ctx, { account }) => {
      await devices.forgetAll(account.sub)
      await note(ctx, account.sub, 'device_forgotten', parts)
      doneWith(ctx, path, { key: 'account.sessions.browsers-forgotten' })
    }),
  )

  router.post(
    `${path}/:uid/end`,
    door.open(async (ctx, { account }) => {
      if (!(await revocation.endSession(account.sub, ctx.params.uid as string)))
        throw notFound('There is no such session of yours, or it is over already.')
      await note(ctx, account.sub, 'session_ended', parts)
      doneWith(ctx, path, { key: 'account.sessions.ended' })
    }),
  )

  router.post(
    `${path}/browser/:id/forget`,
    door.open(async (ctx, { account }) => {
      if (!(await devices.forget(account.sub, ctx.params.id as string)))
        throw notFound('There is no such browser of yours, or it is forgotten already.')
      await note(ctx, account.sub, 'device_forgotten', parts)
      doneWith(ctx, path, { key: 'account.sessions.browser-forgotten' })
    }),
  )
  return router
}

async function show(ctx: Context, visitor: Visitor, parts: SessionRoutesParts): Promise<void> {
  const { sub } = visitor.account
  const here = await parts.devices.find(readDeviceToken(ctx), sub)
  const sessions = await parts.sessions.listOfAccount(sub)
  const devices = await parts.devices.list(sub)
  parts.showPage(ctx, visitor, 'sessions', {
    sessions: sessions
      .map(({ uid, userAgent, ...session }) => ({
        ...session,
        name: browserWords(userAgent),
        isThisOne: uid === visitor.session.uid,
        endAction: `${path}/${uid}/end`,
      }))
      .sort((left, right) => Number(right.isThisOne) - Number(left.isThisOne)),
    devices: devices.map(({ id, userAgent, ...device }) => ({
      ...device,
      name: browserWords(userAgent),
      isThisOne: id === here?.id,
      forgetAction: `${path}/browser/${id}/forget`,
    })),
    endOthersAction: `${path}/end-others`,
    forgetAllAction: `${path}/forget-browsers`,
  })
}

const note = (
  ctx: Context,
  sub: string,
  type: 'session_ended' | 'sessions_ended' | 'device_forgotten',
  { activity }: SessionRoutesParts,
) => activity.append(sub, { type, ...callerOf(ctx).where })
