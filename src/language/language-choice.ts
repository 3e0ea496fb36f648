// Chooses the language of an answer: `ui_locales` of the request, then what was chosen in this browser, then the browser's own wishes.
import type { Context, Middleware } from 'koa'
import type { Translations, Translator } from './translations.ts'

export const languageCookie = 'gatehouse-language'
const oneYear = 365 * 24 * 60 * 60 * 1000

/** Sets `ctx.state.language`; whoever knows better, such as an interaction with stored parameters, chooses again. */
export function createLanguageChoice({ translations }: { translations: Translations }): Middleware {
  return (ctx, next) => {
    chooseLanguage(ctx, translations, uiLocalesIn(ctx.originalUrl))
    return next()
  }
}

/** By the `ui_locales` that an application has sent (OpenID Connect Core section 3.1.2.1). */
export function chooseLanguage(ctx: Context, translations: Translations, uiLocales: unknown): void {
  const asked = translations.find(tagsIn(uiLocales))
  const own = ownChoice(ctx)
  const chosen = translations.find(own.language ? [own.language] : [])
  // Somebody who was shown the application's language and took another one is not asked again.
  const isOverruled = chosen !== undefined && asked !== undefined && own.insteadOf === asked.locale
  ctx.state.askedLanguage = asked?.locale
  ctx.state.language = isOverruled
    ? chosen
    : (asked ?? chosen ?? translations.choose(ctx.acceptsLanguages().filter((tag) => tag !== '*')))
}

/** What an account has chosen: it counts before the browser's own wishes, and after whatever was chosen in this browser. */
export function preferLanguage(ctx: Context, translations: Translations, locale: string | undefined): void {
  if (!locale || ctx.state.askedLanguage || ownChoice(ctx).language) return
  ctx.state.language = translations.find([locale]) ?? ctx.state.language
}

/** Of the request under way. */
export function languageOf(ctx: Context): Translator {
  const language = ctx.state.language as Translator | undefined
  if (!language) throw new TypeError('The language choice must be mounted before a page is shown.')
  return language
}

/** In this browser, for a year: the language, and the one of `ui_locales` that it was chosen instead of. */
export function rememberLanguage(ctx: Context, language: string, insteadOf?: string): void {
  ctx.cookies.set(languageCookie, insteadOf ? `${language}.${insteadOf}` : language, {
    signed: false,
    httpOnly: true,
    sameSite: 'lax',
    secure: ctx.secure,
    maxAge: oneYear,
  })
}

// Not by `ctx.cookies`: that decides at its first use whether the connection is secure, and the scheme is not known yet.
function ownChoice(ctx: Context): { language?: string | undefined; insteadOf?: string | undefined } {
  const [, language, insteadOf] = inCookie.exec(ctx.get('Cookie')) ?? []
  return { language, insteadOf }
}

const inCookie = new RegExp(`(?:^|;\\s*)${languageCookie}=([\\w-]+)(?:\\.([\\w-]+))?(?:;|$)`)

/** Read from the bytes: this stands before the input check, and `ctx.query` throws at an address that is none. */
const uiLocalesIn = (url: string): string | undefined =>
  new URLSearchParams(/\?(.*)/s.exec(url)?.[1]).get('ui_locales') ?? undefined

const tagsIn = (uiLocales: unknown): string[] =>
  typeof uiLocales === 'string' ? uiLocales.slice(0, 200).split(' ').filter(Boolean) : []
