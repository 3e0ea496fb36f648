// Ten thousand tokens from two nodes through a key rotation: a service that verifies offline refuses none.
import type { AddressInfo } from 'node:net'
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { createHttpClient, type HttpClient } from '../support/http-client.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'

const wanted = 10_000
let nodes: TestServer[]

beforeAll(async () => {
  const first = await startTestServer()
  nodes = [first, await startTestServer({ beside: first })]
})
afterAll(async () => {
  for (const node of [...nodes].reverse()) await node.stop()
})

describe('rotating the signing keys under load', () => {
  it(`lets a service with a JWKS cache accept ${wanted} of ${wanted} tokens, and both nodes follow`, async () => {
    const [first, second] = nodes as [TestServer, TestServer]
    const audience = await first.makeApi()
    const client = await first.makeClient({ kind: 'machine', apis: { [audience]: ['things:read'] } })
    // A service that keeps the JWKS for a second and never asks earlier: the delay must outlast that, as 600 s outlast 300 s.
    const fetchKeys = async () =>
      createLocalJWKSet((await (await fetch(`${first.issuer}/jwks`)).json()) as JSONWebKeySet)
    let keys = await fetchKeys()
    const cache = setInterval(async () => {
      keys = await fetchKeys()
    }, 1000)
    const kids = new Map<string, Set<string>>()
    let refused = 0
    let count = 0

    const rotated = () => kids.size === 2 && [...kids.values()].every((seen) => seen.size === 2)
    const authorization = `Basic ${Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64')}`
    const form = { grant_type: 'client_credentials' }
    const work = async (node: string, http: HttpClient) => {
      while (count < wanted || !rotated()) {
        count += 1
        const answer = await http.send({ method: 'POST', path: '/token', headers: { authorization }, form })
        const token: string = JSON.parse(answer.text).access_token
        kids.set(node, (kids.get(node) ?? new Set()).add(decodeProtectedHeader(token).kid ?? ''))
        await jwtVerify(token, keys, { issuer: first.issuer, audience }).catch(() => {
          refused += 1
        })
      }
    }
    const clients = [first, second].map(({ server }) =>
      createHttpClient({ port: (server.http.address() as AddressInfo).port, host: new URL(first.issuer).host }),
    )
    const workers = clients.flatMap((http, index) => Array.from({ length: 4 }, () => work(`node ${index}`, http)))
    const rotation = await first.server.node.keyRing.rotate({ alg: 'ES256', delaySeconds: 3, longestTokenTtl: 600 })
    expect(rotation).toMatchObject({ ok: true })
    await Promise.all(workers)
    clearInterval(cache)
    for (const http of clients) http.close()
    expect(count).toBeGreaterThanOrEqual(wanted)
    expect(refused).toBe(0)
    expect([...kids.values()].map((seen) => seen.size)).toEqual([2, 2])
  }, 120_000)
})
