// A message in a real browser: readable in light and dark, harmless, and its links lead where they say.
import type { Browser, Page } from 'playwright-core'
import { axeViolations, launchBrowser } from '../support/chromium.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'

let gatehouse: TestServer
let browser: Browser
beforeAll(async () => {
  gatehouse = await startTestServer()
  browser = await launchBrowser()
  const { node, stores } = gatehouse.server
  const account = await gatehouse.makeAccount({ email: 'mara@example.com' })
  await node.accountMail.newDevice(account, { address: '203.0.113.5', device: 'Firefox on Linux' })
  await stores.database.transaction(() =>
    node.accountMail.signInLink(account, { link: `${gatehouse.issuer}/?link`, code: '482913' }),
  )
}, 120_000)
afterAll(async () => {
  await browser?.close()
  await gatehouse?.stop()
})

const shots = process.env.GATEHOUSE_SHOTS
const inPage = async (look: (page: Page) => Promise<void>) => {
  const page = await browser.newPage()
  try {
    await page.goto(`${gatehouse.issuer}/dev/mailbox`)
    await look(page)
  } finally {
    await page.close()
  }
}

describe('the development mailbox in a browser', () => {
  it.each(['New sign-in to your account', 'Your sign-in link'])(
    'shows “%s” as text and as a mail program would, in light and in dark',
    async (subject) => {
      await inPage(async (page) => {
        await page.getByRole('link', { name: subject }).click()
        expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(subject)
        expect(await axeViolations(page)).toEqual([])
        // axe is a script, which the sandbox of the answer would not let run: here the message stands by itself.
        const html = await fetch(`${page.url()}/html`)
        await page.goto('about:blank')
        await page.setContent(await html.text())
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme })
          expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(subject)
          expect(await axeViolations(page)).toEqual([])
          if (shots)
            await page.screenshot({ path: `${shots}/mail-${subject.slice(0, 3)}-${colorScheme}.png`, fullPage: true })
        }
        await page.setViewportSize({ width: 320, height: 640 })
        const width = await page.evaluate(() => document.documentElement.scrollWidth)
        expect(width).toBe(320)
      })
    },
  )

  it('follows a link of the message, out of its sandbox', async () => {
    await inPage(async (page) => {
      await page.getByRole('link', { name: 'Your sign-in link' }).click()
      await page.getByRole('link', { name: 'Show it as a mail program would' }).click()
      await page.getByRole('link', { name: 'Sign in', exact: true }).click()
      await page.waitForURL(`${gatehouse.issuer}/?link`)
      expect(await page.evaluate(() => window.origin)).toBe(gatehouse.issuer)
    })
  })
})
