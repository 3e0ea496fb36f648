import { report } from '../../support/race-harness.ts'
import { burst, type ThrottleWorld, throttleWorld } from './throttle-world.ts'

let world: ThrottleWorld
let throttle: ThrottleWorld['nodes'][number]['factor']

beforeAll(async () => {
  world = await throttleWorld()
  throttle = world.nodes[0].factor
})
beforeEach(() => world.clear())
afterAll(() => world.close())

async function reserve(deviceId?: string, sub = 'anna') {
  const reserved = await throttle.reserve({ sub, deviceId })
  if (!reserved.ok) throw new Error(`to be tried again in ${reserved.retryAfter} s`)
  return reserved
}
const fail = async (times: number, deviceId?: string) => {
  for (let time = 0; time < times; time += 1) await reserve(deviceId)
}

describe('guessing codes of one account', () => {
  it('costs nothing five times, then 1, 2, 4 … seconds up to 15 minutes', async () => {
    await fail(5)
    const waits: number[] = []
    for (let round = 0; round < 12; round += 1) {
      const refused = await throttle.reserve({ sub: 'anna' })
      if (refused.ok) throw new Error('was not refused')
      waits.push(refused.retryAfter)
      await world.database.query('UPDATE sign_in_throttle SET blocked_until = clock_timestamp()')
      await reserve()
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900])
  })

  it('ends after a hundred in a row, and is no business of the password or of another account', async () => {
    for (let time = 0; time < 100; time += 1) {
      expect((await reserve()).isLast).toBe(time === 99)
      await world.pass(3600)
    }
    await world.pass(365 * 24 * 3600)
    expect(await throttle.reserve({ sub: 'anna' })).toEqual({ ok: false, retryAfter: 900, isLocked: true })
    await reserve(undefined, 'bert')
    const ofPassword = world.nodes[0].signIn.reserve({ subject: 'anna', address: '192.0.2.1' })
    expect(await ofPassword).toMatchObject({ ok: true })
    await reserve('device-1')
  })

  it('is forgotten once a code was right, and does not count one that was never looked at', async () => {
    await fail(4)
    await (await reserve()).giveBack()
    await (await reserve()).succeeded()
    await fail(5)
    expect((await throttle.reserve({ sub: 'anna' })).ok).toBe(false)
  })

  it('on a known device is counted apart, and no less', async () => {
    await fail(5)
    await fail(5, 'device-1')
    expect((await throttle.reserve({ sub: 'anna', deviceId: 'device-1' })).ok).toBe(false)
    await (await reserve('device-2')).succeeded()
    await fail(5)
  })

  it('in parallel through several nodes: of 1,000 five are evaluated, however many interactions they come from', async () => {
    for (let trial = 0; trial < 3; trial += 1) {
      await world.clear()
      const { passed, late, unanswered } = await burst(1000, (number) =>
        world.nodes[number % 2 ? 0 : 1].factor.reserve({ sub: 'anna' }),
      )
      report('L8 1,000 parallel codes of one account', `${passed} evaluated`, 5 + late, passed <= 5 + late)
      expect(passed + unanswered).toBeGreaterThanOrEqual(5)
      expect(passed).toBeLessThanOrEqual(5 + late)
    }
  })
})
