// Tokens are verified all through a rotation by somebody who knows the JWKS endpoint only.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRemoteJWKSet, decodeProtectedHeader, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { createListener } from '../../src/database/listener.ts'
import type { KeySet } from '../../src/keys/key-ring.ts'
import { createKeyWatcher } from '../../src/keys/key-watcher.ts'
import { signJwt } from '../../src/keys/sign-jwt.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'
import { keyParts, pause, secondNode } from '../support/test-keys.ts'

let fresh: FreshDatabase
const stops: (() => Promise<void>)[] = []

beforeAll(async () => {
  fresh = await freshDatabase()
})
afterAll(async () => {
  for (const stop of stops.reverse()) await stop()
  await fresh.drop()
})

/** A node that publishes its keys over HTTP and signs with them. */
async function startNode() {
  const node = secondNode(fresh.url)
  let current = await node.ring.load()
  const watcher = createKeyWatcher({
    load: node.ring.load,
    onChange: (keySet) => {
      current = keySet
    },
    isListening: () => listener.isConnected(),
    logError: (error) => {
      throw error
    },
  })
  const listener = createListener({
    url: fresh.url,
    channel: 'gatehouse',
    onMessage: () => watcher.announce(),
    onGap: () => watcher.announce(),
  })
  watcher.start(current)
  const server = createServer((_, response) => response.end(JSON.stringify(current.public))).listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  stops.push(async () => {
    server.closeAllConnections()
    server.close()
    await watcher.stop()
    await listener.stop()
    await node.end()
  })
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`)
  return { url, keySet: (): KeySet => current }
}

describe('2,000 tokens through a rotation', () => {
  it('are all accepted, at once and at the end of their life, by verifiers that cache the keys', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    const nodes = await Promise.all([startNode(), startNode()])
    // A cache shorter than the delay, and no second look at an unknown key: only the order of steps can save a token.
    const verifiers = nodes.map(({ url }) => createRemoteJWKSet(url, { cacheMaxAge: 800, cooldownDuration: 3_600_000 }))
    const lifetime = 1500
    const refused: string[] = []
    const kids = new Map<string, number>()
    let verified = 0

    const verify = async (token: string, keys: JWTVerifyGetKey) => {
      try {
        await jwtVerify(token, keys, { algorithms: ['ES256'] })
        verified += 1
      } catch (error) {
        refused.push(String(error))
      }
    }
    const oneToken = async (number: number) => {
      const node = nodes[number % 2] as (typeof nodes)[number]
      const verifier = verifiers[(number >> 1) % 2] as JWTVerifyGetKey
      const token = await signJwt(node.keySet(), 'ES256', { typ: 'at+jwt' }, { sub: String(number) })
      const { kid = '' } = decodeProtectedHeader(token)
      kids.set(kid, (kids.get(kid) ?? 0) + 1)
      await verify(token, verifier)
      await pause(lifetime)
      await verify(token, verifier)
    }

    const tokens: Promise<void>[] = []
    let rotation: ReturnType<typeof ring.rotate> | undefined
    for (let number = 0; number < 2000; number += 10) {
      for (let each = 0; each < 10; each += 1) tokens.push(oneToken(number + each))
      if (number === 200) rotation = ring.rotate({ delaySeconds: 2, longestTokenTtl: 0, overlapSeconds: 2 })
      await pause(28)
    }
    await Promise.all(tokens)
    expect(await rotation).toMatchObject({ ok: true })
    expect(refused).toEqual([])
    expect(verified).toBe(4000)
    expect(kids.size).toBe(2)
    for (const count of kids.values()) expect(count).toBeGreaterThan(300)
    await pause(500)
    expect(nodes.map((node) => node.keySet().public.keys.length)).toEqual([2, 2])
  })
})
