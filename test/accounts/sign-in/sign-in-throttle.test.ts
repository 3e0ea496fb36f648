import { burst, type ThrottleWorld, throttlesOn, throttleWorld } from './throttle-world.ts'

let world: ThrottleWorld
let throttle: ThrottleWorld['nodes'][number]['signIn']

beforeAll(async () => {
  world = await throttleWorld()
  throttle = world.nodes[0].signIn
})
beforeEach(() => world.clear())
afterAll(() => world.close())

const anna = { subject: 'anna@example.com', address: '192.0.2.1' }

async function reserve(attempt = anna) {
  const reserved = await throttle.reserve(attempt)
  if (!reserved.ok) throw new Error(`to be tried again in ${reserved.retryAfter} s`)
  return reserved
}

const fail = async (times: number, attempt = anna) => {
  for (let time = 0; time < times; time += 1) await reserve(attempt)
}

const pass = (seconds: number) => world.pass(seconds)

const stored = () =>
  world.database.query<{ failures: number }>('SELECT failures FROM sign_in_throttle ORDER BY failures')

describe('guessing the password of one account from one address', () => {
  it('costs nothing five times, then 1, 2, 4 … seconds up to 15 minutes', async () => {
    await fail(5)
    const waits: number[] = []
    for (let round = 0; round < 12; round += 1) {
      const refused = await throttle.reserve(anna)
      if (refused.ok) throw new Error('was not refused')
      waits.push(refused.retryAfter)
      // Only the block: so short a time forgets nothing.
      await world.database.query('UPDATE sign_in_throttle SET blocked_until = clock_timestamp()')
      await reserve()
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900])
  })

  it('lets nobody wait longer for having tried while blocked', async () => {
    await fail(5)
    for (let round = 0; round < 20; round += 1)
      expect(await throttle.reserve(anna)).toEqual({ ok: false, retryAfter: 1, isLocked: false })
    expect(await stored()).toEqual([{ failures: 5 }, { failures: 5 }, { failures: 5 }])
    await pass(1)
    await reserve()
  })

  it('does not lock the owner out at another address, nor others at this one', async () => {
    await fail(5)
    await reserve({ ...anna, address: '192.0.2.2' })
    await reserve({ ...anna, subject: 'bert@example.com' })
  })

  it('counts the spellings of one e-mail address and of one IP address together', async () => {
    const spellings = [
      'anna@example.com',
      'ANNA@example.com',
      ' Anna@Example.com ',
      'ANNA@EXAMPLE.COM',
      'anna@example.com',
    ]
    for (const subject of spellings) await reserve({ subject, address: '::ffff:192.0.2.1' })
    expect(await throttle.reserve(anna)).toMatchObject({ ok: false })
  })

  it('is forgotten after an hour without a failure', async () => {
    await fail(5)
    await pass(3600)
    await fail(5)
    expect(await throttle.reserve(anna)).toMatchObject({ ok: false })
  })

  it('is forgotten once the password was right', async () => {
    await fail(4)
    await (await reserve()).succeeded()
    await fail(5)
    expect(await throttle.reserve(anna)).toMatchObject({ ok: false })
  })

  it('does not count a try that was never looked at', async () => {
    await fail(4)
    await (await reserve()).giveBack()
    await reserve()
    expect(await throttle.reserve(anna)).toMatchObject({ ok: false })
  })

  it('counts whatever becomes of the transaction of the request', async () => {
    const request = world.database.transaction(async () => {
      await fail(5)
      throw new Error('the sign-in failed')
    })
    await expect(request).rejects.toThrow('the sign-in failed')
    expect(await throttle.reserve(anna)).toMatchObject({ ok: false })
  })
})

describe('guessing from one address at many accounts', () => {
  const someone = (number: number, address = '192.0.2.1') => ({ subject: `person${number}@example.com`, address })
  const spray = async (times: number, address?: string) => {
    for (let number = 0; number < times; number += 1) await reserve(someone(number, address))
  }

  it('costs nothing 50 times, then growing delays', async () => {
    await spray(50)
    expect(await throttle.reserve(someone(50))).toEqual({ ok: false, retryAfter: 1, isLocked: false })
    await pass(1)
    await reserve(someone(51))
    expect(await throttle.reserve(someone(52))).toEqual({ ok: false, retryAfter: 2, isLocked: false })
  })

  it('leaves no row behind for the tries that it refuses', async () => {
    await spray(50)
    for (let number = 100; number < 120; number += 1) await throttle.reserve(someone(number))
    expect(await stored()).toHaveLength(101)
  })

  it('counts a network of IPv6 (/64) as one address, and its neighbour as another', async () => {
    for (let number = 0; number < 50; number += 1) await reserve(someone(number, `2001:db8::${number.toString(16)}:1`))
    expect(await throttle.reserve(someone(51, '2001:DB8:0:0:ffff::'))).toMatchObject({ ok: false })
    await reserve(someone(51, '2001:db8:0:1::1'))
  })

  it('does not count those who got in, however many share the address', async () => {
    for (let number = 0; number < 60; number += 1) await (await reserve(someone(number))).succeeded()
    expect(await stored()).toEqual([{ failures: 0 }])
  })

  it('blocks nobody for a success that came while the failures were many', async () => {
    await spray(50)
    await pass(1)
    await (await reserve(someone(99))).succeeded()
    await reserve(someone(98))
    expect(await throttle.reserve(someone(97))).toEqual({ ok: false, retryAfter: 2, isLocked: false })
  })

  it('forgets 50 failures an hour, so that a busy address with some typing errors is never blocked', async () => {
    for (let number = 0; number < 150; number += 1) {
      await reserve(someone(number))
      await pass(73)
      await (await reserve(someone(1000 + number))).succeeded()
    }
    expect((await stored()).at(-1)?.failures).toBeLessThan(5)
  })
})

describe('parallel guesses through several nodes', () => {
  const guess = (attempt: (number: number) => typeof anna) =>
    burst(1000, (number) => world.nodes[number % 2 ? 0 : 1].signIn.reserve(attempt(number)))

  it('at one account, 1,000 of them: five are evaluated', async () => {
    for (let trial = 0; trial < 3; trial += 1) {
      await world.clear()
      const { passed, late, unanswered } = await guess(() => anna)
      expect(passed + unanswered).toBeGreaterThanOrEqual(5)
      expect(passed).toBeLessThanOrEqual(5 + late)
    }
  })

  it('at 1,000 accounts: 50 are evaluated', async () => {
    const { passed, late, unanswered } = await guess((number) => ({ ...anna, subject: `person${number}@example.com` }))
    expect(passed + unanswered).toBeGreaterThanOrEqual(50)
    expect(passed).toBeLessThanOrEqual(50 + late)
  })

  // A burst alone does not show it: a node has two connections for this, and what is read first hides the race.
  it('of which 10 have all seen one try left: one is evaluated, and the others count nowhere', async () => {
    await fail(4)
    const nodes = await world.openNodes(5)
    const connections = [...nodes, ...nodes]
    try {
      let outcomes: Promise<PromiseSettledResult<{ ok: boolean }>[]> | undefined
      await world.database.transaction(async () => {
        await world.database.query('SELECT 1 FROM sign_in_throttle FOR UPDATE')
        outcomes = Promise.allSettled(connections.map((node) => throttlesOn(node).signIn.reserve(anna)))
        await untilWaiting(10)
      })
      const answers = (await outcomes)?.map((outcome) => outcome.status === 'fulfilled' && outcome.value.ok)
      expect(answers?.filter(Boolean)).toHaveLength(1)
    } finally {
      await Promise.all(nodes.map((node) => node.end()))
    }
    expect(await stored()).toEqual([{ failures: 5 }, { failures: 5 }, { failures: 5 }])
  })

  /** Until so many statements have read what they read and stand before the locked row. */
  async function untilWaiting(count: number) {
    for (let round = 0; round < 80; round += 1) {
      const [row] = await world.other.query<{ waiting: number }>(
        "SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
      )
      if (row?.waiting === count) return
      await new Promise((done) => setTimeout(done, 10))
    }
    throw new Error(`${count} tries never waited together`)
  }
})
