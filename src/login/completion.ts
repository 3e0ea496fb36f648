// Ends a sign-in in which everything was shown: the browser becomes known, its owner hears of a new one, and the engine goes on.
import type { Context } from 'koa'
import type { InteractionResults } from 'oidc-provider'
import type { AccountMail } from '../accounts/account-mail.ts'
import type { Account, AccountStore } from '../accounts/account-store.ts'
import type { ActivityLog } from '../accounts/activity-log.ts'
import type { Devices } from '../accounts/devices/devices.ts'
import { giveDeviceToken, readDeviceToken } from '../http/cookies/device-cookie.ts'
import { badRequest } from '../http/errors.ts'
import { acrOf, amrOf } from '../oidc/policy/acr.ts'
import type { Interaction, Interactions } from './interaction.ts'
import { occasionOf, visitOf } from './occasion.ts'
import type { Progress } from './sign-in-state.ts'

export interface CompletionParts {
  interactions: Interactions
  accounts: Pick<AccountStore, 'lockForSignIn' | 'setDeleteAfter'>
  devices: Pick<Devices, 'newToken' | 'noteSignIn' | 'list'>
  activity: Pick<ActivityLog, 'append'>
  accountMail: Pick<AccountMail, 'newDevice'>
}

export type Completion = ReturnType<typeof createCompletion>

export function createCompletion(parts: CompletionParts) {
  const { interactions, accounts, devices } = parts

  const complete = async (ctx: Context, account: Account, progress: Progress, remembered: boolean) => {
    // Whoever changes a credential at this moment either waits for this, or has ended it.
    if ((await accounts.lockForSignIn(account.sub)) !== progress.securityVersion)
      throw badRequest('sign_in_expired', 'This sign-in is over. Go back to the application and try again.')
    const token = readDeviceToken(ctx) ?? devices.newToken()
    const visit = visitOf(ctx)
    const isFirst = (await devices.list(account.sub)).length === 0
    const { isNew } = await devices.noteSignIn(token, account.sub, { ...visit, remember: progress.remember ?? false })
    giveDeviceToken(ctx, token)
    if (account.deleteAfter) await accounts.setDeleteAfter(account.sub, null)
    const amr = amrOf(progress.methods).join(' ')
    await parts.activity.append(account.sub, { type: 'signed_in', ...visit, details: { amr } })
    // Nobody needs to hear of the first one.
    if (isNew && !isFirst) await parts.accountMail.newDevice(account, occasionOf(ctx))
    return { login: { ...authentication(progress, remembered), accountId: account.sub } } as InteractionResults
  }

  return async (ctx: Context, { state, account, situation }: Interaction): Promise<void> => {
    const { progress } = state
    if (!progress || !account) throw badRequest('wrong_step', 'Sign in first.')
    const remembered = situation.isDeviceRemembered && progress.methods.length === 1
    await interactions.finish(ctx, () => complete(ctx, account, progress, remembered))
  }
}

function authentication({ methods, authenticatedAt, securityVersion }: Progress, isRemembered: boolean) {
  return {
    acr: acrOf(methods),
    // RFC 8176: by risk, since this browser was trusted.
    amr: [...amrOf(methods), ...(isRemembered ? ['rba'] : [])],
    remember: true,
    ts: authenticatedAt ?? Math.floor(Date.now() / 1000),
    securityVersion,
  }
}
