import { createHash } from 'node:crypto'
import { jest } from '@jest/globals'
import Koa from 'koa'
import mount from 'koa-mount'
import { Provider } from 'oidc-provider'
import request from 'supertest'
import { createErrorRenderer } from '../../src/http/error-renderer.ts'
import { createPageHeaders } from '../../src/http/page-headers.ts'
import { memoryLog, plainViews } from './serving.ts'

function appAt(issuer: string) {
  const app = new Koa()
  app.use(createPageHeaders({ issuer }))
  app.use(createErrorRenderer({ views: plainViews, log: memoryLog().log, isDevelopment: false }))
  return app
}

describe('sending security headers', () => {
  it.each(['/fine', '/missing', '/bug', '/redirect'])('does so for %s', async (path) => {
    const app = appAt('https://id.example')
    app.use((ctx) => {
      if (path === '/bug') throw new Error('a bug')
      if (path === '/redirect') ctx.redirect('/fine')
      if (path === '/fine') ctx.body = 'fine'
    })
    const { headers } = await request(app.callback()).get(path)
    expect(headers).toMatchObject({
      'content-security-policy':
        "default-src 'none';style-src 'self';img-src 'self' data:;font-src 'self';script-src 'self';base-uri 'none';frame-ancestors 'none'",
      'referrer-policy': 'same-origin',
      'cross-origin-opener-policy': 'unsafe-none',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'strict-transport-security': 'max-age=31536000',
      'permissions-policy': expect.stringContaining('camera=()'),
    })
    expect(headers).not.toHaveProperty('x-powered-by')
  })

  it('promises TLS only when the issuer has it', async () => {
    const { headers } = await request(appAt('http://localhost:3000').callback()).get('/')
    expect(headers).not.toHaveProperty('strict-transport-security')
  })

  it("admits the engine's form_post script by its hash, and stays silent on form-action", async () => {
    jest.spyOn(console, 'warn').mockImplementation(() => undefined)
    const provider = new Provider('http://127.0.0.1:3000', {
      clients: [{ client_id: 'web', client_secret: 'secret', redirect_uris: ['https://app.example/cb'] }],
      features: { devInteractions: { enabled: false } },
      pkce: { required: () => false },
      cookies: { keys: ['k'] },
    })
    const app = appAt('http://127.0.0.1:3000')
    app.use(mount(provider as unknown as Koa))
    const { text, headers } = await request(app.callback()).get('/auth').query({
      client_id: 'web',
      response_type: 'code',
      scope: 'openid',
      response_mode: 'form_post',
      prompt: 'none',
      state: '"><script>',
    })
    const script = /<script>([\s\S]*?)<\/script>/.exec(text)?.[1] ?? ''
    const hash = createHash('sha256').update(script).digest('base64')
    expect(script).toContain('submit()')
    expect(headers['content-security-policy']).toContain(`script-src 'self' 'sha256-${hash}'`)
    expect(headers['content-security-policy']).not.toContain('form-action')
    expect(text).toContain('action="https://app.example/cb"')
    expect(text).not.toContain('"><script>')
  })
})
