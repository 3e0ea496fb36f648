// The real script in a real Chromium with a virtual authenticator, under the policy that the server sends.
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import Koa from 'koa'
import type { Browser, CDPSession, Page } from 'playwright-core'
import { createAccountStore } from '../../src/accounts/account-store.ts'
import { createPasskeys, type Passkeys } from '../../src/accounts/factors/passkeys.ts'
import { createAssets } from '../../src/http/assets.ts'
import { createPageHeaders } from '../../src/http/page-headers.ts'
import { packagedAssets } from '../../src/server/pages/packaged-assets.ts'
import { launchBrowser } from '../support/chromium.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'

const assets = createAssets({
  directory: join(import.meta.dirname, '../../views/assets'),
  packaged: packagedAssets(),
})
const sub = 'mara'
const account = { sub, email: 'mara@example.com', name: 'Mara' }

let fresh: FreshDatabase
let server: Server
let browser: Browser
let origin: string
let passkeys: Passkeys
/** Of each page that was shown; the newest counts. */
let challenge = ''
/** What the server made of the last form, and what came with it. */
let outcome: unknown
let sent = new URLSearchParams()

const escaped = (value: string) => value.replaceAll('&', '&amp;').replaceAll('"', '&quot;')
const form = (kind: string, options: object, more: { attributes?: string; fields?: string } = {}) => `
  <form method="post" data-passkey="${kind}" data-options="${escaped(JSON.stringify(options))}" hidden ${more.attributes ?? ''}>
    <input type="hidden" name="response" autocomplete="off">${more.fields ?? ''}
    <button type="submit" id="go">Use a passkey</button>
    <p role="alert" data-passkey-error="InvalidStateError" hidden>You have that one already.</p>
    <p role="alert" data-passkey-error hidden>That did not work.</p>
  </form>`

const pages: Record<string, () => Promise<{ challenge: string; body: string }>> = {
  '/register': async () => {
    const made = await passkeys.registrationOptions(account)
    const fields = '<label>Name <input name="name" required></label>'
    return { challenge: made.challenge, body: form('register', made.options, { fields }) }
  },
  '/second-factor': async () => {
    const made = await passkeys.authenticationOptions(sub)
    return { challenge: made.challenge, body: form('authenticate', made.options) }
  },
  '/alone': async () => {
    const made = await passkeys.authenticationOptions()
    return { challenge: made.challenge, body: form('authenticate', made.options) }
  },
  '/sign-in': async () => {
    const made = await passkeys.authenticationOptions()
    const password = '<form method="post"><input name="email" autocomplete="username webauthn"></form>'
    return {
      challenge: made.challenge,
      body: password + form('authenticate', made.options, { attributes: 'data-conditional' }),
    }
  },
}

const outcomes: Record<string, (fields: { response: string; name: string }) => Promise<unknown>> = {
  '/register': (fields) => passkeys.register(sub, { challenge, ...fields }),
  '/second-factor': ({ response }) => passkeys.authenticate({ challenge, response, sub }),
  '/alone': ({ response }) => passkeys.authenticate({ challenge, response }),
  '/sign-in': ({ response }) => passkeys.authenticate({ challenge, response }),
}

function app(): Koa {
  const koa = new Koa()
  koa.use(createPageHeaders({ issuer: origin }))
  koa.use(assets.serve)
  koa.use(async (ctx) => {
    ctx.type = 'html'
    if (ctx.method === 'POST') {
      sent = new URLSearchParams(await text(ctx.req))
      const fields = { response: sent.get('response') ?? '', name: sent.get('name') ?? '' }
      outcome = await outcomes[ctx.path]?.(fields)
      ctx.body = `<!doctype html><title>Done</title><p id="done">${JSON.stringify(outcome)}</p>`
      return
    }
    const page = await pages[ctx.path]?.()
    if (!page) return
    challenge = page.challenge
    const scripts = ['simplewebauthn.js', 'passkey.js'].map(
      (name) => `<script defer src="${assets.assetUrl(name)}"></script>`,
    )
    ctx.body = `<!doctype html><html lang="en"><head><title>Passkeys</title>${scripts.join('')}</head><body>${page.body}</body></html>`
  })
  return koa
}

beforeAll(async () => {
  fresh = await freshDatabase()
  await createAccountStore({ database: fresh.database }).insert({ sub, email: account.email })
  origin = 'http://localhost'
  server = new Koa().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  origin = `http://localhost:${port}`
  passkeys = createPasskeys({ database: fresh.database, issuer: origin, productName: 'Gatehouse' })
  server = app().listen(port, '127.0.0.1')
  await once(server, 'listening')
  browser = await launchBrowser()
}, 120_000)

afterAll(async () => {
  await browser?.close()
  server?.closeAllConnections()
  server?.close()
  await fresh?.drop()
})

beforeEach(async () => {
  outcome = undefined
  await fresh.database.query('DELETE FROM passkeys')
})

interface Seat {
  page: Page
  cdp: CDPSession
  authenticatorId: string
  complaints: string[]
  credentials(): Promise<{ credentialId: string; signCount: number }[]>
}

async function inBrowser(
  work: (seat: Seat) => Promise<void>,
  options: { javaScriptEnabled?: boolean; hasUserVerification?: boolean } = {},
) {
  const { hasUserVerification = true, ...contextOptions } = options
  const context = await browser.newContext(contextOptions)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  const cdp = await context.newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification,
      isUserVerified: hasUserVerification,
      automaticPresenceSimulation: true,
    },
  })
  const credentials = async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials
  try {
    await work({ page, cdp, authenticatorId, complaints, credentials })
  } finally {
    await context.close()
  }
}

async function go(page: Page, path: string) {
  await page.goto(origin + path)
  await page.click('#go')
  await page.waitForSelector('#done')
}

async function registerIn({ page }: Seat, name = 'My laptop') {
  await page.goto(`${origin}/register`)
  await page.fill('[name=name]', name)
  await page.click('#go')
  await page.waitForSelector('#done')
}

describe('a passkey in a browser', () => {
  it('is registered, and signs in as a second factor and alone, under the policy and in silence', async () => {
    await inBrowser(async (seat) => {
      await registerIn(seat)
      expect(outcome).toMatchObject({ ok: true, passkey: { name: 'My laptop' } })
      expect(await passkeys.list(sub)).toHaveLength(1)
      await go(seat.page, '/second-factor')
      expect(outcome).toMatchObject({ ok: true, sub, isUserVerified: true })
      await go(seat.page, '/alone')
      expect(outcome).toMatchObject({ ok: true, sub, isUserVerified: true })
      expect(seat.complaints).toEqual([])
    })
  })

  it('is offered while the address is filled in, without a click', async () => {
    await inBrowser(async (seat) => {
      await registerIn(seat)
      outcome = undefined
      await seat.page.goto(`${origin}/sign-in`)
      await seat.page.waitForSelector('#done')
      expect(outcome).toMatchObject({ ok: true, sub, isUserVerified: true })
      expect(seat.complaints).toEqual([])
    })
  })

  it('can be asked for by the button while the offer waits', async () => {
    await inBrowser(async (seat) => {
      await registerIn(seat)
      const presence = (enabled: boolean) =>
        seat.cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: seat.authenticatorId, enabled })
      await presence(false)
      await seat.page.goto(`${origin}/sign-in`)
      await seat.page.waitForSelector('#go:visible')
      await presence(true)
      await seat.page.click('#go')
      await seat.page.waitForSelector('#done')
      expect(outcome).toMatchObject({ ok: true, sub })
    })
  })

  it('that cannot verify its user is a second factor and says so, and stands not alone', async () => {
    await inBrowser(
      async (seat) => {
        await registerIn(seat)
        await go(seat.page, '/second-factor')
        expect(outcome).toMatchObject({ ok: true, isUserVerified: false })
        await seat.page.goto(`${origin}/alone`)
        await seat.page.click('#go')
        await seat.page.getByText('That did not work.').waitFor()
      },
      { hasUserVerification: false },
    )
  })

  it('that was cloned is refused', async () => {
    await inBrowser(async (seat) => {
      await registerIn(seat)
      await go(seat.page, '/second-factor')
      await go(seat.page, '/second-factor')
      const [credential] = await seat.credentials()
      expect(credential?.signCount).toBeGreaterThan(1)
      await seat.cdp.send('WebAuthn.removeCredential', {
        authenticatorId: seat.authenticatorId,
        credentialId: String(credential?.credentialId),
      })
      await seat.cdp.send('WebAuthn.addCredential', {
        authenticatorId: seat.authenticatorId,
        credential: { ...(credential as never as object), signCount: 1 } as never,
      })
      await go(seat.page, '/second-factor')
      expect(outcome).toEqual({ ok: false })
    })
  })

  it('that is registered already is told from other failures, in words that the page has', async () => {
    await inBrowser(async (seat) => {
      await registerIn(seat)
      await seat.page.goto(`${origin}/register`)
      await seat.page.fill('[name=name]', 'Again')
      await seat.page.click('#go')
      await seat.page.getByText('You have that one already.').waitFor()
      expect(await seat.page.getByText('That did not work.').isVisible()).toBe(false)
      expect(await seat.page.locator('#go').isEnabled()).toBe(true)
      expect(await passkeys.list(sub)).toHaveLength(1)
    })
  })

  it('that is not there ends in the words that the page has, and may be tried again', async () => {
    await inBrowser(async ({ page, cdp, authenticatorId }) => {
      await cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
      await page.goto(`${origin}/register`)
      expect(await page.getByText('That did not work.').isVisible()).toBe(false)
      await page.fill('[name=name]', 'None')
      // No authenticator fits, so the browser waits for one until it gives up: the page is told at once.
      await page.evaluate(() => {
        navigator.credentials.create = () => Promise.reject(new DOMException('no', 'NotAllowedError'))
      })
      await page.click('#go')
      await page.getByText('That did not work.').waitFor()
      expect(await page.locator('#go').isEnabled()).toBe(true)
      expect(outcome).toBeUndefined()
    })
  })

  it('needs its name first, and the form waits for it', async () => {
    await inBrowser(async ({ page }) => {
      await page.goto(`${origin}/register`)
      await page.click('#go')
      expect(await page.evaluate(() => document.activeElement?.getAttribute('name'))).toBe('name')
      expect(outcome).toBeUndefined()
      await page.keyboard.type('By keyboard')
      await page.keyboard.press('Enter')
      await page.waitForSelector('#done')
      expect(outcome).toMatchObject({ ok: true, passkey: { name: 'By keyboard' } })
      expect(sent.getAll('response')).toHaveLength(1)
    })
  })
})

describe('a page with passkeys', () => {
  it('hides them without script', async () => {
    await inBrowser(
      async ({ page }) => {
        await page.goto(`${origin}/sign-in`)
        expect(await page.locator('#go').isVisible()).toBe(false)
        expect(await page.locator('[name=email]').isVisible()).toBe(true)
      },
      { javaScriptEnabled: false },
    )
  })

  it('hides them where the browser knows none', async () => {
    await inBrowser(async ({ page, complaints }) => {
      await page.addInitScript(() => {
        Reflect.deleteProperty(window, 'PublicKeyCredential')
      })
      await page.goto(`${origin}/sign-in`)
      expect(await page.locator('#go').isVisible()).toBe(false)
      expect(complaints).toEqual([])
    })
  })

  it('loads less than 20 kB of script', async () => {
    await inBrowser(async ({ page }) => {
      const bodies: Promise<Buffer>[] = []
      page.on('response', (response) => {
        if (response.url().includes('.js')) bodies.push(response.body())
      })
      await page.goto(`${origin}/sign-in`, { waitUntil: 'networkidle' })
      const bytes = (await Promise.all(bodies)).reduce((total, body) => total + body.length, 0)
      expect(bodies).toHaveLength(2)
      expect(bytes).toBeLessThan(20_000)
    })
  })
})
