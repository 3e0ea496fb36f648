// Tells a service who is calling in headers that only a proxy in front of it may set: their names, and their values for a token.
import type { VerifiedToken } from './verifier.ts'

const names = ['X-Auth-Subject', 'X-Auth-Client-Id', 'X-Auth-Scope', 'X-Auth-Roles', 'X-Auth-Acr']

// CGI, WSGI, Rack and PHP see all of `X-Auth-Subject`, `x_auth_subject` and `X.AUTH.SUBJECT` as HTTP_X_AUTH_SUBJECT.
const plain = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '-')
const known = new Set(names.map(plain))

/** Whether a service may read this header, in whatever spelling, as one of ours: a proxy must remove it from what clients send. */
export const isIdentityHeader = (name: string): boolean => known.has(plain(name))

/**
 * The headers for a verified token: `X-Auth-Subject`, `X-Auth-Client-Id`, and, where the token has them, `X-Auth-Scope` and
 * `X-Auth-Roles` (separated by spaces) and `X-Auth-Acr`. What is not printable ASCII in a value, and the space, comma and percent
 * sign in it, are percent-encoded (UTF-8), so that one role can never be read as two. No token, no headers.
 */
export function identityHeaders(token: VerifiedToken | undefined): Record<string, string> {
  if (!token) return {}
  const { subject, clientId, scopes, roles, acr } = token
  return {
    'X-Auth-Subject': encoded(subject),
    'X-Auth-Client-Id': encoded(clientId),
    ...(scopes.length > 0 && { 'X-Auth-Scope': scopes.map(encoded).join(' ') }),
    ...(roles.length > 0 && { 'X-Auth-Roles': roles.map(encoded).join(' ') }),
    ...(acr !== undefined && { 'X-Auth-Acr': encoded(acr) }),
  }
}

const encoded = (value: string): string => value.toWellFormed().replace(/[^!-$&-+\--~]/gu, encodeURIComponent)
