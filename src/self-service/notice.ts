// Carries one sentence over a redirect, in a signed cookie that the next page shows and takes away.
import type { Context } from 'koa'
import type { Sentence } from '../language/translations.ts'
import { seeOther } from './see-other.ts'

type Request = Pick<Context, 'cookies' | 'secure'>

const options = (ctx: Request) =>
  ({ signed: true, httpOnly: true, sameSite: 'lax', secure: ctx.secure, path: '/account', overwrite: true }) as const
const nameFor = ({ secure }: Request) => `${secure ? '__Secure-' : ''}gatehouse-notice`
const milliseconds = 60_000

/** Such as “Your password is changed.” */
export function leaveNotice(ctx: Request, sentence: Sentence): void {
  const value = Buffer.from(JSON.stringify(sentence)).toString('base64url')
  ctx.cookies.set(nameFor(ctx), value, { ...options(ctx), maxAge: milliseconds })
}

export function takeNotice(ctx: Request): Sentence | undefined {
  const value = ctx.cookies.get(nameFor(ctx), { signed: true })
  if (value === undefined) return undefined
  ctx.cookies.set(nameFor(ctx), null, options(ctx))
  return JSON.parse(Buffer.from(value, 'base64url').toString()) as Sentence
}

/** The end of a form that has done its work. */
export function doneWith(ctx: Context, path: string, sentence: Sentence): void {
  leaveNotice(ctx, sentence)
  seeOther(ctx, path)
}
