// The conformance table, held against every placement: the same requests get the same answers.
import { AUDIENCE, startIssuer } from '../verifier/test-issuer.ts'
import { type Case, cases, rules } from './cases.ts'
import { expressPlacement, fastifyPlacement, koaPlacement } from './library-placements.ts'
import type { Placed } from './placement.ts'
import { sidecarPlacement } from './sidecar-placement.ts'
import { createMint, type Mint, tokens } from './tokens.ts'

const placements = [koaPlacement, expressPlacement, fastifyPlacement, sidecarPlacement]
const asked = new Map(placements.map(({ name }) => [name, new Set<string>()]))

let origin: Awaited<ReturnType<typeof startIssuer>>
let mint: Mint
beforeAll(async () => {
  const keys = await createMint()
  origin = await startIssuer([keys.own, keys.rsa])
  mint = { ...keys, issuer: origin.issuer }
})
afterAll(() => origin.stop())

async function written({ method, path, host, token, headers }: Case): Promise<string> {
  const good = await tokens.good(mint)
  const all: [string, string][] = [
    ['Host', host],
    ...(token ? ([['Authorization', `Bearer ${await tokens[token](mint)}`]] as [string, string][]) : []),
    ...headers,
    ['Connection', 'close'],
  ]
  const lines = all.map(([name, value]) => `${name}: ${value.replaceAll('TOKEN', good)}\r\n`).join('')
  return `${method} ${path.replaceAll('TOKEN', good)} HTTP/1.1\r\n${lines}\r\n`
}

describe('the table', () => {
  it('has at least 150 cases, each with a name of its own', () => {
    expect(cases.length).toBeGreaterThanOrEqual(150)
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length)
  })
})

describe.each(placements)('$name', ({ name, start }) => {
  let placed: Placed
  beforeAll(async () => {
    placed = await start({ issuer: origin.issuer, audience: AUDIENCE, rules })
  })
  afterAll(() => placed.stop())

  it.each(cases)('answers $name', async (one) => {
    asked.get(name)?.add(one.name)
    const { challenge, ...answer } = await placed.send(await written(one))
    const { status, code, isReached, identity } = one
    expect(answer).toEqual({ status, code, isReached, identity })
    // Whoever could do better with another token is told so, and nobody else.
    if (status === 401 || status === 403) expect(challenge !== undefined).toBe(code !== 'access_denied')
  })
})

describe('no placement', () => {
  it('was spared a case', () => {
    expect([...asked.values()].map((names) => names.size)).toEqual(placements.map(() => cases.length))
  })
})
