// Says where a request comes from: for the activity log, for notices by mail, and in words.
import type { Context } from 'koa'
import { describeUserAgent } from '../accounts/devices/user-agent.ts'
import { languageOf } from '../language/language-choice.ts'
import type { Sentence, Translator } from '../language/translations.ts'

export interface Caller {
  /** For the log. */
  where: { address: string; userAgent: string }
  /** For a notice. */
  occasion: { address: string; device: Sentence; language: Translator }
}

export function callerOf(ctx: Context): Caller {
  const where = { address: ctx.ip, userAgent: ctx.get('User-Agent') }
  return { where, occasion: { address: ctx.ip, device: browserName(where.userAgent), language: languageOf(ctx) } }
}

/** Such as “Firefox on Windows”. */
export function browserName(userAgent: string): Sentence {
  const { browser, system } = describeUserAgent(userAgent)
  if (browser && system) return { key: 'account.browser-on-system', values: { browser, system } }
  const known = browser ?? system
  return known ? { key: 'account.browser-only', values: { browser: known } } : { key: 'account.browser-unknown' }
}
