// Remembers the language that somebody chooses in the footer of a page, and shows that page again.
import Router from '@koa/router'
import { badRequest } from '../../http/errors.ts'
import { readForm } from '../../http/form-body.ts'
import { rememberLanguage } from '../../language/language-choice.ts'
import type { Translations } from '../../language/translations.ts'

export interface LanguageRoutesParts {
  issuer: string
  translations: Pick<Translations, 'locales'>
}

export function languageRoutes({ issuer, translations }: LanguageRoutesParts): Router {
  const known = (locale: string | undefined) => translations.locales.find((name) => name === locale)
  const router = new Router()
  router.post('/language', (ctx) => {
    const form = readForm(ctx)
    const language = known(form.language)
    if (!language) throw badRequest('unknown_language', 'This server does not speak this language.')
    rememberLanguage(ctx, language, known(form.instead_of))
    ctx.status = 303
    ctx.redirect(ownAddress(issuer, form.return_to))
  })
  return router
}

/** Whole, never the path alone: `//elsewhere.example` is a path to us and another site to a browser. */
function ownAddress(issuer: string, path = '/'): string {
  const url = URL.parse(path, issuer)
  return url?.origin === new URL(issuer).origin ? `${url.origin}${url.pathname}${url.search}` : `${issuer}/`
}
