// Keeps a random token in a browser, so that the same browser can be told again; it outlives sessions and signs nobody in.
import type { Context } from 'koa'

type Request = Pick<Context, 'cookies' | 'secure'>

// What browsers keep a cookie at most (RFC 6265bis section 5.5).
const lifetime = 400 * 24 * 60 * 60 * 1000
const shape = /^[A-Za-z0-9_-]{43}$/

const nameFor = ({ secure }: Request) => `${secure ? '__Host-' : ''}gatehouse-device`

/** Undefined also for one that was altered or is none of ours: junk goes no further. */
export function readDeviceToken(ctx: Request): string | undefined {
  const token = ctx.cookies.get(nameFor(ctx), { signed: true })
  return token !== undefined && shape.test(token) ? token : undefined
}

export function giveDeviceToken(ctx: Request, token: string): void {
  ctx.cookies.set(nameFor(ctx), token, {
    signed: true,
    httpOnly: true,
    sameSite: 'lax',
    secure: ctx.secure,
    path: '/',
    maxAge: lifetime,
    overwrite: true,
  })
}
