// Sets the security headers that every answer carries, pages and errors alike.
import type { IncomingMessage, ServerResponse } from 'node:http'
import helmet from 'helmet'
import type { Middleware } from 'koa'

interface Parts {
  issuer: string
}

const oneYear = 365 * 24 * 60 * 60
const permissions =
  'camera=(), geolocation=(), microphone=(), payment=(), usb=(), publickey-credentials-create=(self), publickey-credentials-get=(self)'

export function createPageHeaders({ issuer }: Parts): Middleware {
  const headers = { ...helmetHeaders(issuer), 'Permissions-Policy': permissions }
  return (ctx, next) => {
    ctx.set(headers)
    return next()
  }
}

/** They are the same on each answer, so helmet is asked once. */
function helmetHeaders(issuer: string): Record<string, string> {
  const setHeaders = helmet({
    contentSecurityPolicy: { useDefaults: false, directives: contentSources },
    // Anything stricter cuts `window.opener`, and with it sign-in in a popup.
    crossOriginOpenerPolicy: { policy: 'unsafe-none' },
    // `no-referrer` would make browsers send `Origin: null` with our own forms, which the cross-site guard refuses.
    referrerPolicy: { policy: 'same-origin' },
    strictTransportSecurity: new URL(issuer).protocol === 'https:' && { maxAge: oneYear, includeSubDomains: false },
    xFrameOptions: { action: 'deny' },
  })
  const headers: Record<string, string> = {}
  const response = {
    setHeader: (name: string, value: string) => {
      headers[name] = value
    },
    removeHeader: () => undefined,
  }
  setHeaders({} as IncomingMessage, response as unknown as ServerResponse, (error) => {
    if (error) throw error
  })
  return headers
}

// Without form-action: Chrome applies it to the whole redirect chain after a form, so it would stop the way back to the
// client. With an explicit script-src: the engine adds the hash of its form_post script to that.
const contentSources = {
  'default-src': ["'none'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'data:'],
  'font-src': ["'self'"],
  'script-src': ["'self'"],
  'base-uri': ["'none'"],
  'frame-ancestors': ["'none'"],
}
