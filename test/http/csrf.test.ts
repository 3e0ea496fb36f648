import request from 'supertest'
import { createCrossSiteGuard } from '../../src/http/csrf.ts'
import { appWithErrors } from './serving.ts'

const issuer = 'https://id.example'

function send(
  method: 'get' | 'head' | 'options' | 'post' | 'put' | 'patch' | 'delete',
  headers: Record<string, string>,
) {
  const { app } = appWithErrors()
  app.use(createCrossSiteGuard({ issuer }))
  app.use((ctx) => {
    ctx.body = 'done'
  })
  return request(app.callback())[method]('/').set(headers)
}

describe('guarding forms against other sites', () => {
  it.each([
    { 'Sec-Fetch-Site': 'same-origin' },
    { 'Sec-Fetch-Site': 'none' },
    { 'Sec-Fetch-Site': 'same-origin', Origin: 'null' },
    { Origin: issuer },
    { Referer: `${issuer}/interaction/1` },
  ])('lets %j pass', async (headers) => {
    await send('post', headers).expect(200)
  })

  it.each([
    {},
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { 'Sec-Fetch-Site': 'cross-site', Origin: issuer },
    { 'Sec-Fetch-Site': 'anything' },
    { Origin: 'null' },
    { Origin: 'null', Referer: `${issuer}/` },
    { Origin: 'https://evil.example' },
    { Origin: 'http://id.example' },
    { Origin: 'https://id.example:8443' },
    { Origin: 'https://id.example.evil.example' },
    { Origin: 'https://evil.example', Referer: `${issuer}/` },
    { Referer: 'https://evil.example/https://id.example' },
    { Referer: 'https://id.example@evil.example/' },
    { Referer: 'junk' },
  ])('refuses %j', async (headers) => {
    const { text } = await send('post', headers).expect(403)
    expect(JSON.parse(text)).toMatchObject({
      code: 'cross_site_request',
      detail: expect.stringContaining(`"Origin: ${issuer}"`),
    })
  })

  it('guards each method that changes something, and no other', async () => {
    for (const method of ['put', 'patch', 'delete'] as const) await send(method, {}).expect(403)
    for (const method of ['get', 'head', 'options'] as const)
      await send(method, { 'Sec-Fetch-Site': 'cross-site' }).expect(200)
  })
})
