// Carries an admitted WebSocket handshake to the service and joins the two connections, until one ends or the token does.
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { VerifiedToken } from '../verifier/verifier.ts'
import { hasBody, type OwnAnswer } from './answers.ts'
import { endToEnd, flat, upstreamHeaders } from './forwarded-headers.ts'
import type { Upstream } from './upstream.ts'

interface Handshake {
  request: IncomingMessage
  socket: Duplex
  /** What the client sent behind its handshake already. */
  early: Buffer
  token: VerifiedToken | undefined
  requestId: string
}

// The longest that a timer takes.
const LONGEST = 2 ** 31 - 1

/** Another protocol (h2c above all) would carry requests past the guard; a body would be read as frames. */
export const isWebSocket = (request: IncomingMessage): boolean =>
  request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket' && !hasBody(request)

/** Resolves with the service's status when both ends are closed; rejects while nothing was sent. */
export function tunnel(upstream: Upstream, handshake: Handshake): Promise<number> {
  const { request, socket, early, token, requestId } = handshake
  const protocol: [string, string][] = [
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
  ]
  return new Promise((resolve, reject) => {
    const headers = flat([...upstreamHeaders(request, token, requestId), ...protocol])
    const outgoing = upstream.open({ method: 'GET', target: request.url ?? '/', headers, isTunnel: true })
    const abandon = () => outgoing.destroy()
    socket.once('close', abandon)
    outgoing.once('error', (error) => (socket.destroyed ? resolve(499) : reject(error)))
    outgoing.once('upgrade', (answer, service, first) => {
      socket.off('close', abandon)
      socket.write(rawHead(answer, protocol))
      if (first.length > 0) socket.write(first)
      if (early.length > 0) service.write(early)
      join(socket, service, token?.expiresAt, () => resolve(101))
    })
    outgoing.once('response', (answer) => {
      socket.write(rawHead(answer, [['Connection', 'close']]))
      answer.pipe(socket)
      socket.once('close', () => resolve(answer.statusCode ?? 502))
      answer.once('error', () => socket.destroy())
    })
    outgoing.end()
  })
}

function join(client: Duplex, service: Duplex, expiresAt: number | undefined, done: () => void): void {
  const end = () => {
    clearTimeout(timer)
    client.destroy()
    service.destroy()
    done()
  }
  const left = expiresAt === undefined ? LONGEST : Math.min(LONGEST, expiresAt * 1000 - Date.now())
  const timer = setTimeout(end, Math.max(0, left))
  if (expiresAt === undefined) clearTimeout(timer)
  for (const side of [client, service]) side.on('error', end).on('close', end)
  client.pipe(service).pipe(client)
}

export function writeRaw(socket: Duplex, { status, headers, body }: OwnAnswer): void {
  const all = { ...headers, 'Content-Length': String(Buffer.byteLength(body)), Connection: 'close' }
  socket.end(`${statusLine(status)}${headerLines(Object.entries(all))}\r\n${body}`)
}

const statusLine = (status: number, message = STATUS_CODES[status] ?? '') => `HTTP/1.1 ${status} ${message}\r\n`
const headerLines = (headers: [string, string][]) => headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
const rawHead = ({ statusCode = 502, statusMessage, rawHeaders }: IncomingMessage, more: [string, string][]) =>
  Buffer.from(
    `${statusLine(statusCode, statusMessage)}${headerLines([...endToEnd(rawHeaders), ...more])}\r\n`,
    'latin1',
  )
