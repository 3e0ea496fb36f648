// The landing page: what stands here, and where a developer goes on.
import Router from '@koa/router'
import { showPage } from '../../http/show-page.ts'
import type { Views } from '../../http/views.ts'

export interface HomeParts {
  issuer: string
  views: Views
  isDevelopment: boolean
}

export function homeRoutes({ issuer, views, isDevelopment }: HomeParts): Router {
  const router = new Router()
  const discoveryUrl = `${issuer}/.well-known/openid-configuration`
  router.get('/', (ctx) =>
    showPage(ctx, views, 'home', { issuer, isDevelopment, discoveryUrl, jwksUrl: `${issuer}/jwks` }),
  )
  return router
}
