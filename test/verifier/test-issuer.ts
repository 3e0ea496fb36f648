// An issuer for the verifier's tests: a real HTTP server that publishes discovery and JWKS, and signs what it is told to.
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

export const AUDIENCE = 'https://orders.example'

export interface SigningKey {
  kid: string
  alg: string
  privateKey: CryptoKey
  jwk: JWK
}

export async function signingKey(kid: string, alg = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

export const epoch = () => Math.floor(Date.now() / 1000)

/** The claims of a good access token; a change to undefined leaves the claim out. */
export function claimsOf(issuer: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  const good = {
    iss: issuer,
    aud: AUDIENCE,
    sub: 'account-1',
    client_id: 'client-1',
    jti: 'token-1',
    scope: 'orders:read orders:write',
    iat: epoch(),
    exp: epoch() + 600,
  }
  return { ...good, ...changes }
}

export function sign(key: SigningKey, claims: Record<string, unknown>, header: Record<string, unknown> = {}) {
  const full = { alg: key.alg, typ: 'at+jwt', kid: key.kid, ...header }
  return new SignJWT(claims).setProtectedHeader(full).sign(key.privateKey)
}

export async function startIssuer(keys: SigningKey[] = []) {
  const published = { keys: keys.map(({ jwk }) => jwk) }
  const counts = { discovery: 0, jwks: 0, other: 0 }
  const answers: { discovery?: RequestListener; jwks?: RequestListener } = {}
  const server = createServer((request, response) => {
    const isDiscovery = request.url === '/.well-known/openid-configuration'
    const what = isDiscovery ? 'discovery' : request.url === '/jwks' ? 'jwks' : 'other'
    counts[what] += 1
    const own = what === 'other' ? undefined : answers[what]
    if (own) return own(request, response)
    if (what === 'other') return response.writeHead(404).end()
    const document = isDiscovery ? { issuer, jwks_uri: `${issuer}/jwks` } : published
    response.setHeader('content-type', 'application/json').end(JSON.stringify(document))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const issuer = `http://127.0.0.1:${port}`

  return {
    issuer,
    counts,
    answers,
    publish: (...now: SigningKey[]) => {
      published.keys = now.map(({ jwk }) => jwk)
    },
    publishJwks: (jwks: JWK[]) => {
      published.keys = jwks
    },
    async start() {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
    async stop() {
      if (!server.listening) return
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A clock that a test moves by hand. */
export function testClock() {
  let ahead = 0
  return {
    now: () => new Date(Date.now() + ahead * 1000),
    advance: (seconds: number) => {
      ahead += seconds
    },
  }
}
