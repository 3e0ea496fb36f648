// Answers discovery and JWKS from prepared bytes, so that they cost nothing and need no database.
import { createHash } from 'node:crypto'
import type { Context, Middleware, Next } from 'koa'

/** Seconds for which a verifier may keep them; a rotated key is published for longer than that before it signs. */
const documentMaxAge = 300

const paths = new Set(['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server', '/jwks'])

interface Document {
  bytes: Buffer
  type: string
  etag: string
}

export interface PreparedDocumentsParts {
  /** Changes with what the documents say, apart from the engine itself. */
  edition(): string
}

export function createPreparedDocuments({ edition }: PreparedDocumentsParts): Middleware {
  const documents = new Map<string, Document>()

  const prepare = async (ctx: Context, next: Next, name: string): Promise<Document | undefined> => {
    await next()
    if (ctx.status !== 200 || ctx.method !== 'GET') return undefined
    const bytes = Buffer.from(typeof ctx.body === 'string' ? ctx.body : JSON.stringify(ctx.body))
    const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
    const document = { bytes, type: String(ctx.response.get('content-type')), etag }
    documents.set(name, document)
    return document
  }

  return async (ctx, next) => {
    if (!paths.has(ctx.path) || !['GET', 'HEAD'].includes(ctx.method)) return next()
    const name = `${ctx.path} ${edition()}`
    const document = documents.get(name) ?? (await prepare(ctx, next, name))
    if (!document) return
    ctx.status = 200
    ctx.set({
      'Access-Control-Allow-Origin': '*',
      'Cache-Control': `public, max-age=${documentMaxAge}`,
      'Content-Type': document.type,
      ETag: document.etag,
    })
    ctx.remove('Vary')
    if (isKnown(ctx.get('If-None-Match'), document.etag)) {
      ctx.status = 304
      ctx.body = null
    } else ctx.body = document.bytes
  }
}

// Koa's own check gives a full answer to `Cache-Control: no-cache`, which Node's fetch sends along with each condition.
const isKnown = (condition: string, etag: string): boolean =>
  condition.split(',').some((known) => known.trim() === '*' || known.trim().replace(/^W\//, '') === etag)
