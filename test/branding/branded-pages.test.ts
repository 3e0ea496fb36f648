// The example brand on every hosted page, in a real browser: axe in light, in dark and on a phone; what custom.css and colours do; weight.
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import Koa from 'koa'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { createBranding } from '../../src/branding/branding.ts'
import { readBranding } from '../../src/branding/read-branding.ts'
import { createAssets } from '../../src/http/assets.ts'
import { createPageHeaders } from '../../src/http/page-headers.ts'
import { createViews } from '../../src/http/views.ts'
import { createTranslations } from '../../src/language/translations.ts'
import { packagedAssets } from '../../src/server/pages/packaged-assets.ts'
import { exampleFolder, ourViews } from '../support/branding-folder.ts'
import { axeViolations, launchBrowser } from '../support/chromium.ts'
import { chosenPages, type SamplePage, samplePages } from '../support/sample-pages.ts'

const shots = process.env.GATEHOUSE_SHOTS
const clientId = 'client_EXAMPLE'
const phone = { width: 360, height: 740 }
const narrow = { width: 320, height: 640 }
const desktop = { width: 1280, height: 860 }

let server: Server
let origin: string
let browser: Browser

beforeAll(async () => {
  const read = readBranding({ directory: exampleFolder, viewsDirectory: ourViews })
  if (!read.ok) throw new Error(read.problems.join('\n'))
  const branding = createBranding({ productName: 'Gatehouse', folder: () => read.folder })
  const assets = createAssets({ directory: join(ourViews, 'assets'), packaged: packagedAssets(), more: branding.files })
  const { english } = createTranslations({ directory: join(ourViews, 'locales'), overrides: branding.localeFolders() })
  const common = { productName: 'Gatehouse', assetUrl: assets.assetUrl }
  const views = createViews({ directory: ourViews, common, brand: branding.of })
  const app = new Koa()
  app.use(createPageHeaders({ issuer: 'http://localhost' }))
  app.use(assets.serve)
  app.use((ctx) => {
    const found = samplePages.find(({ view, state }) => ctx.path === `/${view}/${state}`)
    if (!found) return
    ctx.type = 'html'
    const brand = branding.of(String(ctx.query.client ?? ''))
    ctx.body = views.render(found.view, { ...found.data, brand }, english)
  })
  await new Promise<void>((resolve) => {
    server = app.listen(0, '127.0.0.1', resolve)
  })
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  browser = await launchBrowser()
}, 120_000)

afterAll(async () => {
  await browser?.close()
  server?.close()
})

async function inPage(options: BrowserContextOptions, look: (page: Page, complaints: string[]) => Promise<void>) {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`))
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`)
  })
  try {
    await look(page, complaints)
  } finally {
    await context.close()
  }
}

async function photograph(page: Page, name: string) {
  if (shots !== undefined) await page.screenshot({ path: `${shots}/branded-${name}.png`, fullPage: true })
}

// Of a client's brand only the colours are other ones: the pages with the most kinds of them will do.
const wears = ({ view }: SamplePage) => [
  { who: 'the deployment', query: '' },
  ...(view === 'sign-in' || view === 'consent' ? [{ who: 'a client', query: `?client=${clientId}` }] : []),
]
const cases = chosenPages.flatMap((sample) =>
  wears(sample).map(({ who, query }) => [`${sample.view} (${sample.state})`, who, query, sample] as const),
)
const style = (page: Page, selector: string, property: string) =>
  page
    .locator(selector)
    .first()
    .evaluate((element, name) => getComputedStyle(element).getPropertyValue(name), property)

describe('each page in the example brand', () => {
  it.each(cases)('%s of %s passes axe in light, in dark and on a phone', async (_, who, query, sample: SamplePage) => {
    await inPage({ viewport: desktop, colorScheme: 'light', reducedMotion: 'reduce' }, async (page, complaints) => {
      const name = `${sample.view}-${sample.state}-${who.split(' ')[1]}`
      await page.goto(`${origin}/${sample.view}/${sample.state}${query}`)
      expect(await axeViolations(page)).toEqual([])
      await photograph(page, `${name}-light`)
      await page.emulateMedia({ colorScheme: 'dark' })
      expect(await axeViolations(page, 'colours')).toEqual([])
      await photograph(page, `${name}-dark`)
      await page.emulateMedia({ colorScheme: 'light' })
      await page.setViewportSize(phone)
      expect(await axeViolations(page)).toEqual([])
      await photograph(page, `${name}-phone`)
      await page.setViewportSize(narrow)
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(narrow.width)
      expect(complaints).toEqual([])
    })
  })
})

describe('the sign-in page in the example brand', () => {
  const signIn = (query = '') => `${origin}/sign-in/empty${query}`

  it('has its colours in both schemes, its corners, and its logo for each', async () => {
    await inPage({ viewport: desktop, colorScheme: 'light' }, async (page) => {
      await page.goto(signIn())
      const button = () => style(page, '.primary', 'background-color')
      expect([await button(), await style(page, '.primary', 'color')]).toEqual([
        'rgb(29, 78, 137)',
        'rgb(255, 255, 255)',
      ])
      expect(await style(page, '.card', 'border-top-left-radius')).toBe('6px')
      expect(await style(page, 'html', 'background-color')).toBe('rgb(238, 242, 246)')
      const shown = () =>
        page
          .locator('.logo')
          .evaluate((image: HTMLImageElement) => [image.naturalWidth > 0, new URL(image.currentSrc).pathname])
      expect(await shown()).toEqual([true, '/assets/brand/logo.svg'])
      await page.emulateMedia({ colorScheme: 'dark' })
      await page.waitForFunction(() => document.querySelector<HTMLImageElement>('.logo')?.currentSrc.includes('dark'))
      expect(await shown()).toEqual([true, '/assets/brand/logo-dark.svg'])
      await page.waitForFunction(
        () => getComputedStyle(document.querySelector('.primary') as Element).backgroundColor === 'rgb(141, 185, 236)',
      )
      expect(await style(page, '.primary', 'color')).toBe('rgb(0, 0, 0)')
      expect(await style(page, 'html', 'background-color')).toBe('rgb(13, 19, 26)')
    })
  })

  it('has the colours of the client over those of the deployment, and its corners still', async () => {
    await inPage({ viewport: desktop, colorScheme: 'light' }, async (page) => {
      await page.goto(signIn(`?client=${clientId}`))
      expect(await style(page, '.primary', 'background-color')).toBe('rgb(122, 59, 18)')
      expect(await style(page, '.card', 'border-top-left-radius')).toBe('6px')
      expect(await page.locator('.masthead bdi').textContent()).toBe('Field Notes')
    })
  })

  it('still draws stronger lines for whoever asks for more contrast', async () => {
    await inPage({ viewport: desktop, colorScheme: 'dark', contrast: 'more' }, async (page) => {
      await page.goto(signIn())
      const [line, text] = [await style(page, '.card', 'border-left-color'), await style(page, '.card', 'color')]
      expect(line).toBe(text)
    })
  })

  it('is read out with the name of the brand, once', async () => {
    await inPage({}, async (page) => {
      await page.goto(signIn())
      expect(await page.getByRole('img', { name: 'Northwind' }).count()).toBe(1)
      await page.goto(signIn(`?client=${clientId}`))
      expect(await page.getByRole('banner').getByRole('img').count()).toBe(0)
    })
  })

  it('measures what the check at start has measured', async () => {
    await inPage({ viewport: desktop, colorScheme: 'light', reducedMotion: 'reduce' }, async (page) => {
      await page.goto(signIn())
      // The check must have been able to fail: a colour that it refuses is refused by axe as well.
      await page.evaluate(() => document.documentElement.style.setProperty('--brand', '#f5a623'))
      const rules = (await axeViolations(page)).map(({ rule }) => rule)
      expect(rules).toContain('color-contrast')
    })
  })

  it('stays under 50 kB with everything that it loads', async () => {
    await inPage({ viewport: desktop }, async (page) => {
      const bodies: Promise<Buffer>[] = []
      page.on('response', (response) => bodies.push(response.body()))
      await page.goto(signIn(), { waitUntil: 'networkidle' })
      const bytes = (await Promise.all(bodies)).reduce((total, body) => total + body.length, 0)
      if (shots) process.stdout.write(`sign-in with the example brand: ${bytes} bytes in ${bodies.length} answers\n`)
      expect(bodies.length).toBeGreaterThanOrEqual(5)
      expect(bytes).toBeLessThan(50_000)
    })
  })
})

describe('an SVG opened by itself', () => {
  it('runs nothing, even one that no check has seen', async () => {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg"><script>document.documentElement.setAttribute("class", "ran")</script></svg>`
    const assets = createAssets({
      directory: join(ourViews, 'assets'),
      more: () => new Map([['brand/evil.svg', Buffer.from(svg)]]),
    })
    const app = new Koa()
    app.use(createPageHeaders({ issuer: 'http://localhost' }))
    app.use(async (ctx, next) => {
      await assets.serve(ctx, next)
      if (ctx.query.bare !== undefined) ctx.remove('Content-Security-Policy')
    })
    const evil = app.listen(0, '127.0.0.1')
    await once(evil, 'listening')
    const address = `http://127.0.0.1:${(evil.address() as AddressInfo).port}/assets/brand/evil.svg`
    await inPage({}, async (page) => {
      const ran = async (url: string) => {
        await page.goto(url)
        return page.locator('svg').getAttribute('class')
      }
      // Without its policy it would run: so it is the policy that stops it.
      expect([await ran(`${address}?bare`), await ran(address)]).toEqual(['ran', null])
    })
    evil.close()
  })
})
