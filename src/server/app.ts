// Everything that answers, in the order in which a request meets it: the only list of what is mounted.
import Koa, { type Context, type Middleware } from 'koa'
import { createCrossSiteGuard } from '../http/csrf.ts'
import { createErrorRenderer } from '../http/error-renderer.ts'
import { notFound, serviceUnavailable } from '../http/errors.ts'
import { healthRoutes } from '../http/health-routes.ts'
import { createPageHeaders } from '../http/page-headers.ts'
import { createForwarding } from '../http/request/client-address.ts'
import { createInputCheck } from '../http/request/input-check.ts'
import { createRequestLimits } from '../http/request-limits.ts'
import { createRequestLog } from '../http/request-log.ts'
import { showPage } from '../http/show-page.ts'
import { createLanguageChoice } from '../language/language-choice.ts'
import { createFirstAdministrator, type FirstAdministrator } from '../login/landing/first-administrator-routes.ts'
import { homeRoutes } from '../login/landing/home-routes.ts'
import { languageRoutes } from '../login/landing/language-routes.ts'
import { mailboxRoutes } from '../mail/mailbox-routes.ts'
import { cookieNames } from '../oidc/policy/engine-policy.ts'
import { postAsGet } from '../oidc/post-as-get.ts'
import { createRequestTransaction } from '../oidc/request-transaction.ts'
import { accountFormPaths } from '../self-service/account-routes.ts'
import { administration } from './administration.ts'
import type { Node } from './node.ts'
import { hostedSignIn } from './pages/hosted-sign-in.ts'
import { selfService } from './pages/self-service.ts'
import { createSecretGuessingLimit } from './secret-guessing.ts'
import type { ServerParts } from './server.ts'
import type { Stores } from './stores.ts'

const signInPaths = ['/interaction/', '/setup/', '/language', '/reset-password/', '/invitation/', '/not-me/']
const formPaths = [...signInPaths, ...accountFormPaths]
const clientAuthenticated = new Set(['/token', '/introspect', '/revoke', '/par', '/device_authorization'])
/** Answered under any host: probes and proxies call by address. */
const isExempt = (path: string) => path === '/healthz' || path === '/readyz' || path.startsWith('/gateway/')

export function createApp(parts: ServerParts, stores: Stores, node: Node): Koa {
  const { config, log } = parts
  const isDevelopment = !config.production
  const app = new Koa({ proxy: true })
  app.keys = node.cookieKeys
  app.silent = true

  app.use(createRequestLog({ log }))
  app.use(createPageHeaders({ issuer: config.issuer }))
  app.use(createLanguageChoice({ translations: node.translations }))
  app.use(createErrorRenderer({ views: node.views, log, isDevelopment }))
  app.use(
    createForwarding({ issuer: config.issuer, trustedProxies: config.http.trustedProxies, exemptPaths: isExempt }),
  )
  app.use(healthRoutes({ readiness: node.readiness.report }))
  app.use(createInputCheck({ maxBodyBytes: 56 * 1024 }))
  app.use(exactPaths)
  app.use(node.assets.serve)
  app.use(onceStarted(node))
  for (const limit of limits(parts, stores)) app.use(limit)
  app.use(only(formPaths, createCrossSiteGuard({ issuer: config.issuer })))
  app.use(languageRoutes({ issuer: config.issuer, translations: node.translations }).routes())
  app.use(homeRoutes({ issuer: config.issuer, views: node.views, isDevelopment }).routes())
  for (const flow of hostedSignIn(parts, stores, node)) app.use(flow.routes())
  app.use(selfService(parts, stores, node).routes())
  app.use(firstAdministrator(parts, stores, node).routes.routes())
  if (!config.mail.server) app.use(mailbox(stores, node).routes())
  app.use(administration(parts, stores, node))
  app.use(postAsGet)
  app.use(createRequestTransaction({ database: stores.database }))
  app.use(node.refusals.explain)
  app.use(node.engine.middleware)
  return app
}

const only =
  (prefixes: string[], middleware: Middleware): Middleware =>
  (ctx, next) =>
    prefixes.some((prefix) => ctx.path.startsWith(prefix)) ? middleware(ctx, next) : next()

/** Routers fold case and drop a final slash; limits and guards compare paths as they stand. One spelling serves both. */
const exactPaths: Middleware = (ctx, next) => {
  const [, first = ''] = ctx.path.split('/')
  const isExact = first === first.toLowerCase() && !first.includes('%') && (ctx.path === '/' || !ctx.path.endsWith('/'))
  if (!isExact) throw notFound('There is nothing here. Paths are written in lower case and without a final slash.')
  return next()
}

const onceStarted =
  ({ readiness }: Node): Middleware =>
  (_, next) => {
    if (!readiness.isStarted()) throw serviceUnavailable(1, 'The server is starting. Try again in a moment.')
    return next()
  }

/** Strangers make rows at these: interactions, pushed requests, device codes, and sessions that nobody is signed in to. */
const strangersPaths = new Set(['/authorize', '/par', '/device_authorization', '/device', '/sign-out'])

/** In front of everything that writes: no stranger fills a table. */
function limits({ config }: ServerParts, { clientCache }: Stores): Middleware[] {
  const { limitByAddress, createFailureLimit } = createRequestLimits()
  const cookie = cookieNames(config.issuer).session
  const hasSession = (ctx: Context) => Boolean(ctx.cookies.get(cookie, { signed: true }))
  const { authorizeLimit } = config.http
  return [
    limitByAddress({
      points: authorizeLimit,
      seconds: 60,
      applies: (ctx) => strangersPaths.has(ctx.path) && !hasSession(ctx),
    }),
    // A session is easily had; but behind one address there may be a whole office.
    limitByAddress({
      points: 10 * authorizeLimit,
      seconds: 60,
      applies: (ctx) => strangersPaths.has(ctx.path) && hasSession(ctx),
    }),
    // RFC 8628 section 5.1: user codes are short, so they must not be tried out.
    limitByAddress({ points: 60, seconds: 600, applies: (ctx) => ctx.path === '/device' && ctx.method === 'POST' }),
    createSecretGuessingLimit({
      failures: createFailureLimit({ points: 500, seconds: 300 }),
      findClient: clientCache.find,
      paths: clientAuthenticated,
    }),
  ]
}

/** In development only: `loadConfig` wants a server for mail in production. */
const mailbox = ({ mailQueue }: Stores, { views }: Node) =>
  mailboxRoutes({
    list: mailQueue.listKept,
    find: mailQueue.findKept,
    show: (ctx, name, data) => showPage(ctx, views, name, data),
  })

export function firstAdministrator(
  { config }: Pick<ServerParts, 'config'>,
  stores: Stores,
  node: Node,
): FirstAdministrator {
  return createFirstAdministrator({
    issuer: config.issuer,
    views: node.views,
    database: stores.database,
    accounts: stores.accounts,
    registration: node.registrations.accounts,
    links: stores.links,
    minimumLength: node.minimumPasswordLength,
  })
}
