// The ambassador: a reverse proxy beside one service that lets through only what the guard admits.
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRequestCheck } from '../verifier/frameworks/request-check.ts'
import type { RouteRule, Verifier } from '../verifier/verifier.ts'
import { hasBody, type OwnAnswer, problemAnswer, refusalAnswer } from './answers.ts'
import { forward } from './forward.ts'
import { createSidecarHealth } from './sidecar-health.ts'
import type { SidecarLog } from './sidecar-log.ts'
import { isWebSocket, tunnel, writeRaw } from './tunnel.ts'
import { createUpstream, type Limits, UpstreamTimeout } from './upstream.ts'

interface Parts {
  verifier: Verifier
  rules: readonly RouteRule[]
  /** `http://host:port` */
  upstream: URL
  log: SidecarLog
  limits: Limits & { /** Milliseconds that requests under way are given when it stops. */ drain: number }
}

export interface Sidecar {
  http: Server
  /** Not ready any more, finishes what is under way, then closes everything. */
  stop(): Promise<void>
}

export function createSidecar({ verifier, rules, upstream: url, log, limits }: Parts): Sidecar {
  const check = createRequestCheck(verifier, { rules })
  const upstream = createUpstream({ url, limits })
  const underWay = new Set<Duplex | ServerResponse>()
  let isDraining = false
  const probe = createSidecarHealth({ verifier, isDraining: () => isDraining })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const health = await probe(request.url ?? '')
    if (health) return sendJson(response, health.status, health.body)
    const requestId = requestIdOf(request)
    logged({ log, request, requestId, response })
    response.setHeader('X-Request-Id', requestId)
    if (isDraining) response.setHeader('Connection', 'close')
    const checked = await check(request)
    if (!checked.ok) return send(request, response, refusalAnswer(checked.refusal))
    if (request.headers.expect) response.writeContinue()
    try {
      await forward(upstream, { request, response, token: checked.token, requestId })
    } catch (error) {
      send(request, response, failure(error, requestId))
    }
  }

  async function shake(request: IncomingMessage, socket: Duplex, early: Buffer): Promise<void> {
    const requestId = requestIdOf(request)
    const startedAt = performance.now()
    const done = (status: number) => log.info(logLine(request, requestId, status, startedAt), 'tunnel')
    const refuse = (own: OwnAnswer) => {
      writeRaw(socket, { ...own, headers: { ...own.headers, 'X-Request-Id': requestId } })
      done(own.status)
    }
    if (!isWebSocket(request)) return refuse(problemAnswer(400, 'invalid_request', 'No such upgrade.', requestId))
    const checked = await check(request)
    if (!checked.ok) return refuse(refusalAnswer(checked.refusal))
    try {
      done(await tunnel(upstream, { request, socket, early, token: checked.token, requestId }))
    } catch (error) {
      refuse(failure(error, requestId))
    }
  }

  const handle = (request: IncomingMessage, response: ServerResponse) => {
    underWay.add(response)
    response.once('close', () => underWay.delete(response))
    answer(request, response).catch((error: unknown) => {
      log.warn({ error: error instanceof Error ? error.stack : String(error) }, 'bug')
      if (response.headersSent) response.destroy()
      else send(request, response, problemAnswer(500, 'internal_error', 'Something went wrong.', ''))
    })
  }
  const http = listenerOf(handle, shake, underWay)

  async function stop(): Promise<void> {
    isDraining = true
    const until = performance.now() + limits.drain
    while (underWay.size > 0 && performance.now() < until) await sleep(20)
    const closed = new Promise((resolve) => http.close(resolve))
    http.closeAllConnections()
    for (const one of underWay) one.destroy()
    upstream.close()
    await closed
  }
  return { http, stop }
}

function listenerOf(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  shake: (request: IncomingMessage, socket: Duplex, early: Buffer) => Promise<void>,
  underWay: Set<Duplex | ServerResponse>,
): Server {
  // Uploads may take as long as they need, but not their head. What is no WebSocket is an ordinary request (RFC 9110 section 7.8).
  const shouldUpgradeCallback = (request: IncomingMessage) => isWebSocket(request)
  const http = createServer({ requestTimeout: 0, headersTimeout: 30_000, shouldUpgradeCallback }, handle)
  http.on('checkContinue', handle)
  http.on('upgrade', (request, socket, early) => {
    underWay.add(socket)
    socket.on('error', () => socket.destroy()).once('close', () => underWay.delete(socket))
    shake(request, socket, early).catch(() => socket.destroy())
  })
  return http
}

function failure(error: unknown, requestId: string): OwnAnswer {
  if (error instanceof UpstreamTimeout)
    return problemAnswer(504, 'upstream_timeout', 'The service did not answer in time.', requestId)
  return problemAnswer(502, 'upstream_unreachable', 'The service could not be reached or broke off.', requestId)
}

/** A neighbour's id goes on, so that one request has one id everywhere. */
function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && /^[\w-]{8,128}$/.test(given) ? given : randomUUID()
}

function send(request: IncomingMessage, response: ServerResponse, { status, headers, body }: OwnAnswer): void {
  const close = hasBody(request) ? { Connection: 'close' } : {}
  const length = { 'Content-Length': Buffer.byteLength(body) }
  response.writeHead(status, { ...headers, ...length, ...close }).end(body)
}

function sendJson(response: ServerResponse, status: number, body: Record<string, unknown>): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
  response.end(JSON.stringify(body))
}

interface Logged {
  log: SidecarLog
  request: IncomingMessage
  response: ServerResponse
  requestId: string
}

function logged({ log, request, response, requestId }: Logged): void {
  const startedAt = performance.now()
  response.once('close', () => {
    const isAborted = !response.writableFinished
    const status = isAborted && !response.headersSent ? 499 : response.statusCode
    const line = { ...logLine(request, requestId, status, startedAt), ...(isAborted && { isAborted }) }
    if (status >= 500) log.warn(line, 'request')
    else log.info(line, 'request')
  })
}

/** Neither the query nor any header: tokens travel there. */
const logLine = ({ method, url = '', socket }: IncomingMessage, requestId: string, status: number, since: number) => ({
  requestId,
  method,
  path: url.split(/[?#]/, 1)[0]?.slice(0, 512),
  status,
  milliseconds: Math.round((performance.now() - since) * 10) / 10,
  address: socket.remoteAddress,
})
