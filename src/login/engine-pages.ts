// The pages that the engine asks for: signing out, device codes, and refusals.
import type { Context } from 'koa'
import type { ErrorOut, KoaContextWithOIDC } from 'oidc-provider'
import type { AccountStore } from '../accounts/account-store.ts'
import type { Branding } from '../branding/branding.ts'
import type { Client } from '../clients/client-store.ts'
import { errorText } from '../http/error-text.ts'
import { readerOf, showPage } from '../http/show-page.ts'
import type { Views } from '../http/views.ts'
import { chooseLanguage } from '../language/language-choice.ts'
import type { Translations } from '../language/translations.ts'
import { explainRefusal } from './refusal-explanation.ts'

export interface EnginePagesParts {
  views: Views
  translations: Translations
  accounts: Pick<AccountStore, 'find'>
  findClient(clientId: string): Promise<Client | undefined>
  branding: Pick<Branding, 'of'>
  isDevelopment: boolean
}

/** The engine hands its forms over as HTML; only the action and the token against cross-site requests are ours to keep. */
const formOf = (html: string) => ({
  action: /action="([^"]+)"/.exec(html)?.[1] ?? '',
  xsrf: /name="xsrf" value="([^"]+)"/.exec(html)?.[1] ?? '',
})

export function createEnginePages(parts: EnginePagesParts) {
  const { views, translations, accounts, findClient, branding, isDevelopment } = parts
  const speak = (ctx: KoaContextWithOIDC) => {
    chooseLanguage(ctx as unknown as Context, translations, uiLocalesOf(ctx))
    return ctx as unknown as Context
  }
  const show = (engineCtx: KoaContextWithOIDC, name: string, data: Record<string, unknown>, clientId?: string) => {
    const ctx = speak(engineCtx)
    ctx.state.brand = branding.of(clientId ?? engineCtx.oidc?.client?.clientId)
    showPage(ctx, views, name, data)
  }

  return {
    logoutSource: async (ctx: KoaContextWithOIDC, form: string) => {
      const { session, client } = ctx.oidc
      const account = session?.accountId ? await accounts.find(session.accountId) : undefined
      show(ctx, 'sign-out', { ...formOf(form), clientName: client?.clientName, accountEmail: account?.email })
    },
    postLogoutSuccessSource: async (ctx: KoaContextWithOIDC) =>
      show(ctx, 'signed-out', { clientName: ctx.oidc.client?.clientName }),
    userCodeInputSource: async (
      ctx: KoaContextWithOIDC,
      form: string,
      _: ErrorOut | undefined,
      error: (Error & { userCode?: string }) | undefined,
    ) =>
      show(ctx, 'device-code-input', {
        ...formOf(form),
        userCode: error?.userCode,
        isCancelled: error?.name === 'AbortedError',
        isWrong: error !== undefined && !['AbortedError', 'NoCodeError'].includes(error.name),
      }),
    userCodeConfirmSource: async (
      ctx: KoaContextWithOIDC,
      form: string,
      client: { clientId?: string | undefined; clientName?: string | undefined },
      _: unknown,
      userCode: string,
    ) =>
      show(ctx, 'device-code-confirm', { ...formOf(form), clientName: client.clientName, userCode }, client.clientId),
    successSource: async (ctx: KoaContextWithOIDC) =>
      show(ctx, 'device-code-done', { clientName: ctx.oidc.client?.clientName }),
    renderError: async (ctx: KoaContextWithOIDC, out: ErrorOut, error: Error) => {
      const { state, status } = speak(ctx)
      const clientId = ctx.oidc?.params?.client_id
      const client = typeof clientId === 'string' ? await findClient(clientId).catch(() => undefined) : undefined
      const description = out.error_description ?? out.error
      const refusal = { code: codeOf(error, out, status), status, message: description, sentence: undefined }
      const text = errorText(readerOf(ctx as unknown as Context), refusal)
      const data = {
        ...text,
        code: out.error,
        requestId: state.requestId,
        // For whoever builds the application; a fault of the server's own is nobody's business.
        technical: text.isEnglish || (status >= 500 && !isDevelopment) ? undefined : out.error_description,
        ...(isDevelopment
          ? { detail: explainRefusal({ params: { ...ctx.oidc?.params }, client, error: out, cause: error }) }
          : undefined),
      }
      show(ctx, 'error', data, client?.clientId)
    },
  }
}

/** Of the request; of the device that asks; or of the page on which somebody pressed the button that led here. */
function uiLocalesOf(ctx: KoaContextWithOIDC): unknown {
  const device = ctx.oidc?.entities?.DeviceCode as { params?: Record<string, unknown> } | undefined
  const { query, headers } = ctx as unknown as Context
  const previous = URL.parse(headers.referer ?? '')?.searchParams
  return ctx.oidc?.params?.ui_locales ?? device?.params?.ui_locales ?? query.ui_locales ?? previous?.get('ui_locales')
}

/** The engine has one code for several things that a person would want told apart. */
function codeOf({ name }: Error, { error }: ErrorOut, status: number): string {
  if (name === 'SessionNotFound') return 'sign_in_expired'
  return status === 404 ? 'not_found' : error
}
