import request from 'supertest'
import { appWithErrors, sendRaw, serve } from './serving.ts'

async function logged(send: (call: ReturnType<typeof request>) => PromiseLike<unknown>) {
  const { app, lines, entries } = appWithErrors()
  app.use((ctx) => {
    ctx.body = 'fine'
  })
  await send(request(app.callback()))
  await new Promise((resolve) => setTimeout(resolve, 20))
  return { lines, entry: entries()[0] ?? {} }
}

describe('logging a request', () => {
  it('writes one line with what happened', async () => {
    const { lines, entry } = await logged((call) => call.post('/token?client_id=secret').send('password=hunter2'))
    expect(lines).toHaveLength(1)
    expect(entry).toMatchObject({
      method: 'POST',
      path: '/token',
      status: 200,
      address: expect.stringContaining('127.0.0.1'),
    })
    expect(entry.milliseconds).toEqual(expect.any(Number))
  })

  it('does not believe a header about the address', async () => {
    const { entry } = await logged((call) => call.get('/').set('X-Forwarded-For', '6.6.6.6'))
    expect(entry.address).toMatch(/127\.0\.0\.1$/)
  })

  it('gives the caller the id that stands in the line, not one that the caller chose', async () => {
    let id: unknown
    const { entry } = await logged(async (call) => {
      id = (await call.get('/').set('X-Request-Id', 'chosen')).headers['x-request-id']
    })
    expect(entry.requestId).toBe(id)
    expect(id).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('keeps queries, cookies, credentials and bodies out', async () => {
    const { lines } = await logged((call) =>
      call.post('/a?code=s3cret1').set({ Cookie: 'c=s3cret2', Authorization: 'Bearer s3cret3' }).send('p=s3cret4'),
    )
    expect(lines.join('')).not.toContain('s3cret')
  })

  it.each([
    ...['/setup/s3cret', '/SETUP/s3cret/more', '/x/setup/s3cret?y', '/verify-email/s3cret', '/invitation/s3cret'],
    ...['/reset-password/s3cret', '/Reset-Password/s3cret/more', '/confirm-email/s3cret', '/not-me/s3cret'],
    ...['/interaction/7Yk2/link/s3cret', '/interaction/7Yk2/link/s3cret/more'],
  ])('masks the one-time link in %s', async (path) => {
    const { lines, entry } = await logged((call) => call.get(path))
    expect(lines.join('')).not.toContain('s3cret')
    expect(entry.path).toMatch(/\/[a-z-]+\/\*\*\*$/i)
  })

  it('shows the rest of an interaction', async () => {
    const { entry } = await logged((call) => call.post('/interaction/7Yk2/sign-in'))
    expect(entry.path).toBe('/interaction/7Yk2/sign-in')
  })

  it('writes one line whatever the path holds', async () => {
    const { app, lines, entries } = appWithErrors()
    const { port, close } = await serve(app)
    await sendRaw(port, 'GET /a%0a{"level":60}\u0085\u2028x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await sendRaw(port, `GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    await close()
    expect(lines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true)
    for (const { path } of entries()) expect(String(path).length).toBeLessThanOrEqual(512)
    expect(lines.length).toBeGreaterThan(0)
  })

  it('notes a caller that left before the answer', async () => {
    const { app, entries } = appWithErrors()
    app.use(async (ctx) => {
      await new Promise((resolve) => setTimeout(resolve, 150))
      ctx.body = 'late'
    })
    const { port, close } = await serve(app)
    await sendRaw(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 30)
    await new Promise((resolve) => setTimeout(resolve, 250))
    await close()
    expect(entries()[0]).toMatchObject({ path: '/', status: 499, isAborted: true })
  })
})
