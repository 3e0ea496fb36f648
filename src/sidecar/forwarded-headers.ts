// Decides which headers travel through the sidecar: those between two neighbours stay, identity comes from the token only.
import type { IncomingMessage } from 'node:http'
import { identityHeaders, isIdentityHeader, type VerifiedToken } from '../verifier/verifier.ts'

type Headers = [name: string, value: string][]

// RFC 9110 section 7.6.1 and its list; Content-Length and Host say how and to whom, and are set anew.
const HOP_BY_HOP = new Set(
  'connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
)
const OWN = new Set(
  'host content-length expect authorization forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-request-id'.split(
    ' ',
  ),
)

function pairs(raw: readonly string[]): Headers {
  return raw.flatMap((name, index) => (index % 2 === 0 ? ([[name, raw[index + 1] ?? '']] as Headers) : []))
}

/** Without what belongs to this connection only. */
export function endToEnd(raw: readonly string[]): Headers {
  const all = pairs(raw)
  const named = all
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((option) => option.trim().toLowerCase()))
  return all.filter(([name]) => {
    const lower = name.toLowerCase()
    return !HOP_BY_HOP.has(lower) && (OWN.has(lower) || lower === 'content-type' || !named.includes(lower))
  })
}

/** As Node takes them: name, value, name, value. */
export const flat = (headers: Headers): string[] => headers.flat()

/** What the upstream gets, without the framing of the body. */
export function upstreamHeaders(
  request: IncomingMessage,
  token: VerifiedToken | undefined,
  requestId: string,
): Headers {
  const kept = endToEnd(request.rawHeaders).filter(([name]) => !isOwn(name) && !isIdentityHeader(name))
  // A token that nobody has looked at must not look like one that passed: public paths get none.
  const { authorization } = request.headers
  return [
    ['Host', request.headers.host ?? ''],
    ...kept,
    ...(token && authorization ? ([['Authorization', authorization]] as Headers) : []),
    ...Object.entries(identityHeaders(token)),
    ...forwarding(request),
    ['X-Request-Id', requestId],
  ]
}

/** In every spelling: a service that reads `X_Forwarded_For` as `X-Forwarded-For` would see a stranger's word beside ours. */
const isOwn = (name: string) => OWN.has(name.toLowerCase().replace(/[^a-z0-9]/g, '-'))

// RFC 7239; what a proxy before us wrote stays in front.
function forwarding({ headers, socket, headersDistinct }: IncomingMessage): Headers {
  const address = (socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '')
  const node = address.includes(':') ? `"[${address}]"` : address
  const host = headers.host ?? ''
  const hop = `for=${node};host="${host.replace(/["\\]/g, '')}";proto=http`
  const before = (name: string) => headersDistinct[name] ?? []
  return [
    ['Forwarded', [...before('forwarded'), hop].join(', ')],
    ['X-Forwarded-For', [...before('x-forwarded-for'), address].join(', ')],
    ['X-Forwarded-Host', before('x-forwarded-host')[0] ?? host],
    ['X-Forwarded-Proto', before('x-forwarded-proto')[0] ?? 'http'],
  ]
}
