// Says where a request comes from: for the activity log, and for notices by mail.
import type { Context } from 'koa'
import { browserWords } from '../accounts/devices/user-agent.ts'
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
  return { where, occasion: { address: ctx.ip, device: browserWords(where.userAgent), language: languageOf(ctx) } }
}
