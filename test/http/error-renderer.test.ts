import Router from '@koa/router'
import request from 'supertest'
import {
  badRequest,
  conflict,
  forbidden,
  misdirectedRequest,
  notFound,
  payloadTooLarge,
  preconditionFailed,
  preconditionRequired,
  serviceUnavailable,
  tooManyRequests,
  unauthorized,
  unsupportedMediaType,
} from '../../src/http/errors.ts'
import { appWithErrors } from './serving.ts'

const detail = { cause: 'the cause', fix: 'the fix' }

function appThatThrows(error: unknown, options = {}) {
  const { app, ...rest } = appWithErrors(options)
  app.use((ctx) => {
    ctx.cookies.set('session', 'leaked')
    ctx.set({ Location: '/elsewhere', ETag: '"1"', 'Cache-Control': 'public' })
    ctx.status = 201
    throw error
  })
  return { call: () => request(app.callback()).get('/'), ...rest }
}

describe('answering a refusal', () => {
  it.each([
    [badRequest('bad', 'm'), 400, 'bad'],
    [unauthorized('who', 'm'), 401, 'who'],
    [forbidden('no', 'm'), 403, 'no'],
    [notFound('m'), 404, 'not_found'],
    [conflict('twice', 'm'), 409, 'twice'],
    [preconditionFailed('m'), 412, 'precondition_failed'],
    [payloadTooLarge('m'), 413, 'payload_too_large'],
    [unsupportedMediaType('m'), 415, 'unsupported_media_type'],
    [misdirectedRequest('m'), 421, 'misdirected_request'],
    [preconditionRequired('m'), 428, 'precondition_required'],
    [tooManyRequests(7, 'm'), 429, 'too_many_requests'],
    [serviceUnavailable(2, 'm'), 503, 'service_unavailable'],
  ])('writes %s as a problem document', async (error, status, code) => {
    const answer = await appThatThrows(error).call().expect(status)
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(JSON.parse(answer.text)).toMatchObject({
      type: `urn:gatehouse:error:${code}`,
      status,
      detail: 'm',
      code,
      request_id: answer.headers['x-request-id'],
    })
  })

  it('drops what the handler had set and forbids caching', async () => {
    const { headers } = await appThatThrows(notFound('Gone.')).call()
    for (const name of ['set-cookie', 'location', 'etag']) expect(headers).not.toHaveProperty(name)
    expect(headers['cache-control']).toBe('no-store')
  })

  it('says when to come back', async () => {
    expect((await appThatThrows(tooManyRequests(7)).call()).headers['retry-after']).toBe('7')
    expect((await appThatThrows(serviceUnavailable(2, 'Busy.')).call()).headers['retry-after']).toBe('2')
    const engineError = Object.assign(new Error('busy'), { expose: true, statusCode: 503 })
    expect((await appThatThrows(engineError).call()).headers['retry-after']).toBe('1')
  })

  it('adds the headers and members that the error brings', async () => {
    const options = { headers: { 'WWW-Authenticate': 'Bearer' }, extensions: { errors: [{ field: 'name' }] } }
    const answer = await appThatThrows(unauthorized('token_missing', 'Send a token.', options)).call()
    expect(answer.headers['www-authenticate']).toBe('Bearer')
    expect(JSON.parse(answer.text).errors).toEqual([{ field: 'name' }])
  })

  it("lets the engine's own errors through by their expose flag", async () => {
    const error = Object.assign(new Error('invalid_request'), {
      expose: true,
      status: 400,
      error: 'invalid_request',
      error_description: 'the interaction has ended',
    })
    const answer = await appThatThrows(error).call().expect(400)
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'invalid_request', detail: 'the interaction has ended' })
  })

  it('writes a page for a caller that prefers HTML', async () => {
    const answer = await appThatThrows(conflict('odd', 'Somebody has it already.'))
      .call()
      .set('Accept', 'text/html,application/xhtml+xml,*/*;q=0.8')
      .expect(409)
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(answer.text).toContain('"message":"Somebody has it already."')
    expect(answer.text).toContain(String(answer.headers['x-request-id']))
  })

  it('writes JSON for everybody else', async () => {
    for (const accept of ['*/*', 'application/json', 'application/problem+json', 'image/png', ';;;'])
      await appThatThrows(notFound('m')).call().set('Accept', accept).expect('Content-Type', 'application/problem+json')
  })

  it('shows cause and fix in development only', async () => {
    const error = badRequest('wrong', 'Wrong.', { detail })
    const inDevelopment = { isDevelopment: true }
    expect(JSON.parse((await appThatThrows(error, inDevelopment).call()).text).hint).toEqual(detail)
    expect((await appThatThrows(error, inDevelopment).call().set('Accept', 'text/html')).text).toContain('the fix')
    expect((await appThatThrows(error).call()).text).not.toContain('the fix')
    expect((await appThatThrows(error).call().set('Accept', 'text/html')).text).not.toContain('the fix')
  })

  it('serves a plain page when the view cannot be rendered', async () => {
    const views = {
      render() {
        throw new Error('no such template')
      },
    }
    const { call, lines } = appThatThrows(badRequest('odd', 'Not <b>this</b>.'), { views })
    const answer = await call().set('Accept', 'text/html').expect(400)
    expect(answer.text).toContain('Not &#60;b&#62;this&#60;/b&#62;.')
    expect(lines.join('')).toContain('no such template')
  })
})

describe('answering a bug', () => {
  it.each([false, true])('tells the caller nothing but a request id (development: %s)', async (isDevelopment) => {
    const error = Object.assign(new Error('select secret_column from t', { cause: new Error('the socket') }), {
      status: 418,
      parameters: ['hunter2'],
    })
    const { call, lines } = appThatThrows(error, { isDevelopment })
    for (const accept of ['application/json', 'text/html']) {
      const answer = await call().set('Accept', accept).expect(500)
      expect(answer.text).toContain('server_error')
      expect(answer.text).toContain(String(answer.headers['x-request-id']))
      expect(answer.text).not.toMatch(/secret_column|\.ts|at /)
    }
    expect(lines.join('')).toMatch(/secret_column.*error-renderer\.test\.ts.*the socket/)
    expect(lines.join('')).not.toContain('hunter2')
  })

  it.each([
    undefined,
    null,
    'text',
    { expose: true, status: 400 },
    Object.assign(new Error('x'), { expose: false, status: 502 }),
    Object.assign(new Error('x'), { expose: true, status: 200 }),
  ])('takes %p for one', async (thrown) => {
    await appThatThrows(thrown).call().expect(500)
  })

  it('cuts an answer that had begun', async () => {
    const { app } = appWithErrors()
    app.use((ctx) => {
      ctx.res.write('half')
      throw new Error('in the middle')
    })
    await expect(request(app.callback()).get('/')).rejects.toThrow()
  })
})

describe('answering without a body', () => {
  function routed() {
    const { app } = appWithErrors()
    const router = new Router().get('/here', (ctx) => {
      ctx.body = 'here'
    })
    app.use(router.routes()).use(router.allowedMethods())
    return request(app.callback())
  }

  it('writes a problem for an unknown path', async () => {
    const answer = await routed().get('/nowhere').expect(404)
    expect(JSON.parse(answer.text).code).toBe('not_found')
  })

  it('names the allowed methods', async () => {
    const answer = await routed().post('/here').expect(405).expect('Allow', 'HEAD, GET')
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'method_not_allowed' })
  })

  it("makes a 405 of the router's 501 for a method it has never heard of", async () => {
    const { app } = appWithErrors()
    app.use((ctx) => {
      ctx.status = 501
    })
    await request(app.callback()).propfind('/here').expect(405)
  })

  it('leaves an answer alone that has a body or chose its own status', async () => {
    const { app } = appWithErrors()
    app.use((ctx) => {
      if (ctx.path === '/own') ctx.body = { error: 'unknown' }
      ctx.status = ctx.path === '/own' ? 404 : 204
    })
    expect((await request(app.callback()).get('/own').expect(404)).body).toEqual({ error: 'unknown' })
    await request(app.callback()).get('/empty').expect(204)
  })

  it('answers HEAD with headers only', async () => {
    const answer = await routed().head('/nowhere').expect(404)
    expect(answer.headers['content-type']).toBe('application/problem+json')
  })
})
