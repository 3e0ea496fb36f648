// What applications and services send to the protocol's endpoints, and what came back.
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { authorizeUrl, pkce } from '../support/code-flow.ts'

export interface Answer {
  status: number
  headers: Headers
  body: Record<string, unknown>
}

interface Credentials {
  clientId: string
  clientSecret: string
}

export const basic = ({ clientId, clientSecret }: Credentials): string =>
  `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`

export async function send(url: string | URL, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') ?? false
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : { text } }
}

/** A form to one of the endpoints at which clients authenticate. */
export const post = (
  issuer: string,
  path: string,
  fields: Record<string, string> | [string, string][],
  headers: Record<string, string> = {},
): Promise<Answer> => send(new URL(path, issuer), { method: 'POST', headers, body: new URLSearchParams(fields) })

/** The same, authenticated: a public client by its client_id alone. */
export const postAs = (issuer: string, path: string, client: Credentials, fields: Record<string, string>) =>
  client.clientSecret
    ? post(issuer, path, fields, { authorization: basic(client) })
    : post(issuer, path, { ...fields, client_id: client.clientId })

export const machineToken = (issuer: string, machine: Credentials, fields: Record<string, string> = {}) =>
  postAs(issuer, '/token', machine, { grant_type: 'client_credentials', ...fields })

export const introspect = (issuer: string, client: Credentials, token: unknown) =>
  postAs(issuer, '/introspect', client, { token: String(token) })

export const revoke = (issuer: string, client: Credentials, token: unknown) =>
  postAs(issuer, '/revoke', client, { token: String(token) })

export const userinfo = (issuer: string, token: unknown) =>
  send(new URL('/userinfo', issuer), { headers: { authorization: `Bearer ${String(token)}` } })

/** An authorization request with a fresh S256 challenge; an empty value leaves a parameter out. */
export function pkceUrl(
  issuer: string,
  app: { clientId: string; redirectUri: string },
  params: Record<string, string> = {},
): URL {
  return authorizeUrl(issuer, app, { code_challenge: pkce().challenge, code_challenge_method: 'S256', ...params })
}

export interface RawAnswer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

/** A request with whatever Host, cookies and target one likes, to the server's port. */
export function rawRequest(
  port: number,
  path: string,
  {
    method = 'GET',
    headers = {},
    body = '',
  }: { method?: string; headers?: Record<string, string | string[]>; body?: string } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: '127.0.0.1', path, method, headers, setHost: !('host' in headers) })
    request.on('error', reject)
    request.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
    request.end(body)
  })
}
