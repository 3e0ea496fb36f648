// Chooses the language of an answer: `ui_locales` of the request (OpenID Connect Core section 3.1.2.1), then the browser's wishes.
import type { Context, Middleware } from 'koa'
import type { Translations, Translator } from './translations.ts'

/** Sets `ctx.state.language`; whoever knows better, such as an interaction with stored parameters, chooses again. */
export function createLanguageChoice({ translations }: { translations: Translations }): Middleware {
  return (ctx, next) => {
    ctx.state.language = chosenLanguage(ctx, translations, ctx.query.ui_locales)
    return next()
  }
}

export function chosenLanguage(ctx: Context, translations: Translations, uiLocales: unknown): Translator {
  const asked = typeof uiLocales === 'string' ? uiLocales.slice(0, 200).split(' ').filter(Boolean) : []
  return translations.choose([...asked, ...ctx.acceptsLanguages().filter((tag) => tag !== '*')])
}

/** Of the request under way. */
export function languageOf(ctx: Context): Translator {
  const language = ctx.state.language as Translator | undefined
  if (!language) throw new TypeError('The language choice must be mounted before a page is shown.')
  return language
}
