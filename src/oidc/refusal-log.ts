// Writes every refusal of the engine to the log with its cause; in development the caller is told the cause too.
import type { Context, Next } from 'koa'
import type { KoaContextWithOIDC, Provider } from 'oidc-provider'

interface Log {
  info(fields: object, message: string): void
  error(fields: object, message: string): void
}

type Refused = Error & { error_description?: string; error_detail?: string; status?: number }

const events = [
  'authorization.error',
  'grant.error',
  'introspection.error',
  'revocation.error',
  'userinfo.error',
  'registration_create.error',
  'registration_read.error',
  'registration_update.error',
  'registration_delete.error',
  'pushed_authorization_request.error',
  'device_authorization.error',
  'code_verification.error',
  'end_session.error',
  'end_session_confirm.error',
  'discovery.error',
  'jwks.error',
] as const

export function createRefusalLog({ log, isDevelopment }: { log: Log; isDevelopment: boolean }) {
  const fields = (ctx: KoaContextWithOIDC, error: Refused) => ({
    requestId: (ctx as unknown as Context).state.requestId,
    endpoint: ctx.oidc?.route,
    client_id: ctx.oidc?.client?.clientId,
    error: error.message,
    description: error.error_description,
    cause: error.error_detail,
  })

  return {
    observe: (provider: Provider): void => {
      const refused = (ctx: KoaContextWithOIDC, error: Refused) => {
        const context = ctx as unknown as Context
        context.state.refusalCause = error.error_detail
        if ((error.status ?? 400) >= 500)
          log.error({ ...fields(ctx, error), err: error.cause }, 'the database does not answer')
        else log.info(fields(ctx, error), 'refused')
      }
      for (const event of events) provider.on(event as 'grant.error', refused as never)
      provider.on('server_error', (ctx, error) =>
        log.error({ ...fields(ctx, error), err: error }, 'a bug, or a fault that was not foreseen'),
      )
    },

    /** Mounted in front of the engine. */
    explain: async (ctx: Context, next: Next): Promise<void> => {
      await next()
      if (ctx.status === 503) ctx.set('Retry-After', '1')
      const body = ctx.body as { error?: string; error_description?: string } | undefined
      if (ctx.status < 400 || typeof body?.error !== 'string') return
      ctx.set('Cache-Control', 'no-store')
      const cause: unknown = ctx.state.refusalCause
      if (isDevelopment && typeof cause === 'string')
        ctx.body = { ...body, error_description: `${body.error_description} (${cause})` }
    },
  }
}
