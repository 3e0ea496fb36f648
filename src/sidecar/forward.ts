// Carries one admitted request to the service and its answer back, streaming both ways.
import { type ClientRequest, type IncomingMessage, METHODS, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import type { VerifiedToken } from '../verifier/verifier.ts'
import { hasBody } from './answers.ts'
import { endToEnd, flat, upstreamHeaders } from './forwarded-headers.ts'
import type { Upstream } from './upstream.ts'

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  token: VerifiedToken | undefined
  requestId: string
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'].filter((method) => METHODS.includes(method)))

/** Resolves when the answer has been sent or either side is gone; rejects while nothing was sent, so that something else can be. */
export function forward(upstream: Upstream, exchange: Exchange, isAgain = false): Promise<void> {
  const { request, response } = exchange
  return new Promise((resolve, reject) => {
    const outgoing = upstream.open(head(exchange))
    const abandon = () => outgoing.destroy()
    response.once('close', abandon)
    const settle = (error?: Error) => {
      response.off('close', abandon)
      if (!error || response.headersSent || response.destroyed) resolve()
      else if (canTryAgain(error, outgoing, request, isAgain)) forward(upstream, exchange, true).then(resolve, reject)
      else reject(error)
    }
    outgoing.once('error', settle)
    // A service that switches protocols unasked: nobody would close that connection.
    outgoing.once('upgrade', (_, socket) => socket.destroy())
    const broken = () => settle(new Error('The service broke off.'))
    outgoing.once('close', broken)
    outgoing.once('response', (answer) => {
      outgoing.off('error', settle).off('close', broken)
      // The service may answer, and close, before it has read all.
      outgoing.on('error', () => undefined)
      sendBack(answer, response, settle)
    })
    if (hasBody(request)) request.pipe(outgoing)
    else outgoing.end()
  })
}

function head({ request, token, requestId }: Exchange) {
  const { method = 'GET', url: target = '/', headers } = request
  const framing: [string, string][] = headers['transfer-encoding']
    ? [['Transfer-Encoding', 'chunked']]
    : // RFC 9110 section 8.6: methods that usually have a body say when there is none.
      headers['content-length'] || !['POST', 'PUT', 'PATCH'].includes(method)
      ? Object.entries({ ...(headers['content-length'] && { 'Content-Length': headers['content-length'] }) })
      : [['Content-Length', '0']]
  return { method, target, headers: flat([...upstreamHeaders(request, token, requestId), ...framing]) }
}

/** The service may have closed a kept connection while we wrote into it. Once, and only what may safely be sent twice. */
function canTryAgain(error: Error, outgoing: ClientRequest, request: IncomingMessage, isAgain: boolean): boolean {
  const isCut = 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
  return isCut && outgoing.reusedSocket && !isAgain && !hasBody(request) && SAFE.has(request.method ?? '')
}

function sendBack(answer: IncomingMessage, response: ServerResponse, done: (error?: Error) => void): void {
  // Ours are set already and give way to the service's own.
  for (const [name] of endToEnd(answer.rawHeaders)) response.removeHeader(name)
  const own = Object.entries(response.getHeaders()).flatMap(([name, value]) => [name, String(value)])
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  const headers = [...flat(endToEnd(answer.rawHeaders)), ...own]
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', headers)
  // Events and other slow answers: the head must not wait for the first byte of the body.
  response.flushHeaders()
  pipeline(answer, response, (error) => done(error ?? undefined))
}
