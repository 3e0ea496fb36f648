import type { Database } from '../../../src/database/database.ts'
import { type FactorWorld, factorWorld, junk, tally } from './factor-world.ts'

let world: FactorWorld

beforeAll(async () => {
  world = await factorWorld()
})
afterAll(() => world.drop())

async function withCodes() {
  const { sub } = await world.makeAccount()
  return { sub, codes: await world.recoveryCodes.regenerate(sub) }
}

describe('recovery codes', () => {
  it('are ten, all different, of 60 bits, in groups that can be typed', async () => {
    const { codes } = await withCodes()
    expect(new Set(codes).size).toBe(10)
    for (const code of codes) expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$/)
  })

  it('work once each', async () => {
    const { sub, codes } = await withCodes()
    for (const [index, code] of codes.entries()) {
      expect(await world.recoveryCodes.use(sub, code)).toBe(true)
      expect(await world.recoveryCodes.use(sub, code)).toBe(false)
      expect(await world.store.summary(sub)).toMatchObject({ recoveryCodesLeft: 9 - index })
    }
  })

  it.each<[string, (code: string) => string]>([
    ['in small letters', (code) => code.toLowerCase()],
    ['without dashes', (code) => code.replaceAll('-', '')],
    ['with spaces instead', (code) => ` ${code.replaceAll('-', ' ')} `],
    ['with long dashes', (code) => code.replaceAll('-', '–')],
    ['with O for 0', (code) => code.replaceAll('0', 'o')],
    ['with I for 1', (code) => code.replaceAll('1', 'I')],
    ['with l for 1', (code) => code.replaceAll('1', 'l')],
  ])('may be typed %s', async (_, typed) => {
    const { sub, codes } = await withCodes()
    const code = codes.find((each) => /0.*1|1.*0/.test(each)) ?? codes[0]
    expect(await world.recoveryCodes.use(sub, typed(String(code)))).toBe(true)
  })

  it('are of one account', async () => {
    const [one, two] = [await withCodes(), await withCodes()]
    expect(await world.recoveryCodes.use(two.sub, String(one.codes[0]))).toBe(false)
    expect(await world.recoveryCodes.use('nobody', String(one.codes[0]))).toBe(false)
    expect(await world.recoveryCodes.use(one.sub, String(one.codes[0]))).toBe(true)
  })

  it('are no use to another account when their rows are moved there', async () => {
    const [one, two] = [await withCodes(), await withCodes()]
    await world.database.query('DELETE FROM recovery_codes WHERE sub = $1', [two.sub])
    await world.database.query('UPDATE recovery_codes SET sub = $2 WHERE sub = $1', [one.sub, two.sub])
    await expect(world.recoveryCodes.use(two.sub, String(one.codes[0]))).rejects.toThrow(/cannot be opened/)
  })

  it('die when new ones are made', async () => {
    const { sub, codes } = await withCodes()
    const fresh = await world.recoveryCodes.regenerate(sub)
    for (const code of codes) expect(await world.recoveryCodes.use(sub, code)).toBe(false)
    expect(await world.recoveryCodes.use(sub, String(fresh[3]))).toBe(true)
  })

  it('are wrong, and no error, when they are junk', async () => {
    const { sub, codes } = await withCodes()
    const near = [
      `${codes[0]}0`,
      String(codes[0]).slice(1),
      `U${String(codes[0]).slice(1)}`,
      'Ω'.repeat(12),
      'ſ'.repeat(12),
    ]
    for (const code of [...junk, ...near, codes]) expect(await world.recoveryCodes.use(sub, code as string)).toBe(false)
    expect(await world.store.summary(sub)).toMatchObject({ recoveryCodesLeft: 10 })
  })
})

describe('eight parallel tries with one recovery code, over two pools', () => {
  const trials = 200
  const contest = async (nodes: Pick<FactorWorld, 'recoveryCodes'>[]) => {
    const { sub } = await world.makeAccount()
    let codes: string[] = []
    return tally(trials, async () => {
      if (codes.length === 0) codes = await world.recoveryCodes.regenerate(sub)
      const code = String(codes.pop())
      return Promise.all(
        Array.from({ length: 8 }, (_, index) => nodes[index % 2]?.recoveryCodes.use(sub, code) ?? false),
      )
    })
  }

  it('let exactly one through', async () => {
    expect(await contest([world, world.otherNode()])).toEqual({ 1: trials })
  })

  it('let more through where it is looked first and written then, so that this race can be lost', async () => {
    const naive = (database: Database): Database => ({
      ...database,
      query: async <Row extends object>(statement: Parameters<Database['query']>[0], values?: readonly unknown[]) => {
        if (typeof statement === 'string' || statement.name !== 'recovery-code-use')
          return database.query<Row>(statement, values)
        const unused = 'SELECT 1 FROM recovery_codes WHERE id = $1 AND used_at IS NULL'
        const found = await database.query<Row>(unused, values)
        await database.query('UPDATE recovery_codes SET used_at = now() WHERE id = $1', values)
        return found
      },
    })
    const { 1: _, ...others } = await contest([world.otherNode(undefined, naive), world.otherNode(undefined, naive)])
    const broken = Object.values(others).reduce((sum, count) => sum + count, 0)
    process.stdout.write(`naive recovery codes: ${broken} of ${trials} trials let more than one through\n`)
    expect(broken).toBeGreaterThan(trials / 10)
  })
})

describe('two who make new codes at once', () => {
  it('leave one set, and not both', async () => {
    const other = world.otherNode()
    const { sub } = await withCodes()
    for (let trial = 0; trial < 50; trial += 1) {
      const sets = await Promise.all([world, other, world, other].map((node) => node.recoveryCodes.regenerate(sub)))
      expect(await world.store.summary(sub)).toMatchObject({ recoveryCodesLeft: 10 })
      const working = await Promise.all(sets.map(([code]) => world.recoveryCodes.use(sub, String(code))))
      expect(working.filter(Boolean)).toHaveLength(1)
    }
  })
})
