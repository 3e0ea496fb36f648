// Reads the two variables about mail: the server's URL, and the address that messages come from.
import { isIP } from 'node:net'

export interface SmtpServer {
  /** As it was given, password and all. */
  url: string
  host: string
  port: number
  /** TLS from the first byte (`smtps:`). */
  isSecure: boolean
  /** Whether STARTTLS must succeed, is used where it is offered, or is left alone. */
  startTls: 'required' | 'optional' | 'off'
  /** On this machine, where nobody can stand between: its certificate need not be one that others vouch for. */
  isLocal: boolean
  user: string | undefined
  password: string | undefined
}

export interface MailAddress {
  name: string
  address: string
}

const startTlsChoices = ['required', 'optional', 'off'] as const

/** Undefined for anything but smtp(s)://[user:password@]host[:port][?starttls=required|optional|off]. */
export function parseSmtpUrl(text: string): SmtpServer | undefined {
  const url = URL.parse(text)
  if (!url || !['smtp:', 'smtps:'].includes(url.protocol) || url.hostname === '') return undefined
  if (!['', '/'].includes(url.pathname) || url.hash !== '') return undefined
  const { starttls, ...unknown } = Object.fromEntries(url.searchParams)
  const startTls = startTlsChoices.find((choice) => choice === starttls)
  if (Object.keys(unknown).length > 0 || (starttls !== undefined && !startTls)) return undefined
  const [user, password] = [decoded(url.username), decoded(url.password)]
  if (user === undefined || password === undefined || Boolean(user) !== Boolean(password)) return undefined
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const isSecure = url.protocol === 'smtps:'
  const isLocal = host === 'localhost' || host === '::1' || /^127\./.test(host)
  return {
    url: text,
    host,
    port: Number(url.port) || (isSecure ? 465 : user ? 587 : 25),
    isSecure,
    // Neither a password nor a link is sent in the clear because somebody on the way has cut the offer out.
    startTls: startTls ?? (isLocal ? 'optional' : 'required'),
    isLocal,
    user: user || undefined,
    password: password || undefined,
  }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

// No quoting, no comments, no list: what an address may hold beside these is of no use to a server that only sends.
const addressForm = /^[^\s@<>()[\],;:"\\\p{C}]{1,64}@[^\s@<>()[\],;:"\\\p{C}]{1,253}$/u

/** `no-reply@example.com`, or with a display name: `Example <no-reply@example.com>`. */
export function parseMailAddress(text: string): MailAddress | undefined {
  const [, quoted, plain, inBrackets, bare] =
    /^\s*(?:(?:"([^"<>]*)"|([^"<>]*))\s*<([^<>]*)>|([^<>\s]+))\s*$/.exec(text) ?? []
  const address = inBrackets ?? bare ?? ''
  const name = (quoted ?? plain ?? '').trim()
  return addressForm.test(address) && !/\p{Cc}/u.test(name) ? { name, address } : undefined
}

export function defaultSender(issuer: string): MailAddress {
  const { hostname } = new URL(issuer)
  const isName = isIP(hostname.replace(/^\[(.*)\]$/, '$1')) === 0
  return { name: 'Gatehouse', address: `no-reply@${isName ? hostname : 'localhost'}` }
}
