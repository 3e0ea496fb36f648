import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Koa from 'koa'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { axeViolations, launchBrowser } from '../support/chromium.ts'
import {
  germanPages,
  hostileArabicPages,
  hostilePages,
  type SamplePage,
  samplePages,
  translatedPages,
} from '../support/sample-pages.ts'
import { assets, ourScripts, sampleHtml, translations } from '../support/spoken.ts'

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
const pages = [...samplePages, ...hostilePages, ...translatedPages, ...germanPages, ...hostileArabicPages]
const addressOf = ({ view, state }: SamplePage) => `/${view}/${state}`
const shots = process.env.GATEHOUSE_SHOTS

let server: Server
let origin: string
let browser: Browser

beforeAll(async () => {
  const app = new Koa()
  app.use(async (ctx, next) => {
    ctx.set('Content-Security-Policy', policy)
    await next()
  })
  app.use(assets.serve)
  app.use((ctx) => {
    const found = pages.find((page) => addressOf(page) === ctx.path)
    if (found === undefined) return
    ctx.type = 'html'
    ctx.body = sampleHtml(found)
  })
  await new Promise<void>((resolve) => {
    server = app.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  origin = `http://127.0.0.1:${port}`
  browser = await launchBrowser()
}, 120_000)

afterAll(async () => {
  await browser?.close()
  server?.close()
})

const phone = { width: 360, height: 740 }
const desktop = { width: 1280, height: 860 }
// 200 % zoom of a 1280 px window leaves 640 px of CSS width, and 400 % (WCAG 1.4.10) leaves 320.
const zoomed = { width: 640, height: 430 }
const reflowed = { width: 320, height: 640 }

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

async function photograph(page: Page, sample: SamplePage, kind: string) {
  if (shots === undefined) return
  await page.screenshot({ path: `${shots}/${sample.view}-${sample.state}-${kind}.png`, fullPage: true })
}

async function widthsThatScroll(page: Page) {
  const wide: number[] = []
  for (const viewport of [phone, zoomed, reflowed]) {
    await page.setViewportSize(viewport)
    const width = await page.evaluate(() => document.documentElement.scrollWidth)
    if (width > viewport.width) wide.push(viewport.width)
  }
  return wide
}

const title = (page: SamplePage) => `${page.view} (${page.state})`
const titles = (list: SamplePage[]) => list.map((page) => [title(page), page] as const)

describe('each hosted page', () => {
  it.each(titles([...samplePages, ...translatedPages]))(
    '%s passes axe in light, in dark and on a phone, and breaks no policy',
    async (_, sample) => {
      await inPage({ viewport: desktop, colorScheme: 'light', reducedMotion: 'reduce' }, async (page, complaints) => {
        await page.goto(origin + addressOf(sample))
        expect(await axeViolations(page)).toEqual([])
        await photograph(page, sample, 'light')
        await page.emulateMedia({ colorScheme: 'dark' })
        expect(await axeViolations(page, 'colours')).toEqual([])
        await photograph(page, sample, 'dark')
        await page.emulateMedia({ colorScheme: 'light' })
        await page.setViewportSize(phone)
        expect(await axeViolations(page)).toEqual([])
        await photograph(page, sample, 'phone')
        expect(complaints).toEqual([])
      })
    },
  )

  it.each(titles([...hostilePages, ...hostileArabicPages]))('%s stays whole and harmless', async (_, sample) => {
    await inPage({ viewport: phone }, async (page, complaints) => {
      const dialogs: string[] = []
      page.on('dialog', (dialog) => dialogs.push(dialog.message()))
      await page.goto(origin + addressOf(sample))
      expect(await axeViolations(page)).toEqual([])
      expect(await page.locator('img, [onerror], [style], a[href^="javascript:"]').count()).toBe(0)
      const scripts = await page.locator('script').evaluateAll((all) => all.map((script) => script.getAttribute('src')))
      expect([[], ourScripts]).toContainEqual(scripts)
      await photograph(page, sample, 'phone')
      expect(await widthsThatScroll(page)).toEqual([])
      expect([...complaints, ...dialogs]).toEqual([])
    })
  })

  it.each(titles([...samplePages, ...germanPages]))(
    '%s fits narrow and enlarged screens, and thumbs',
    async (_, sample) => {
      await inPage({ viewport: phone }, async (page) => {
        await page.goto(origin + addressOf(sample))
        await page.locator('details').evaluateAll((details) => {
          for (const closed of details) closed.setAttribute('open', '')
        })
        const small = await page.evaluate(() =>
          [
            ...document.querySelectorAll(
              'summary, button, input:not([type=hidden], [hidden]), main a:not([role=alert] a)',
            ),
          ]
            // Around a box to tick, all of its label takes the tap.
            .filter((control) => (control.closest('label') ?? control).getBoundingClientRect().height < 44)
            .map((control) => control.outerHTML),
        )
        expect(small).toEqual([])
        expect(await widthsThatScroll(page)).toEqual([])

        // Text alone at 200 %, as a browser's own setting does it (WCAG 1.4.4).
        await page.setViewportSize(zoomed)
        const session = await page.context().newCDPSession(page)
        await session.send('Page.setFontSizes', { fontSizes: { standard: 32, fixed: 26 } })
        const cut = await page.evaluate(() =>
          [...document.querySelectorAll('main *')]
            .filter((element) => element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1)
            .map((element) => element.outerHTML.slice(0, 80)),
        )
        expect(await page.evaluate(() => getComputedStyle(document.documentElement).fontSize)).toBe('32px')
        expect(cut).toEqual([])
      })
    },
  )
})

describe('the forms', () => {
  it('label each input and name it for the server', async () => {
    await inPage({}, async (page) => {
      let inputs = 0
      for (const sample of samplePages) {
        await page.goto(origin + addressOf(sample))
        const found = await page.evaluate(() =>
          [...document.querySelectorAll<HTMLInputElement>('input:not([type=hidden], [hidden])')].map((input) => ({
            html: input.outerHTML,
            isNamed: input.name !== '' && Boolean(input.labels?.[0]?.textContent?.trim()),
          })),
        )
        inputs += found.length
        expect(found.filter(({ isNamed }) => !isNamed)).toEqual([])
      }
      expect(inputs).toBeGreaterThan(10)
    })
  })

  it('announce a refused sign-in, tie it to both inputs and wait in the password', async () => {
    await inPage({}, async (page) => {
      await page.goto(`${origin}/sign-in/refused`)
      expect(await page.getByRole('alert').textContent()).toContain('is not right')
      for (const name of ['Email address', 'Password']) {
        const input = page.getByLabel(name)
        expect(await input.getAttribute('aria-invalid')).toBe('true')
        expect(await input.getAttribute('aria-describedby')).toBe('problem')
      }
      await page.locator('#password:focus').waitFor()
      expect(await page.title()).toMatch(/^Error: /)
    })
  })

  it('put the reader in the first input that is wrong, and link the summary to each', async () => {
    await inPage({}, async (page) => {
      await page.goto(`${origin}/sign-up/errors`)
      await page.locator('#email:focus').waitFor()
      await page
        .getByRole('alert')
        .getByRole('link', { name: /too common/ })
        .click()
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('password')
      const described = await page.getByLabel('Password').getAttribute('aria-describedby')
      expect(described).toBe('password-fault password-hint')
    })
  })

  it('send the sign-in with the keyboard alone and without any script', async () => {
    await inPage({ javaScriptEnabled: false }, async (page) => {
      await page.goto(`${origin}/sign-in/empty`)
      const sent = page.waitForRequest((request) => request.method() === 'POST')
      await page.locator('#email:focus').waitFor()
      await page.keyboard.type('mara@example.com')
      await page.keyboard.press('Tab')
      await page.keyboard.type('a long pass phrase')
      await page.keyboard.press('Enter')
      const request = await sent
      expect(new URL(request.url()).pathname).toBe('/interaction/7Yk2/sign-in')
      expect(request.postData()).toBe('email=mara%40example.com&password=a+long+pass+phrase')
    })
  })

  it('offer both answers to a request to sign out', async () => {
    for (const [button, body] of [
      ['Sign out', 'xsrf=c2b1f0&logout=yes'],
      ['Stay signed in', 'xsrf=c2b1f0'],
    ] as const) {
      await inPage({}, async (page) => {
        await page.goto(`${origin}/sign-out/named`)
        const sent = page.waitForRequest((request) => request.method() === 'POST')
        await page.getByRole('button', { name: button, exact: true }).click()
        expect((await sent).postData()).toBe(body)
      })
    }
  })
})

describe('the sign-in page', () => {
  it('stays under 50 kB with everything that it loads, scripts too', async () => {
    await inPage({}, async (page) => {
      const bodies = new Map<string, Promise<Buffer>>()
      page.on('response', (response) => bodies.set(response.url().replace(origin, ''), response.body()))
      await page.goto(`${origin}/sign-in/empty`, { waitUntil: 'networkidle' })
      expect([...bodies.keys()]).toEqual(expect.arrayContaining([assets.assetUrl('gatehouse.css'), ...ourScripts]))
      const bytes = (await Promise.all(bodies.values())).reduce((total, body) => total + body.length, 0)
      process.stdout.write(`page weight: sign-in\t${bytes} bytes uncompressed, ${bodies.size} requests\t< 50000\n`)
      expect(bytes).toBeLessThan(50_000)
    })
  })

  it('is painted and ready before any script has arrived', async () => {
    await inPage({}, async (page) => {
      const held: (() => void)[] = []
      await page.route(/\.js/, (route) => new Promise<void>((go) => held.push(() => go(route.continue()))))
      await page.goto(`${origin}/sign-in/empty`, { waitUntil: 'commit' })
      await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0)
      await page.locator('#email:focus').fill('mara@example.com')
      for (const name of ['Sign in', 'Cancel and go back'])
        expect(await page.getByRole('button', { name, exact: true }).isVisible()).toBe(true)
      expect(await page.getByRole('button', { name: 'passkey' }).count()).toBe(0)
      expect(held.length).toBeGreaterThan(0)
      for (const go of held) go()
    })
  })
})

describe('the choice of a language', () => {
  it('opens and sends without any script, each language by its own name', async () => {
    await inPage({ javaScriptEnabled: false }, async (page) => {
      await page.goto(`${origin}/sign-in/empty`)
      await page.getByText('Language: English').click()
      for (const { locale, name } of translations.languages) {
        const button = page.getByRole('button', { name, exact: true })
        expect([await button.isVisible(), await button.getAttribute('lang')]).toEqual([true, locale])
      }
      const sent = page.waitForRequest((request) => request.method() === 'POST')
      await page.getByRole('button', { name: 'العربية' }).click()
      const request = await sent
      expect(new URL(request.url()).pathname).toBe('/language')
      expect(request.postData()).toBe('return_to=%2Fhere%3Fa%3D1%26b%3D2&language=ar')
    })
  })

  it('passes axe when it is open, also from right to left', async () => {
    for (const address of ['/home/production', '/consent/full-ar']) {
      await inPage({ viewport: phone }, async (page, complaints) => {
        await page.goto(origin + address)
        await page.locator('summary').click()
        expect(await axeViolations(page)).toEqual([])
        expect([await widthsThatScroll(page), complaints]).toEqual([[], []])
      })
    }
  })
})

describe('a page in Arabic', () => {
  it('runs from right to left, and keeps codes and addresses from left to right', async () => {
    await inPage({ viewport: desktop }, async (page) => {
      await page.goto(`${origin}/consent/full-ar`)
      const [tick, words] = await Promise.all([
        page.locator('.grants svg').first().boundingBox(),
        page.locator('.grants span').first().boundingBox(),
      ])
      expect(tick?.x).toBeGreaterThan(words?.x ?? Infinity)
      await page.goto(`${origin}/device-code-input/error-ar`)
      const direction = await page.locator('#user_code').evaluate((input) => getComputedStyle(input).direction)
      expect(direction).toBe('ltr')
      await page.goto(`${origin}/error/development-ar`)
      expect(
        await page
          .locator('[lang="en"]')
          .first()
          .evaluate((node) => getComputedStyle(node).direction),
      ).toBe('ltr')
    })
  })
})
