// Reads a request's body once, within a limit, and hands the same bytes to everybody who asks for them later.
import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import { badRequest, payloadTooLarge, unsupportedMediaType } from '../errors.ts'

// What a client may still send after a refusal before it is cut off: reading on lets it see the answer (RFC 9112, 9.6).
const drainedBytes = 1024 * 1024

function hasBody(req: IncomingMessage): boolean {
  const length = req.headers['content-length']
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) > 0)
}

/** Throws 413 above the limit, 415 for a compressed or foreign type. Unread bytes are drained first. */
export async function readBody(ctx: Context, maxBytes: number, types: string[]): Promise<Buffer> {
  if (!hasBody(ctx.req)) return keep(ctx, Buffer.alloc(0))
  const refusal = typeRefusal(ctx, types)
  if (refusal) {
    const headers = await drain(ctx.req)
    throw unsupportedMediaType(refusal, { headers })
  }
  return keep(ctx, await collect(ctx.req, maxBytes))
}

/** The bytes that the input check has read. */
export function rawBody(ctx: Pick<Context, 'state'>): Buffer {
  if (!Buffer.isBuffer(ctx.state.rawBody)) throw new Error('The input check must be mounted before a body is read.')
  return ctx.state.rawBody
}

// Another charset would let the engine decode other text than was checked here.
function typeRefusal(ctx: Context, types: string[]): string | undefined {
  const encoding = ctx.get('Content-Encoding').toLowerCase()
  if (encoding !== '' && encoding !== 'identity') return 'Send the body without Content-Encoding.'
  if (!ctx.is(types)) return `Send the body with Content-Type ${types.join(' or ')}.`
  const charset = ctx.request.charset.toLowerCase()
  return ['', 'utf-8', 'utf8'].includes(charset) ? undefined : 'Send the body in UTF-8.'
}

async function collect(req: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = `The body is larger than ${maxBytes} bytes. Send less.`
  if (Number(req.headers['content-length']) > maxBytes) throw payloadTooLarge(tooLarge, { headers: await drain(req) })
  const chunks: Buffer[] = []
  let received = 0
  for await (const chunk of chunksOf(req)) {
    received += chunk.length
    if (received > maxBytes) break
    chunks.push(chunk)
  }
  if (received > maxBytes) throw payloadTooLarge(tooLarge, { headers: await drain(req) })
  return Buffer.concat(chunks, received)
}

async function drain(req: IncomingMessage): Promise<Record<string, string>> {
  let received = 0
  if (Number(req.headers['content-length']) > drainedBytes) return { Connection: 'close' }
  for await (const chunk of chunksOf(req)) {
    received += chunk.length
    if (received > drainedBytes) return { Connection: 'close' }
  }
  return {}
}

// The iterator must not destroy the request when it stops early: that would cut the connection before the answer.
async function* chunksOf(req: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of req.iterator({ destroyOnReturn: false })) yield chunk
  } catch (cause) {
    throw badRequest('invalid_request', 'The body ended before it was complete. Send it again.', { cause })
  }
}

// oidc-provider reads `readable` and `iterator` itself (lib/shared/selective_body.js of 9.13); with these own properties
// it gets the same bytes. An upgrade that reads the stream in another way breaks test/http/request-body.test.ts.
function keep(ctx: Context, bytes: Buffer): Buffer {
  ctx.state.rawBody = bytes
  if (bytes.length === 0 && !('content-length' in ctx.req.headers) && !('transfer-encoding' in ctx.req.headers))
    return bytes
  Object.defineProperties(ctx.req, {
    readable: { value: true, configurable: true },
    readableEncoding: { value: null, configurable: true },
    iterator: { value: () => replay(bytes), configurable: true },
  })
  return bytes
}

async function* replay(bytes: Buffer): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield bytes
}
