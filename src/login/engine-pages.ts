// The pages that the engine asks for: signing out, device codes, and refusals.
import type { Context } from 'koa'
import type { ErrorOut, KoaContextWithOIDC } from 'oidc-provider'
import type { AccountStore } from '../accounts/account-store.ts'
import type { Client } from '../clients/client-store.ts'
import type { Views } from '../http/views.ts'
import { explainRefusal } from './refusal-explanation.ts'
import { showPage } from './show-page.ts'

export interface EnginePagesParts {
  views: Views
  accounts: Pick<AccountStore, 'find'>
  findClient(clientId: string): Promise<Client | undefined>
  isDevelopment: boolean
}

/** The engine hands its forms over as HTML; only the action and the token against cross-site requests are ours to keep. */
const formOf = (html: string) => ({
  action: /action="([^"]+)"/.exec(html)?.[1] ?? '',
  xsrf: /name="xsrf" value="([^"]+)"/.exec(html)?.[1] ?? '',
})

function wordsFor(status: number, out: ErrorOut, error: Error, isDevelopment: boolean) {
  // The engine's name for an interaction that is not there: expired, finished, another browser's, or stopped by a change of credentials.
  if (error.name === 'SessionNotFound')
    return {
      title: 'This sign-in is over',
      message:
        'It took too long, was finished already, was begun in another browser, or your account was changed meanwhile. Go back to the application and sign in again.',
    }
  return {
    title: status >= 500 ? 'This did not work' : 'This request was refused',
    message: isDevelopment || status < 500 ? (out.error_description ?? out.error) : 'Try again in a moment.',
  }
}

export function createEnginePages({ views, accounts, findClient, isDevelopment }: EnginePagesParts) {
  const show = (ctx: KoaContextWithOIDC, name: string, data: Record<string, unknown>) =>
    showPage(ctx as unknown as Context, views, name, data)

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
    ) => {
      const isOver = error !== undefined && error.name !== 'NoCodeError'
      show(ctx, 'device-code-input', {
        ...formOf(form),
        userCode: error?.userCode,
        ...(isOver ? { error: 'This code is not right, or it has expired. Look at your device again.' } : undefined),
      })
    },
    userCodeConfirmSource: async (
      ctx: KoaContextWithOIDC,
      form: string,
      client: { clientName?: string | undefined },
      _: unknown,
      userCode: string,
    ) => show(ctx, 'device-code-confirm', { ...formOf(form), clientName: client.clientName, userCode }),
    successSource: async (ctx: KoaContextWithOIDC) =>
      show(ctx, 'device-code-done', { clientName: ctx.oidc.client?.clientName }),
    renderError: async (ctx: KoaContextWithOIDC, out: ErrorOut, error: Error) => {
      const requestId = (ctx as unknown as Context).state.requestId
      const clientId = ctx.oidc?.params?.client_id
      const client = typeof clientId === 'string' ? await findClient(clientId).catch(() => undefined) : undefined
      show(ctx, 'error', {
        ...wordsFor(ctx.status, out, error, isDevelopment),
        code: out.error,
        requestId,
        ...(isDevelopment
          ? { detail: explainRefusal({ params: { ...ctx.oidc?.params }, client, error: out, cause: error }) }
          : undefined),
      })
    },
  }
}
