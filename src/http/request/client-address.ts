// Decides who is calling and which host was asked for, believing X-Forwarded-* only from the listed proxies.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv4 } from 'node:net'
import type { Context, Middleware } from 'koa'
import { badRequest, misdirectedRequest } from '../errors.ts'

interface Parts {
  issuer: string
  /** Addresses or CIDRs, such as `10.0.0.0/8` or `::1`. */
  trustedProxies: readonly string[]
  /** Paths that answer under any host, because probes and proxies call by address. */
  exemptPaths: (path: string) => boolean
}

/**
 * Mount it before every reader of `ctx.ip`, `ctx.host` or `ctx.protocol`, on an app with `proxy: true`: it replaces the
 * forwarding headers, so that Koa and the engine see the true address and the issuer's own scheme and host. What a
 * trusted proxy sent is left in `ctx.state.forwarded` (lower-case names).
 */
export function createForwarding({ issuer, trustedProxies, exemptPaths }: Parts): Middleware {
  const { protocol, host: issuerHost } = new URL(issuer)
  const isTrusted = trustCheck(trustedProxies)

  return async (ctx, next) => {
    const peer = plainAddress(ctx.req.socket.remoteAddress ?? '')
    const forwarded = takeForwardingHeaders(ctx.req.headers)
    ctx.state.forwarded = isTrusted(peer) ? forwarded : {}
    const address = clientAddress(peer, ctx.state.forwarded['x-forwarded-for'], isTrusted)
    ctx.state.clientAddress = address
    if (address) ctx.req.headers['x-forwarded-for'] = address
    ctx.req.headers['x-forwarded-proto'] = protocol.slice(0, -1)
    ctx.req.headers['x-forwarded-host'] = issuerHost

    const targetHost = useOriginForm(ctx)
    if (!exemptPaths(pathOf(ctx.req.url ?? '')))
      for (const sent of [...requestedHosts(ctx.req, ctx.state.forwarded['x-forwarded-host']), ...targetHost])
        if (!isSameHost(sent, issuerHost)) throw wrongHost(sent, issuerHost, issuer)
    await next()
  }
}

function trustCheck(entries: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/')
    const version = isIP(address)
    const bits = prefix === undefined ? (version === 4 ? 32 : 128) : Number(prefix)
    if (version === 0 || !/^\d*$/.test(prefix ?? '') || bits > (version === 4 ? 32 : 128))
      throw new TypeError(`"${entry}" is neither an IP address nor a CIDR such as 10.0.0.0/8.`)
    list.addSubnet(address, bits, version === 4 ? 'ipv4' : 'ipv6')
  }
  return (address) => isIP(address) !== 0 && list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}

function takeForwardingHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const taken: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith('x-forwarded-') && name !== 'forwarded' && name !== 'x-real-ip') continue
    if (typeof value === 'string') taken[name] = value
    delete headers[name]
  }
  return taken
}

// From the right: each trusted hop vouches for the entry before it. What is no address ends the chain.
function clientAddress(
  peer: string,
  forwardedFor: string | undefined,
  isTrusted: (address: string) => boolean,
): string {
  let believed = peer
  for (const entry of (forwardedFor ?? '').split(',').reverse()) {
    if (!isTrusted(believed)) break
    const address = plainAddress(entry.trim())
    if (address === '') break
    believed = address
  }
  return believed
}

// `::ffff:192.0.2.1` is the IPv4 caller of a dual-stack socket; some proxies add a port, IPv6 sockets a zone.
function plainAddress(text: string): string {
  const bare = text.replace(/^\[(.*)\](:\d+)?$/, '$1').replace(/^([\d.]+):\d+$/, '$1')
  const address = bare.replace(/%.*$/, '').replace(/^::ffff:(?=[\d.]+$)/i, '')
  return isIP(address) === 0 ? '' : address
}

// The nearest proxy writes last. Two Host headers are two hosts, even if Node keeps only the first.
function requestedHosts(req: IncomingMessage, forwardedHost: string | undefined): string[] {
  if (forwardedHost !== undefined) return [forwardedHost.split(',').at(-1)?.trim() ?? '']
  const hosts = req.rawHeaders.filter(
    (_, index) => index % 2 === 1 && req.rawHeaders[index - 1]?.toLowerCase() === 'host',
  )
  return hosts.length === 1 ? hosts : ['']
}

// RFC 9112, 3.2.2: an absolute-form target is legal. Routers and the engine expect the origin form.
function useOriginForm(ctx: Context): string[] {
  const target = ctx.req.url ?? ''
  if (target.startsWith('/') || target === '*') return []
  const [, host, rest = ''] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target) ?? []
  const url = rest.startsWith('/') ? rest : `/${rest}`
  ctx.req.url = url
  ctx.originalUrl = url
  ctx.request.originalUrl = url
  if (host === undefined)
    throw badRequest('invalid_request', 'The request target must be a path or an http(s) URL. Correct the address.')
  return [host]
}

function pathOf(url: string): string {
  return url.split(/[?#]/, 1)[0] ?? ''
}

// Proxies in front of TLS write either default port; an issuer with a port of its own needs exactly that one.
function isSameHost(sent: string, issuerHost: string): boolean {
  const host = sent.toLowerCase()
  return host === issuerHost || (!/:\d+$/.test(issuerHost) && host.replace(/:(80|443)$/, '') === issuerHost)
}

function wrongHost(sent: string, issuerHost: string, issuer: string) {
  return misdirectedRequest(
    'This server does not answer under this host name. Use the address that its operator gave you.',
    {
      detail: {
        cause: sent
          ? 'The request was sent to another host than the issuer.'
          : 'The request names no host, or more than one.',
        fix: 'Open the issuer address, or set GATEHOUSE_ISSUER to the address that people use. Behind a proxy, pass the Host header on, or send X-Forwarded-Host and list the proxy in GATEHOUSE_TRUSTED_PROXIES.',
        facts: [
          { label: 'Host that was sent', value: sent.slice(0, 255) || '(none)' },
          { label: 'Host of the issuer', value: issuerHost },
          { label: 'Issuer', value: issuer },
        ],
      },
    },
  )
}
