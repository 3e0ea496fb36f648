// Tells whether the owner of an account is spared the second factor in the browser that a request comes from.
import type { Context } from 'koa'
import { readDeviceToken } from '../../http/cookies/device-cookie.ts'
import type { Stores } from '../stores.ts'

export const isDeviceRemembered =
  ({ devices }: Pick<Stores, 'devices'>) =>
  async (ctx: Context, sub: string): Promise<boolean> =>
    (await devices.find(readDeviceToken(ctx), sub))?.isRemembered ?? false
