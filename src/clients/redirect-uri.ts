// Decides which redirect URIs may be registered (RFC 6749 section 3.1.2, RFC 8252 section 7, RFC 9700 section 4.1).
import type { ClientKind } from './client-store.ts'

const loopback = new Set(['localhost', '127.0.0.1', '[::1]'])
// Schemes that a browser runs, or that reach into the machine.
const dangerous = new Set([
  'javascript:',
  'data:',
  'vbscript:',
  'file:',
  'blob:',
  'about:',
  'view-source:',
  'ws:',
  'wss:',
  'ftp:',
])
const unclean = /[\s\\<>"^`{|}*]|[^\u0021-\u007e]/

/** What is wrong with it, in a sentence that says what to register instead; undefined when nothing is. */
export function redirectUriProblem(uri: string, kind: ClientKind): string | undefined {
  if (kind === 'machine') return 'a machine client has no redirect URIs'
  if (uri.length > 2000) return 'is longer than 2000 characters'
  if (unclean.test(uri))
    return 'has characters that do not belong in a URI (spaces, backslashes, wildcards or unencoded characters)'
  if (!URL.canParse(uri)) return 'is not an absolute URI'
  const url = new URL(uri)
  if (uri.includes('#')) return 'must not have a fragment (#…)'
  if (url.username || url.password || /^[a-z][a-z0-9+.-]*:\/\/[^/?]*@/i.test(uri))
    return 'must not carry a user name or password'
  if (dangerous.has(url.protocol)) return `must not use the scheme ${url.protocol}`
  if (url.protocol === 'https:') return undefined
  if (url.protocol === 'http:') {
    return loopback.has(url.hostname) ? undefined : 'must use https (http only on localhost, 127.0.0.1 or [::1])'
  }
  if (kind !== 'native') return 'must use https'
  return url.protocol.includes('.')
    ? undefined
    : 'a scheme of your own must be a reversed domain name, such as com.example.app:/callback'
}
