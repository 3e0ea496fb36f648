// The authorization code flow as an application runs it: authorize, sign in, consent, exchange.
import { createHash, randomBytes } from 'node:crypto'
import type { TestServer } from './test-server.ts'
import { createUserAgent, type Page, type UserAgent } from './user-agent.ts'

export interface Application {
  clientId: string
  clientSecret: string
  redirectUri: string
}

export interface Tokens {
  status: number
  access_token?: string
  refresh_token?: string
  id_token?: string
  scope?: string
  error?: string
  error_description?: string
}

export const pkce = () => {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

export function authorizeUrl(
  issuer: string,
  app: Pick<Application, 'clientId' | 'redirectUri'>,
  params: Record<string, string> = {},
): URL {
  const url = new URL('/authorize', issuer)
  const all = {
    client_id: app.clientId,
    redirect_uri: app.redirectUri,
    response_type: 'code',
    scope: 'openid',
    state: 'state',
    ...params,
  }
  for (const [name, value] of Object.entries(all)) if (value !== '') url.searchParams.set(name, value)
  return url
}

/** Signs in where it is asked to, consents where it is asked to, and returns the redirect to the application. */
export async function signIn(
  agent: UserAgent,
  start: Page,
  person: { email: string; password: string },
): Promise<Page> {
  let page = start
  for (let steps = 0; steps < 4 && !page.location; steps += 1) {
    if (page.text.includes('/sign-in"'))
      page = await agent.submit(page, '/sign-in', { email: person.email, password: person.password })
    else if (page.text.includes('/consent"')) page = await agent.submit(page, '/consent', { decision: 'allow' })
    else break
  }
  return page
}

export async function tokenRequest(
  issuer: string,
  app: Pick<Application, 'clientId' | 'clientSecret'>,
  fields: Record<string, string>,
): Promise<Tokens> {
  const headers: Record<string, string> = app.clientSecret
    ? { authorization: `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}` }
    : {}
  const body = new URLSearchParams({ ...fields, ...(app.clientSecret ? undefined : { client_id: app.clientId }) })
  const response = await fetch(new URL('/token', issuer), { method: 'POST', headers, body })
  return { status: response.status, ...((await response.json()) as object) }
}

/** A code for a person who signs in with a browser of their own (or the one given). */
export async function obtainCode(
  { issuer }: Pick<TestServer, 'issuer'>,
  app: Application,
  person: { email: string; password: string },
  { agent = createUserAgent(), ...params }: Record<string, string> & { agent?: UserAgent } = {} as never,
): Promise<{ code: string; verifier: string; agent: UserAgent; redirect: URL }> {
  const { verifier, challenge } = pkce()
  const url = authorizeUrl(issuer, app, {
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...(params as Record<string, string>),
  })
  const page = await signIn(agent, await agent.visit(url), person)
  const redirect = page.location
  const code = redirect?.searchParams.get('code')
  if (!redirect || !code)
    throw new Error(`No code: ${page.status} ${redirect?.href ?? page.text.replace(/<[^>]+>/g, ' ').slice(0, 800)}`)
  return { code, verifier, agent, redirect }
}

export const redeem = (
  issuer: string,
  app: Application,
  { code, verifier }: { code: string; verifier: string },
): Promise<Tokens> =>
  tokenRequest(issuer, app, {
    grant_type: 'authorization_code',
    code,
    code_verifier: verifier,
    redirect_uri: app.redirectUri,
  })

export const refresh = (
  issuer: string,
  app: Application,
  refreshToken: string,
  more: Record<string, string> = {},
): Promise<Tokens> => tokenRequest(issuer, app, { grant_type: 'refresh_token', refresh_token: refreshToken, ...more })
