// A person with a real browser on the way to a small application, and all that the browser had to complain about.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, BrowserContextOptions, CDPSession, Page } from 'playwright-core'
import type { ClientInput } from '../../src/clients/client-registration.ts'
import { launchBrowser } from './chromium.ts'
import { type Application, authorizeUrl, pkce, redeem } from './code-flow.ts'
import { startTestServer, type TestServer } from './test-server.ts'

export interface Walk {
  page: Page
  context: BrowserContext
  /** What the console said (refusals that a page explains apart), and answers of 500 and above. */
  complaints: string[]
  /** Opens the sign-in that the application asks for. */
  begin(params?: Record<string, string>, app?: Application): Promise<void>
  /** Waits until the application has been reached; answers what its ID token tells. */
  arrive(): Promise<Record<string, unknown>>
  photograph(name: string): Promise<void>
}

export interface Trail {
  server: TestServer
  browser: Browser
  app: Application
  makeApp(client?: Partial<ClientInput>): Promise<Application>
  walk<T>(options: BrowserContextOptions, work: (walk: Walk) => Promise<T>): Promise<T>
  /** Nobody waits because of what an earlier test did. */
  forgetLimits(): Promise<void>
  stop(): Promise<void>
}

const shots = process.env.GATEHOUSE_SHOTS
const expected =
  /^Failed to load resource: the server responded with a status of (400|410|429)|^Autofocus processing was blocked/

export async function startTrail(env: Record<string, string> = {}): Promise<Trail> {
  const [server, browser, application] = await Promise.all([
    startTestServer({ env }),
    launchBrowser(),
    startApplication(),
  ])
  const redirectUri = `http://localhost:${(application.address() as AddressInfo).port}/callback`
  const makeApp = async (client: Partial<ClientInput> = {}) => ({
    redirectUri,
    ...(await server.makeClient({
      name: 'Northwind Notes',
      redirectUris: [redirectUri],
      isFirstParty: true,
      ...client,
    })),
  })
  const app = await makeApp()
  return {
    server,
    browser,
    app,
    makeApp,
    walk: async (options, work) => {
      const context = await browser.newContext({ reducedMotion: 'reduce', ...options })
      try {
        return await work(await startWalk(context, { server, app }))
      } finally {
        await context.close()
      }
    },
    forgetLimits: async () => {
      await server.server.stores.database.query('DELETE FROM sign_in_throttle')
      await server.server.stores.database.query('DELETE FROM mail_throttle')
    },
    stop: async () => {
      await browser.close()
      application.closeAllConnections()
      application.close()
      await server.stop()
    },
  }
}

async function startWalk(context: BrowserContext, { server, app }: Pick<Trail, 'server' | 'app'>): Promise<Walk> {
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  const complaints: string[] = []
  page.on('console', (message) => void (expected.test(message.text()) || complaints.push(message.text())))
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('response', (response) => {
    if (response.status() >= 500) complaints.push(`${response.status()} ${response.url()}`)
  })
  let asked = app
  let verifier = ''
  return {
    page,
    context,
    complaints,
    begin: async (params = {}, client = app) => {
      const pair = pkce()
      ;[asked, verifier] = [client, pair.verifier]
      const challenged = { code_challenge: pair.challenge, code_challenge_method: 'S256' }
      await page.goto(authorizeUrl(server.issuer, client, { ...challenged, ...params }).href)
    },
    arrive: async () => {
      await page.waitForURL((url) => url.href.startsWith(asked.redirectUri))
      const code = new URL(page.url()).searchParams.get('code') ?? ''
      const tokens = await redeem(server.issuer, asked, { code, verifier })
      if (!tokens.id_token) throw new Error(`No tokens: ${page.url()} ${JSON.stringify(tokens)}`)
      return JSON.parse(Buffer.from(tokens.id_token.split('.')[1] ?? '', 'base64url').toString())
    },
    photograph: async (name) => {
      if (shots === undefined) return
      const size = page.viewportSize()
      const shoot = (kind: string) => page.screenshot({ path: `${shots}/walk-${name}-${kind}.png`, fullPage: true })
      await shoot('light')
      await page.emulateMedia({ colorScheme: 'dark' })
      await shoot('dark')
      await page.emulateMedia({ colorScheme: 'light' })
      await page.setViewportSize({ width: 360, height: 740 })
      await shoot('phone')
      if (size) await page.setViewportSize(size)
    },
  }
}

async function startApplication(): Promise<Server> {
  const application = createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html')
    response.end(
      '<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Notes</title><h1>Your notes</h1>',
    )
  })
  application.listen(0, '127.0.0.1')
  await once(application, 'listening')
  return application
}

export interface Authenticator {
  /** Whether it answers as soon as it is asked. */
  answers(isEnabled: boolean): Promise<void>
  remove(): Promise<void>
}

/** Of the machine itself, with discoverable keys; `canVerify`: it has a PIN or a fingerprint, and asks for it. */
export async function addAuthenticator({ page, context }: Pick<Walk, 'page' | 'context'>, canVerify = true) {
  const cdp: CDPSession = await context.newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: canVerify,
      isUserVerified: canVerify,
      automaticPresenceSimulation: true,
    },
  })
  return {
    answers: (enabled) =>
      cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled }).then(() => {}),
    remove: () => cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId }).then(() => {}),
  } satisfies Authenticator
}
