// Decides whether somebody who names an address may have mail sent there: strangers share its few messages, a known browser has its own.
import type { Context } from 'koa'
import type { Account } from '../accounts/account-store.ts'
import type { Devices } from '../accounts/devices/devices.ts'
import type { MailThrottle } from '../accounts/sign-in/mail-throttle.ts'
import { readDeviceToken } from '../http/cookies/device-cookie.ts'

interface Parts {
  devices: Pick<Devices, 'find'>
  mailThrottle: MailThrottle
}

/** Otherwise whoever asks for ten messages a day would keep the owner from getting one. */
export async function reserveMail(
  ctx: Context,
  account: Pick<Account, 'sub' | 'email'> | undefined,
  typed: string,
  { devices, mailThrottle }: Parts,
): ReturnType<MailThrottle['reserve']> {
  // Asked for a stranger's name too: the time must not tell.
  const device = await devices.find(readDeviceToken(ctx), account?.sub ?? typed)
  const mailbox = device ? `device ${device.id}` : (account?.email ?? typed)
  return mailThrottle.reserve({ email: mailbox, address: ctx.ip })
}
