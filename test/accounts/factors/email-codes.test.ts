import { type FactorWorld, factorWorld, junk, tally } from './factor-world.ts'

let world: FactorWorld

beforeAll(async () => {
  world = await factorWorld()
})
afterAll(() => world.drop())

let counter = 0
async function sent(purpose: 'second-factor' | 'sign-in-link' = 'second-factor') {
  const { sub, securityVersion } = await world.makeAccount()
  counter += 1
  const scope = { purpose, scope: `interaction-${counter}` }
  const code = await world.emailCodes.create({ ...scope, sub, securityVersion, seconds: 600 })
  return { sub, scope, code, securityVersion }
}

const another = (code: string, off = 1) => String((Number(code) + off) % 1_000_000).padStart(6, '0')

describe('a code by mail', () => {
  it('has six digits and works once', async () => {
    const { sub, scope, code } = await sent()
    expect(code).toMatch(/^[0-9]{6}$/)
    expect(await world.emailCodes.use({ ...scope, code })).toEqual({ sub })
    expect(await world.emailCodes.use({ ...scope, code })).toBeUndefined()
  })

  it('works for its purpose and where it was asked for', async () => {
    const { sub, scope, code } = await sent('sign-in-link')
    expect(await world.emailCodes.use({ ...scope, purpose: 'second-factor', code })).toBeUndefined()
    expect(await world.emailCodes.use({ ...scope, scope: 'elsewhere', code })).toBeUndefined()
    expect(await world.emailCodes.use({ ...scope, code: ` ${code.slice(0, 3)} ${code.slice(3)}` })).toEqual({ sub })
  })

  it('is dead after five wrong tries, whoever makes them', async () => {
    const { scope, code } = await sent()
    for (let off = 1; off <= 5; off += 1)
      expect(await world.emailCodes.use({ ...scope, code: another(code, off) })).toBeUndefined()
    expect(await world.emailCodes.use({ ...scope, code })).toBeUndefined()
  })

  it('still works at the fifth try', async () => {
    const { sub, scope, code } = await sent()
    for (let off = 1; off <= 4; off += 1) await world.emailCodes.use({ ...scope, code: another(code, off) })
    expect(await world.emailCodes.use({ ...scope, code })).toEqual({ sub })
  })

  it('loses no try to junk, and junk is no error', async () => {
    const { sub, scope, code } = await sent()
    for (const each of junk) expect(await world.emailCodes.use({ ...scope, code: each as string })).toBeUndefined()
    expect(await world.emailCodes.use({ ...scope, code })).toEqual({ sub })
  })

  it('gives way to the next one, which has five tries of its own', async () => {
    const { sub, scope, code, securityVersion } = await sent()
    for (let off = 1; off <= 5; off += 1) await world.emailCodes.use({ ...scope, code: another(code, off) })
    const next = await world.emailCodes.create({ ...scope, sub, securityVersion, seconds: 600 })
    if (next !== code) expect(await world.emailCodes.use({ ...scope, code })).toBeUndefined()
    expect(await world.emailCodes.use({ ...scope, code: next })).toEqual({ sub })
    const rows = await world.database.query('SELECT 1 FROM one_time_links WHERE sub = $1', [sub])
    expect(rows).toHaveLength(1)
  })

  it('expires, and dies when a credential changes', async () => {
    const [first, second] = [await sent(), await sent()]
    const soon = await world.emailCodes.create({ ...first.scope, ...first, seconds: 0.05, ...first.scope })
    await new Promise((done) => setTimeout(done, 60))
    expect(await world.emailCodes.use({ ...first.scope, code: soon })).toBeUndefined()
    await world.store.removeAll(second.sub)
    expect(await world.emailCodes.use({ ...second.scope, code: second.code })).toBeUndefined()
  })

  it('is found, and replaced, while a sealing key is being replaced', async () => {
    const both = world.otherNode([Buffer.alloc(32, 5), world.key])
    const { sub, scope, code, securityVersion } = await sent()
    expect(await both.emailCodes.use({ ...scope, code })).toEqual({ sub })
    const old = await world.emailCodes.create({ ...scope, sub, securityVersion, seconds: 600 })
    const next = await both.emailCodes.create({ ...scope, sub, securityVersion, seconds: 600 })
    expect(await world.database.query('SELECT 1 FROM one_time_links WHERE sub = $1', [sub])).toHaveLength(1)
    if (next !== old) expect(await both.emailCodes.use({ ...scope, code: old })).toBeUndefined()
    expect(await both.emailCodes.use({ ...scope, code: next })).toEqual({ sub })
  })

  it('keeps its count when the request is rolled back', async () => {
    const { scope, code } = await sent()
    for (let off = 1; off <= 5; off += 1) {
      const failing = world.database.transaction(async () => {
        await world.emailCodes.use({ ...scope, code: another(code, off) })
        throw new Error('rolled back')
      })
      await expect(failing).rejects.toThrow('rolled back')
    }
    expect(await world.emailCodes.use({ ...scope, code })).toBeUndefined()
  })
})

describe('parallel tries over two pools', () => {
  it('with the right code let exactly one through', async () => {
    const nodes = [world, world.otherNode()]
    const trials = 200
    const result = await tally(trials, async () => {
      const { scope, code } = await sent()
      // Four: the others of eight would find the tries used up.
      const tries = Array.from({ length: 4 }, (_, index) => nodes[index % 2]?.emailCodes.use({ ...scope, code }))
      return (await Promise.all(tries)).map((used) => used !== undefined)
    })
    expect(result).toEqual({ 1: trials })
  })

  it('with wrong codes get no more than five looks', async () => {
    const nodes = [world, world.otherNode()]
    for (let trial = 0; trial < 20; trial += 1) {
      const { scope, code, sub } = await sent()
      await Promise.all(
        Array.from({ length: 16 }, (_, index) =>
          nodes[index % 2]?.emailCodes.use({ ...scope, code: another(code, index + 1) }),
        ),
      )
      const rows = await world.database.query("SELECT details->'tries' AS tries FROM one_time_links WHERE sub = $1", [
        sub,
      ])
      expect(rows).toEqual([{ tries: 5 }])
      expect(await world.emailCodes.use({ ...scope, code })).toBeUndefined()
    }
  })
})
