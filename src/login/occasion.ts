// Says when, from where and in which browser something happened: to the activity log, and to the person whose account it is.
import type { Context } from 'koa'
import { browserWords } from '../accounts/devices/user-agent.ts'
import type { Occasion } from '../accounts/security-notices.ts'
import { languageOf } from '../language/language-choice.ts'

export const visitOf = (ctx: Context) => ({ address: ctx.ip, userAgent: ctx.get('User-Agent') })

export const occasionOf = (ctx: Context): Occasion => ({
  address: ctx.ip,
  device: browserWords(ctx.get('User-Agent')),
  language: languageOf(ctx),
})
