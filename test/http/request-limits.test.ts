import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import request from 'supertest'
import { createRequestLimits } from '../../src/http/request-limits.ts'
import { appWithErrors } from './serving.ts'

const { limitByAddress, createFailureLimit } = createRequestLimits()
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

function limited(points: number, seconds: number) {
  const { app } = appWithErrors()
  app.use(limitByAddress({ points, seconds, applies: (ctx) => ctx.path === '/token' }))
  app.use((ctx) => {
    ctx.body = 'done'
  })
  const callback = app.callback()
  return (address: string, path = '/token') => request(callback).get(path).set('X-Forwarded-For', address)
}

describe('limiting an address', () => {
  it('refuses what is above the limit, says when to come back, and lets others be', async () => {
    const from = limited(3, 30)
    for (let count = 0; count < 3; count++) await from('192.0.2.1').expect(200)
    const refused = await from('192.0.2.1').expect(429)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(25)
    expect(JSON.parse(refused.text).code).toBe('too_many_requests')
    await from('192.0.2.2').expect(200)
    await from('192.0.2.1', '/jwks').expect(200)
  })

  it('holds under parallel requests', async () => {
    const from = limited(5, 30)
    const answers = await Promise.all(Array.from({ length: 20 }, () => from('192.0.2.1')))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5)
  })

  it('begins anew after the window', async () => {
    const from = limited(1, 1)
    await from('192.0.2.1').expect(200)
    await from('192.0.2.1').expect(429)
    await pause(1100)
    await from('192.0.2.1').expect(200)
  })

  it('counts an IPv6 network of 64 bits as one caller', async () => {
    const from = limited(1, 30)
    await from('2001:db8:1:2::1').expect(200)
    await from('2001:db8:1:2:ffff::9').expect(429)
    await from('2001:0db8:0001:0002:3:4:5:6').expect(429)
    await from('2001:db8:1:3::1').expect(200)
    await from('::1').expect(200)
    await from('2001:db8::1').expect(200)
    await from('2001:db8:0:0:9::').expect(429)
  })
})

describe('limiting failures', () => {
  it('counts a try before its work, so that parallel ones cannot pass together', async () => {
    const limit = createFailureLimit({ points: 5, seconds: 30 })
    const tries = await Promise.all(Array.from({ length: 1000 }, () => limit.reserve('account')))
    expect(tries.filter(({ ok }) => ok)).toHaveLength(5)
    const refused = tries.find(({ ok }) => !ok)
    expect(refused).toMatchObject({ ok: false, retryAfter: expect.any(Number) })
  })

  it('gives the point of a success back, once', async () => {
    const limit = createFailureLimit({ points: 2, seconds: 30 })
    const first = await limit.reserve('account')
    await limit.reserve('account')
    expect((await limit.reserve('account')).ok).toBe(false)
    if (!first.ok) throw new Error('the first try was refused')
    await first.refund()
    await first.refund()
    expect((await limit.reserve('account')).ok).toBe(true)
    expect((await limit.reserve('account')).ok).toBe(false)
  })

  it('gives nothing back in the next window', async () => {
    const limit = createFailureLimit({ points: 1, seconds: 1 })
    const early = await limit.reserve('account')
    await pause(1100)
    if (early.ok) await early.refund()
    expect((await limit.reserve('account')).ok).toBe(true)
    expect((await limit.reserve('account')).ok).toBe(false)
  })

  it('keeps keys apart', async () => {
    const limit = createFailureLimit({ points: 1, seconds: 30 })
    expect((await limit.reserve('a')).ok).toBe(true)
    expect((await limit.reserve('b')).ok).toBe(true)
    expect((await limit.reserve('x'.repeat(50_000))).ok).toBe(true)
  })
})

it('forgets 200,000 keys again: a second wave needs no more memory than the first', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  const used = () => {
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  const limit = createFailureLimit({ points: 5, seconds: 1 })
  const before = used()
  const wave = async (name: string) => {
    for (let index = 0; index < 200_000; index++) await limit.reserve(`${name}${index}`)
    await pause(1500)
    return used() - before
  }
  const left = [await wave('a'), await wave('b')]
  for (const bytes of left) expect(bytes).toBeLessThan(20e6)
})
