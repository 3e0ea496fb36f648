// A web application that people sign in to: authorization code with PKCE, refresh, an API call, sign-out.
import { randomBytes } from 'node:crypto'
import Router from '@koa/router'
import Koa, { type Context } from 'koa'
import * as client from 'openid-client'

export interface WebAppOptions {
  issuer: string
  clientId: string
  clientSecret: string
  port: number
  apiUrl: string
}

interface Session {
  pending?: { state: string; verifier: string }
  tokens?: client.TokenEndpointResponse & client.TokenEndpointResponseHelpers
  refreshes: number
  api?: unknown
}

const cookie = 'demo-app-session'

export async function startWebApp({ issuer, clientId, clientSecret, port, apiUrl }: WebAppOptions) {
  const origin = `http://localhost:${port}`
  const options = issuer.startsWith('http:') ? { execute: [client.allowInsecureRequests] } : undefined
  const config = await client.discovery(new URL(issuer), clientId, clientSecret, undefined, options)
  const sessions = new Map<string, Session>()
  const router = new Router()

  const sessionOf = (ctx: Context): Session => {
    const known = sessions.get(ctx.cookies.get(cookie) ?? '')
    if (known) return known
    const id = randomBytes(32).toString('base64url')
    const session: Session = { refreshes: 0 }
    sessions.set(id, session)
    ctx.cookies.set(cookie, id, { httpOnly: true, sameSite: 'lax' })
    return session
  }

  router.get('/', (ctx) => {
    ctx.type = 'html'
    ctx.body = page(sessionOf(ctx))
  })

  router.get('/sign-in', async (ctx) => {
    const pending = { state: client.randomState(), verifier: client.randomPKCECodeVerifier() }
    sessionOf(ctx).pending = pending
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: `${origin}/callback`,
      scope: 'openid email orders:read',
      state: pending.state,
      code_challenge: await client.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: 'S256',
    })
    ctx.redirect(url.href)
  })

  router.get('/callback', async (ctx) => {
    const session = sessionOf(ctx)
    if (!session.pending) return ctx.redirect('/')
    const { state, verifier } = session.pending
    session.tokens = await client.authorizationCodeGrant(config, new URL(ctx.originalUrl, origin), {
      expectedState: state,
      pkceCodeVerifier: verifier,
    })
    delete session.pending
    ctx.redirect('/')
  })

  router.post('/refresh', async (ctx) => {
    const session = sessionOf(ctx)
    const token = session.tokens?.refresh_token
    if (token) {
      session.tokens = await client.refreshTokenGrant(config, token)
      session.refreshes += 1
    }
    ctx.redirect('/')
  })

  router.post('/orders', async (ctx) => {
    const session = sessionOf(ctx)
    const answer = await fetch(apiUrl, { headers: { authorization: `Bearer ${session.tokens?.access_token}` } })
    session.api = await answer.json()
    ctx.redirect('/')
  })

  router.get('/sign-out', (ctx) => {
    const idToken = sessionOf(ctx).tokens?.id_token
    sessions.delete(ctx.cookies.get(cookie) ?? '')
    const url = client.buildEndSessionUrl(config, {
      post_logout_redirect_uri: `${origin}/`,
      ...(idToken ? { id_token_hint: idToken } : undefined),
    })
    ctx.redirect(url.href)
  })

  return new Koa().use(router.routes()).listen(port, '127.0.0.1')
}

const escaped = (value: unknown) =>
  JSON.stringify(value, null, 2).replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)

function page({ tokens, refreshes, api }: Session): string {
  const body = tokens
    ? `<p>Signed in as <strong>${escaped(tokens.claims()?.email)}</strong>; refreshed ${refreshes} times.</p>
<form method="post" action="/orders"><button>Call the orders API</button></form>
<form method="post" action="/refresh"><button>Refresh the tokens</button></form>
<p><a href="/sign-out">Sign out</a></p>
<h2>ID token</h2><pre>${escaped(tokens.claims())}</pre>
${api ? `<h2>The API answered</h2><pre>${escaped(api)}</pre>` : ''}`
    : '<p>You are not signed in.</p><p><a href="/sign-in">Sign in with Gatehouse</a></p>'
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Demo application</title><style>body{font:1rem/1.6 system-ui;max-width:42rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}
form{display:inline-block;margin:0 .5rem .5rem 0}button{font:inherit;padding:.5rem 1rem}pre{overflow:auto;padding:1rem;border:1px solid #8886;border-radius:.5rem}</style>
<h1>Demo application</h1>${body}</html>`
}
