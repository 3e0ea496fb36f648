// Serves the files of views/assets/ and those that it is handed, and nothing else, with a content hash in their URL: to be cached for good.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { Context, Middleware } from 'koa'

interface Parts {
  directory: string
  /** Files from elsewhere, by the names under which they are served, such as `brand/logo.svg`. They hide no file of ours. */
  more?: () => ReadonlyMap<string, Buffer>
  /** Files of installed packages, by the name that each is served under. */
  packaged?: Readonly<Record<string, string>>
  /** Reads the files again at each use, for development. Otherwise each is read once, at start. */
  isReloading?: boolean
}

interface Asset {
  body: Buffer
  hash: string
  type: string
}

export interface Assets {
  serve: Middleware
  assetUrl: (name: string) => string
}

const prefix = '/assets/'
const types: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
}

// An SVG is a document too: opened by itself, it may draw and do nothing else.
const drawingPolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

export function createAssets({ directory, packaged = {}, more = () => new Map(), isReloading = false }: Parts): Assets {
  const installed = new Map(Object.entries(packaged).map(([name, path]) => [name, readFileSync(path)]))
  const read = () => new Map([...assetsOf(more()), ...assetsOf(installed), ...assetsOf(filesIn(directory))])
  const atStart = read()
  const assets = () => (isReloading ? read() : atStart)

  return {
    async serve(ctx, next) {
      const asset = ctx.path.startsWith(prefix) ? assets().get(ctx.path.slice(prefix.length)) : undefined
      if (asset === undefined) return next()
      answer(ctx, asset)
    },
    assetUrl(name) {
      const asset = assets().get(name)
      if (asset === undefined) throw new Error(`There is no asset named ${name}.`)
      return `${prefix}${name}?v=${asset.hash}`
    },
  }
}

// The names come from the listing and are compared as they are, undecoded: a path can only be one of them or nothing.
function assetsOf(files: ReadonlyMap<string, Buffer>): Map<string, Asset> {
  const assets = new Map<string, Asset>()
  for (const [name, body] of files) {
    const type = types[extname(name)]
    if (type === undefined) continue
    assets.set(name, { body, type, hash: createHash('sha256').update(body).digest('base64url').slice(0, 16) })
  }
  return assets
}

function filesIn(directory: string): Map<string, Buffer> {
  const entries = readdirSync(directory, { withFileTypes: true }).filter(
    (entry) => entry.isFile() && extname(entry.name) in types,
  )
  return new Map(entries.map(({ name }) => [name, readFileSync(join(directory, name))]))
}

function answer(ctx: Context, { body, hash, type }: Asset): void {
  if (ctx.method !== 'GET' && ctx.method !== 'HEAD') {
    ctx.status = 405
    ctx.set('Allow', 'GET, HEAD')
    return
  }
  ctx.status = 200
  ctx.set('X-Content-Type-Options', 'nosniff')
  if (type === types['.svg']) ctx.set('Content-Security-Policy', drawingPolicy)
  ctx.set('Cache-Control', ctx.query.v === hash ? 'public, max-age=31536000, immutable' : 'no-cache')
  ctx.etag = hash
  if (ctx.fresh) {
    ctx.status = 304
    return
  }
  ctx.type = type
  ctx.body = body
}
