// The demo in a real browser: signing in, calling the API, refreshing, signing out.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { launchBrowser } from '../support/chromium.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'
import { freePort } from '../support/test-server.ts'

const root = join(import.meta.dirname, '../..')
let browser: Browser
let database: FreshDatabase
let demo: ChildProcess
let folder: string
let port: number
let said = ''

beforeAll(async () => {
  database = await freshDatabase()
  folder = mkdtempSync(join(tmpdir(), 'gatehouse demo '))
  port = await freePort()
  const env = { PATH: process.env.PATH, PORT: String(port), DATABASE_URL: database.url, GATEHOUSE_DATA_DIR: folder }
  demo = spawn(process.execPath, ['examples/demo.ts'], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  demo.stderr?.on('data', (text) => {
    said += text
  })
  demo.stdout?.on('data', (text) => {
    said += text
  })
  browser = await launchBrowser()
  for (let waited = 0; !said.includes('The demo is running'); waited += 1) {
    if (waited > 600 || demo.exitCode !== null) throw new Error(`The demo did not start: ${said}`)
    await new Promise((done) => setTimeout(done, 100))
  }
}, 90_000)

afterAll(async () => {
  await browser?.close()
  demo?.kill('SIGTERM')
  if (demo && demo.exitCode === null) await once(demo, 'exit')
  await database?.drop()
  rmSync(folder, { recursive: true, force: true })
}, 30_000)

const shoot = async (page: Page, name: string) => {
  const shots = process.env.GATEHOUSE_SHOTS
  if (shots) await page.screenshot({ path: join(shots, `demo-${name}.png`), fullPage: true })
}

const password = () => /Password +(.+)/.exec(said)?.[1] ?? ''

/** As somebody would find it: through the link that the demo prints. */
async function mailedCode(context: BrowserContext): Promise<string> {
  const mailbox = await context.newPage()
  await mailbox.goto(/Mailbox +(\S+)/.exec(said)?.[1] ?? '')
  await shoot(mailbox, 'mailbox')
  await mailbox.locator('main h2 a').first().click()
  const [code = ''] = await mailbox
    .locator('main p')
    .filter({ hasText: /^\s*\d{6}\s*$/ })
    .allTextContents()
  await mailbox.close()
  return code.trim()
}

describe('the demo', () => {
  it('has its machine client call the API', () => {
    expect(said).toMatch(/called the API and got 200/)
    expect(said).toContain('"scopes":["orders:read"]')
  })

  it('signs a person in across origins, calls the API, refreshes, and signs out', async () => {
    const context = await browser.newContext()
    const page = await context.newPage()
    const violations: string[] = []
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) violations.push(message.text())
    })
    await page.goto(`http://localhost:${port + 1}/`)
    await page.getByRole('link', { name: 'Sign in with Gatehouse' }).click()
    await page.getByLabel('Email address').fill('demo@example.com')
    await page.getByLabel('Password').fill('a wrong passphrase')
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByText('The email address or the password is not right.').waitFor()
    await shoot(page, 'wrong-password')
    await page.getByLabel('Password').fill(password())
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByText('Signed in as').waitFor()
    expect(new URL(page.url()).port).toBe(String(port + 1))

    await page.getByRole('button', { name: 'Call the orders API' }).click()
    await page.getByText('A lantern').waitFor()
    await page.getByRole('button', { name: 'Refresh the tokens' }).click()
    await page.getByText('refreshed 1 times').waitFor()
    await shoot(page, 'signed-in')

    await page.getByRole('link', { name: 'Sign out' }).click()
    await shoot(page, 'sign-out')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('You are not signed in.').waitFor()
    await page.getByRole('link', { name: 'Sign in with Gatehouse' }).click()
    await page.getByLabel('Password').waitFor()
    expect(violations).toEqual([])
    await context.close()
  }, 60_000)

  it('works without JavaScript, with a new account', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false })
    const page = await context.newPage()
    await page.goto(`http://localhost:${port + 1}/sign-in`)
    await page.getByRole('link', { name: 'Create an account' }).click()
    await page.getByLabel('Email address').fill('new@example.com')
    await page.getByLabel('Password').fill('quite a long passphrase of my own')
    await shoot(page, 'sign-up')
    await page.getByRole('button', { name: 'Create account' }).click()
    await page.getByRole('heading', { name: 'Confirm your address' }).waitFor()
    await shoot(page, 'sign-up-code')
    await page.getByLabel('Code from the message').fill(await mailedCode(context))
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByText('Signed in as').waitFor()
    await context.close()
  }, 60_000)
})
