import request from 'supertest'
import { type Checks, healthRoutes } from '../../src/http/health-routes.ts'
import { appWithErrors } from './serving.ts'

function probed(readiness: () => Promise<Checks>) {
  const { app } = appWithErrors()
  app.use(healthRoutes({ readiness }))
  return request(app.callback())
}

const ready = async () => ({ database: { ok: true }, keys: { ok: true } })

describe('asking for liveness', () => {
  it('says ok whatever the checks say', async () => {
    const call = probed(() => Promise.reject(new Error('down')))
    const { body, headers } = await call.get('/healthz?x=1').expect(200)
    expect(body).toEqual({ status: 'ok' })
    expect(headers['cache-control']).toBe('no-store')
    await call.head('/healthz').expect(200)
  })
})

describe('asking for readiness', () => {
  it('lists the checks', async () => {
    const { body, headers } = await probed(ready).get('/readyz').expect(200)
    expect(body).toEqual({ status: 'ready', checks: await ready() })
    expect(headers['cache-control']).toBe('no-store')
  })

  it('answers 503 with the reason when one fails', async () => {
    const checks = { database: { ok: false, message: 'No answer.' }, keys: { ok: true } }
    const call = probed(async () => checks)
    const { body } = await call
      .get('/readyz')
      .expect(503)
      .expect('Retry-After', '1')
      .expect('Cache-Control', 'no-store')
    expect(body).toEqual({ status: 'not_ready', checks })
    await call.head('/readyz').expect(503)
  })

  it.each([
    ['reject', () => Promise.reject(new Error('postgres://user:secret@db'))],
    [
      'throw',
      () => {
        throw new Error('postgres://user:secret@db')
      },
    ],
  ])('answers 503 without the text when the checks %s', async (_, readiness) => {
    const { body, text } = await probed(readiness).get('/readyz').expect(503)
    expect(body.status).toBe('not_ready')
    expect(text).not.toContain('secret')
  })

  it('waits 2 s at most, and asks again afterwards', async () => {
    let isStuck = true
    const call = probed(() => (isStuck ? new Promise(() => undefined) : ready()))
    const startedAt = performance.now()
    await call.get('/readyz').expect(503)
    expect(performance.now() - startedAt).toBeLessThan(2500)
    isStuck = false
    await call.get('/readyz').expect(200)
  })

  it('runs one round of checks for probes that come together', async () => {
    let rounds = 0
    const call = probed(async () => {
      rounds++
      await new Promise((resolve) => setTimeout(resolve, 200))
      return ready()
    })
    await Promise.all(Array.from({ length: 10 }, () => call.get('/readyz').expect(200)))
    expect(rounds).toBe(1)
  })
})

it('answers other methods with 405 and other paths not at all', async () => {
  await probed(ready).post('/readyz').expect(405).expect('Allow', 'GET, HEAD')
  await probed(ready).get('/healthz/').expect(404)
})
