// Ends a sign-in in which everything was shown: the browser becomes known, its owner hears of a new one, and the engine goes on.
import type { Context } from 'koa'
import type { InteractionResults } from 'oidc-provider'
import type { AccountMail } from '../accounts/account-mail.ts'
import type { Account, AccountStore } from '../accounts/account-store.ts'
import type { ActivityLog } from '../accounts/activity-log.ts'
import type { Device } from '../accounts/devices/device-store.ts'
import type { Devices } from '../accounts/devices/devices.ts'
import { giveDeviceToken, readDeviceToken } from '../http/cookies/device-cookie.ts'
import { badRequest } from '../http/errors.ts'
import { acrOf, amrOf, levelOf } from '../oidc/policy/acr.ts'
import type { Interaction, Interactions } from './interaction.ts'
import { occasionOf, visitOf } from './occasion.ts'
import { isFromSession, type Progress } from './sign-in-state.ts'

export interface CompletionParts {
  interactions: Interactions
  accounts: Pick<AccountStore, 'lockForSignIn' | 'setDeleteAfter'>
  devices: Pick<Devices, 'noteSignIn' | 'list'>
  activity: Pick<ActivityLog, 'append' | 'has'>
  accountMail: Pick<AccountMail, 'newDevice'>
}

export type Completion = ReturnType<typeof createCompletion>

export function createCompletion(parts: CompletionParts) {
  const { interactions, accounts, devices } = parts

  /** The browser becomes known, and its owner hears of one that is new. */
  const recognise = async (ctx: Context, account: Account, { methods, remember = false }: Progress) => {
    const known = await devices.list(account.sub)
    const isFirst = isYoung(account) && !(await parts.activity.has(account.sub, 'signed_in'))
    const hasShownFactor = levelOf(acrOf(methods)) > 1
    const visit = visitOf(ctx)
    const { isNew, token } = await devices.noteSignIn(readDeviceToken(ctx), account.sub, {
      ...visit,
      remember,
      hasShownFactor,
    })
    giveDeviceToken(ctx, token)
    await parts.activity.append(account.sub, {
      type: 'signed_in',
      ...visit,
      details: { amr: amrOf(methods).join(' ') },
    })
    if (isNew && !isFirst && !isFlood(known)) await parts.accountMail.newDevice(account, occasionOf(ctx))
  }

  const complete = async (ctx: Context, account: Account, progress: Progress, isSpared: boolean) => {
    // Whoever changes a credential at this moment either waits for this, or has ended it.
    if ((await accounts.lockForSignIn(account.sub)) !== progress.securityVersion)
      throw badRequest('sign_in_expired', 'This sign-in is over. Go back to the application and try again.')
    if (account.deleteAfter) {
      await accounts.setDeleteAfter(account.sub, null)
      await parts.activity.append(account.sub, { type: 'deletion_cancelled', ...visitOf(ctx) })
    }
    // A stronger sign-in was asked for that this account cannot give: nothing was shown, so nothing has happened.
    if (!isFromSession(progress)) await recognise(ctx, account, progress)
    return { login: { ...authentication(progress, isSpared), accountId: account.sub } } as InteractionResults
  }

  return async (ctx: Context, { state, account, situation }: Interaction): Promise<void> => {
    const { progress } = state
    if (!progress || !account) throw badRequest('wrong_step', 'Sign in first.')
    const isSpared = situation.isDeviceRemembered && levelOf(acrOf(progress.methods)) < 2
    await interactions.finish(ctx, () => complete(ctx, account, progress, isSpared))
  }
}

const hour = 3_600_000

/** Nobody needs to hear of the browser in which the account was made. */
const isYoung = ({ createdAt }: Account) => Date.now() - createdAt.getTime() < 24 * hour

/** A thief must not be able to bury one notice under many. */
const isFlood = (known: readonly Device[]) =>
  known.filter(({ createdAt }) => Date.now() - createdAt.getTime() < hour).length >= 5

function authentication({ methods, session, securityVersion }: Progress, isSpared: boolean) {
  return {
    acr: acrOf(methods),
    // RFC 8176: by risk, since this browser was trusted.
    amr: [...amrOf(methods), ...(isSpared ? ['rba'] : [])],
    remember: true,
    ts: session?.authenticatedAt ?? Math.floor(Date.now() / 1000),
    securityVersion,
  }
}
