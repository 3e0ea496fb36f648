// A person's own pages in a real Chromium, on the real server: every page and state measured and photographed, every journey walked.
import { generate } from 'otplib'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { type AccountWorld, type Person, startAccountWorld } from '../self-service/account-world.ts'
import { axeViolations, launchBrowser } from '../support/chromium.ts'
import { obtainCode } from '../support/code-flow.ts'
import { hostileText } from '../support/sample-pages.ts'

const shots = process.env.GATEHOUSE_SHOTS
const firefox = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0'
const phone = { width: 360, height: 740 }
const desktop = { width: 1280, height: 860 }
const zoomed = { width: 640, height: 430 }
const reflowed = { width: 320, height: 640 }

let world: AccountWorld
let browser: Browser

beforeAll(async () => {
  world = await startAccountWorld({ env: { GATEHOUSE_USERNAMES: 'true' } })
  browser = await launchBrowser()
}, 120_000)
afterAll(async () => {
  await browser?.close()
  await world?.stop()
})

const url = (path: string) => world.at(path).href

/** The browser that the person has signed in with. */
async function inBrowser(
  person: Pick<Person, 'agent'>,
  options: BrowserContextOptions,
  walk: (page: Page, complaints: string[], context: BrowserContext) => Promise<void>,
) {
  const context = await browser.newContext({ baseURL: world.issuer, ...options })
  const { hostname } = new URL(world.issuer)
  await context.addCookies(
    [...person.agent.cookies].map(([key, { value, path }]) => ({
      name: key.split(' ')[0] ?? '',
      value,
      path,
      domain: hostname,
    })),
  )
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('response', (response) => {
    if (response.status() >= 500) complaints.push(`${response.status()} ${response.url()}`)
  })
  try {
    await walk(page, complaints, context)
  } finally {
    await context.close()
  }
}

/** Somebody about whom every page has something to tell. */
async function settledPerson(): Promise<Person> {
  const person = await world.newPerson()
  const { stores, node } = world.server
  await stores.accounts.update(person.sub, {
    name: 'Mara Lindqvist',
    username: `mara-${person.sub.slice(0, 6)}`,
    profile: { given_name: 'Mara', family_name: 'Lindqvist', zoneinfo: 'Europe/Stockholm' },
  })
  await world.signIn(person)
  await stores.database.query(
    `UPDATE sessions SET user_agent = $2 WHERE sub = $1 AND uid <> (SELECT uid FROM sessions WHERE sub = $1 ORDER BY created_at LIMIT 1)`,
    [person.sub, firefox],
  )
  await stores.devices.noteSignIn(undefined, person.sub, {
    address: '2001:db8:85a3::8a2e:370:7334',
    userAgent: firefox,
    remember: true,
    hasShownFactor: true,
  })
  const redirectUri = 'https://app.example.com/cb'
  const audience = await world.makeApi({
    name: 'Invoices',
    scopes: [{ scope: `invoices:read`, description: 'Read your invoices' }],
  })
  const app = await world.makeClient({
    redirectUris: [redirectUri],
    name: 'Northwind Notes with a rather long name for one line',
    apis: { [audience]: ['invoices:read'] },
  })
  await obtainCode(world, { ...app, redirectUri }, person, {
    agent: person.agent,
    scope: 'openid email offline_access invoices:read',
    resource: audience,
    prompt: 'consent',
  } as never)
  await stores.database.query(
    `INSERT INTO passkeys (credential_id, sub, public_key, sign_count, name, multi_device, last_used_at)
     VALUES ($1, $2, '\\x00', 0, 'Work laptop', true, now()), ($3, $2, '\\x00', 0, 'Key on the ring', false, NULL)`,
    [`${person.sub}-1`, person.sub, `${person.sub}-2`],
  )
  await node.factors.recoveryCodes.regenerate(person.sub)
  await stores.database.query(
    `UPDATE recovery_codes SET used_at = now() WHERE id IN (SELECT id FROM recovery_codes WHERE sub = $1 LIMIT 8)`,
    [person.sub],
  )
  for (let index = 0; index < 30; index += 1)
    await stores.activity.append(person.sub, {
      type: index % 3 ? 'signed_in' : 'passkey_added',
      address: '198.51.100.17',
      userAgent: firefox,
      details: index % 3 ? {} : { factor: 'passkey', name: 'Work laptop' },
    })
  await world.strengthenSignIn(person)
  return person
}

async function smallControls(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [
      ...document.querySelectorAll(
        'main button, main select, main summary, main input:not([type=hidden]), main a:not([role=alert] a)',
      ),
    ]
      .filter((control) => {
        const { height } = control.getBoundingClientRect()
        return height > 0 && height < 44
      })
      .map((control) => control.outerHTML),
  )
}

/** Axe in light, dark and on a phone; nothing small, cut or sliding sideways; a photograph of each. */
async function inspect(page: Page, name: string) {
  const findings: unknown[] = []
  const shoot = async (kind: string) => {
    if (shots !== undefined) await page.screenshot({ path: `${shots}/account-${name}-${kind}.png`, fullPage: true })
  }
  await page.setViewportSize(desktop)
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
  findings.push(...(await axeViolations(page)))
  await shoot('light')
  await page.emulateMedia({ colorScheme: 'dark' })
  findings.push(...(await axeViolations(page)))
  await shoot('dark')
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize(phone)
  findings.push(...(await axeViolations(page)), ...(await smallControls(page)))
  await shoot('phone')
  for (const viewport of [phone, zoomed, reflowed]) {
    await page.setViewportSize(viewport)
    const width = await page.evaluate(() => document.documentElement.scrollWidth)
    if (width > viewport.width) findings.push(`slides sideways at ${viewport.width}`)
  }
  await page.setViewportSize(desktop)
  expect({ name, findings }).toEqual({ name, findings: [] })
}

const press = (page: Page, name: string | RegExp) =>
  page.getByRole('button', { name, exact: typeof name === 'string' }).click()
const submit = (page: Page) => page.locator('main button.primary').click()

describe('each page of an account', () => {
  let person: Person
  beforeAll(async () => {
    person = await settledPerson()
  }, 60_000)

  it.each([
    'overview',
    'profile',
    'username',
    'email',
    'password',
    'second-factor',
    'second-factor/app',
    'second-factor/email',
    'second-factor/recovery-codes',
    'second-factor/new-passkey',
    'sessions',
    'applications',
    'activity',
    'data',
    'delete',
    'goodbye',
  ])('%s passes axe in light, in dark and on a phone, and breaks no policy', async (path) => {
    await inBrowser(person, {}, async (page, complaints) => {
      await page.goto(path === 'overview' ? '/account' : `/account/${path}`)
      expect(new URL(page.url()).pathname).toBe(path === 'overview' ? '/account' : `/account/${path}`)
      await inspect(page, path.replace('/', '-'))
      expect(complaints).toEqual([])
    })
  })

  it('of one passkey passes too', async () => {
    await inBrowser(person, {}, async (page, complaints) => {
      await page.goto('/account/second-factor')
      await page.getByRole('link', { name: /Work laptop/ }).click()
      await inspect(page, 'passkey')
      await page.getByLabel('Name').fill(' \u200b')
      await submit(page)
      await inspect(page, 'passkey-without-name')
      expect(complaints.filter((text) => !text.includes('400'))).toEqual([])
    })
  })

  it('with everything unfolded passes too', async () => {
    await inBrowser(person, {}, async (page) => {
      await page.goto('/account/profile')
      await page.getByText('More about you').click()
      await inspect(page, 'profile-unfolded')
      await page.goto('/account/activity')
      await page.getByRole('link', { name: 'Older' }).click()
      await inspect(page, 'activity-older')
    })
  })

  it('with something wrong in it passes too, and puts the reader there', async () => {
    await inBrowser(person, {}, async (page) => {
      await page.goto('/account/profile')
      await page.getByText('More about you').click()
      await page.getByLabel('Date of birth').fill('tomorrow')
      await page.getByLabel('Time zone').fill('Mars')
      await submit(page)
      expect(await page.title()).toMatch(/^Error: /)
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('birthdate')
      await inspect(page, 'profile-wrong')
      await page.goto('/account/password')
      await page.getByLabel('New password').fill('passwordpassword')
      await submit(page)
      await inspect(page, 'password-refused')
      await page.goto('/account/delete')
      await page.getByLabel(/Type your email/).fill('somebody.else@example.com')
      await press(page, 'Delete my account')
      await inspect(page, 'delete-refused')
      await page.goto('/account/second-factor/app')
      await page.getByLabel('Code from the app').fill('000000')
      await submit(page)
      await inspect(page, 'app-wrong-code')
      await page.goto('/account/email')
      await page.getByLabel('New email address').evaluate((input: HTMLInputElement) => {
        input.type = 'text'
      })
      await page.getByLabel('New email address').fill('no address')
      await submit(page)
      await inspect(page, 'email-refused')
    })
  })

  it('with nothing in it passes too', async () => {
    const stranger = await world.newPerson()
    await world.server.stores.database.query('UPDATE accounts SET email_verified = false WHERE sub = $1', [
      stranger.sub,
    ])
    await inBrowser(stranger, {}, async (page) => {
      for (const path of [
        '',
        '/second-factor',
        '/second-factor/email',
        '/second-factor/recovery-codes',
        '/applications',
        '/email',
      ]) {
        await page.goto(`/account${path}`)
        await inspect(page, `empty${path.replaceAll('/', '-')}`)
      }
    })
  })
})

describe('somebody who means harm', () => {
  it('cannot break a page by what they call themselves, their passkeys, browsers and applications', async () => {
    const person = await settledPerson()
    const { database } = world.server.stores
    const written = hostileText.replaceAll('\u0000', '')
    const name = written.slice(0, 60) + 'W'.repeat(2000)
    await database.query('UPDATE accounts SET name = $2, profile = $3 WHERE sub = $1', [
      person.sub,
      name,
      { nickname: name, given_name: name, website: `javascript:${name}`, address: { locality: name } },
    ])
    await database.query('UPDATE sessions SET user_agent = $2 WHERE sub = $1', [person.sub, written])
    await database.query('UPDATE devices SET user_agent = $2, address = $2 WHERE sub = $1', [person.sub, written])
    await database.query('UPDATE passkeys SET name = $2 WHERE sub = $1', [person.sub, written])
    await database.query('UPDATE account_activity SET user_agent = $2, address = $2, details = $3 WHERE sub = $1', [
      person.sub,
      written,
      { name: written, factor: written },
    ])
    await database.query(`UPDATE clients SET name = $1 WHERE name LIKE 'Northwind%'`, [written])
    await inBrowser(person, { viewport: phone }, async (page, complaints) => {
      const dialogs: string[] = []
      page.on('dialog', (dialog) => dialogs.push(dialog.message()))
      for (const path of ['', '/profile', '/second-factor', '/sessions', '/applications', '/activity']) {
        await page.goto(`/account${path}`)
        expect(await page.locator('main script, img, [onerror], [style], a[href^="javascript:"]').count()).toBe(0)
        await inspect(page, `hostile${path.replace('/', '-')}`)
        await page.setViewportSize(phone)
      }
      expect([...complaints, ...dialogs]).toEqual([])
    })
  })
})

describe('without any script', () => {
  const plain = { javaScriptEnabled: false }

  it('somebody signs in, writes a profile, sees the notice once, and changes the password', async () => {
    const person = await world.newPerson()
    await inBrowser({ agent: { cookies: new Map() } as never }, plain, async (page, complaints) => {
      await page.goto('/account/profile')
      await page.getByLabel('Email address').fill(person.email)
      await page.getByLabel('Password').fill(person.password)
      await submit(page)
      await page.getByLabel('Given name').fill('Mara')
      await page.getByText('More about you').click()
      await page.getByLabel('Website').fill('https://mara.example')
      await submit(page)
      expect(await page.getByRole('status').textContent()).toBe('Your profile is saved.')
      if (shots) await page.screenshot({ path: `${shots}/account-profile-saved.png`, fullPage: true })
      await page.reload()
      expect(await page.getByRole('status').count()).toBe(0)
      await page.getByRole('link', { name: 'Password' }).click()
      await page.getByLabel('New password').fill('correct horse battery staple nine')
      await submit(page)
      expect(await page.getByRole('status').textContent()).toContain('Your password is changed')
      expect(complaints).toEqual([])
    })
  })

  it('sets up an authenticator app, keeps the codes, and signs the others out', async () => {
    const person = await world.newPerson()
    await world.signIn(person)
    await inBrowser(person, plain, async (page) => {
      await page.goto('/account/second-factor')
      await page.getByRole('link', { name: /Authenticator app/ }).click()
      const secret = (await page.locator('main code').textContent())?.replaceAll(' ', '') ?? ''
      await page.getByLabel('Code from the app').fill(await generate({ secret }))
      await submit(page)
      expect(await page.locator('.codes code').count()).toBe(10)
      await page.setViewportSize(desktop)
      if (shots) await page.screenshot({ path: `${shots}/account-new-recovery-codes-light.png`, fullPage: true })
      await page.emulateMedia({ media: 'print' })
      expect(await page.locator('.rooms').isVisible()).toBe(false)
      expect(await page.locator('.codes').isVisible()).toBe(true)
      if (shots) await page.screenshot({ path: `${shots}/account-new-recovery-codes-print.png`, fullPage: true })
      await page.emulateMedia({ media: 'screen' })
      await page.getByRole('link', { name: 'I have kept them' }).click()
      await page.goto('/account/sessions')
      await press(page, 'Sign out everywhere else')
      expect(await page.getByRole('status').textContent()).toContain('signed out everywhere else')
      expect(await page.getByRole('button', { name: /^Sign out/ }).count()).toBe(0)
    })
  })

  it('changes the address, at both ends', async () => {
    const person = await world.newPerson()
    const email = `moved-${person.sub.slice(0, 8)}@example.com`
    await inBrowser(person, plain, async (page) => {
      await page.goto('/account/email')
      await page.getByLabel('New email address').fill(email)
      await submit(page)
      expect(await page.locator('.steps li').count()).toBe(2)
    })
    await inBrowser(person, {}, async (page) => {
      await page.goto('/account/email')
      await inspect(page, 'email-pending')
    })
    await inBrowser({ agent: { cookies: new Map() } as never }, plain, async (page) => {
      await page.goto(url(await world.linkTo(person.email, /Confirm the change/)))
      if (shots) await page.screenshot({ path: `${shots}/account-confirm-old.png`, fullPage: true })
      await submit(page)
      await page.goto(url(await world.linkTo(email, /Confirm your new/)))
      await submit(page)
      expect(await page.locator('main').textContent()).toContain(`is ${email} now`)
    })
  })

  it('explains that a passkey needs one, and shows no button that does nothing', async () => {
    const person = await world.newPerson()
    await inBrowser(person, plain, async (page) => {
      await page.goto('/account/second-factor/new-passkey')
      await page.getByText('need JavaScript').waitFor()
      expect(await page.getByRole('button', { name: 'Create a passkey' }).count()).toBe(0)
    })
  })

  it('downloads everything', async () => {
    const person = await world.newPerson()
    await inBrowser(person, plain, async (page) => {
      await page.goto('/account/data')
      const [download] = await Promise.all([page.waitForEvent('download'), press(page, 'Download your data')])
      expect(download.suggestedFilename()).toBe('account-data.json')
    })
  })

  it('deletes the account', async () => {
    const person = await world.newPerson()
    await inBrowser(person, plain, async (page) => {
      await page.goto('/account/data')
      await page.getByRole('link', { name: 'Delete your account' }).click()
      await page.getByLabel(/Type your email/).fill(person.email)
      await press(page, 'Delete my account')
      expect(await page.locator('h1').textContent()).toBe('Goodbye')
      if (shots) await page.screenshot({ path: `${shots}/account-goodbye-scheduled.png`, fullPage: true })
      await page.goto('/account')
      expect(new URL(page.url()).pathname).toMatch(/^\/interaction\//)
    })
  })
})

describe('a passkey', () => {
  const withAuthenticator = async (page: Page) => {
    const devtools = await page.context().newCDPSession(page)
    await devtools.send('WebAuthn.enable')
    await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    })
  }

  it('is added, signs its owner in freshly, is renamed and removed', async () => {
    const person = await world.newPerson()
    await inBrowser(person, {}, async (page, complaints) => {
      await withAuthenticator(page)
      await page.goto('/account/second-factor/new-passkey')
      // What is there for those without scripts, or for later, is not seen.
      expect(await page.getByRole('alert').count()).toBe(0)
      expect(await page.getByText('need JavaScript').isVisible()).toBe(false)
      await page.getByLabel('Name').fill('Blue phone')
      await press(page, 'Create a passkey')
      await page.getByRole('link', { name: 'I have kept them' }).click()
      // The session was opened with a password only: the new factor is asked for.
      await page.getByRole('link', { name: /Blue phone/ }).click()
      expect(new URL(page.url()).pathname).toMatch(/^\/interaction\//)
      await page
        .getByRole('button', { name: /passkey/i })
        .first()
        .click()
      await page.getByLabel('Name').waitFor()
      expect(new URL(page.url()).pathname).toMatch(/^\/account\/second-factor\/passkey\//)
      await page.getByLabel('Name').fill('Green phone')
      await submit(page)
      expect(await page.getByRole('link', { name: /Green phone/ }).textContent()).toContain('last used')
      await page.getByRole('link', { name: /Green phone/ }).click()
      await press(page, 'Remove this passkey')
      expect(await page.getByRole('status').textContent()).toContain('The passkey is removed')
      expect(await page.getByRole('link', { name: /Green phone/ }).count()).toBe(0)
      expect(complaints).toEqual([])
    })
  })

  it('that its owner has called off leaves the page as it was, and says so', async () => {
    const person = await world.newPerson()
    await inBrowser(person, {}, async (page) => {
      const devtools = await page.context().newCDPSession(page)
      await devtools.send('WebAuthn.enable')
      await devtools.send('WebAuthn.addVirtualAuthenticator', {
        options: { protocol: 'u2f', transport: 'usb', automaticPresenceSimulation: true },
      })
      await page.goto('/account/second-factor/new-passkey')
      await press(page, 'Create a passkey')
      await page.getByRole('alert').waitFor()
      await inspect(page, 'new-passkey-called-off')
    })
  })
})

describe('the navigation', () => {
  it('reaches every page by the keyboard alone, and says where one is', async () => {
    const person = await world.newPerson()
    await inBrowser(person, { viewport: desktop }, async (page) => {
      await page.goto('/account')
      const names = await page.locator('.rooms a').allTextContents()
      expect(names).toHaveLength(9)
      for (const [index, name] of names.slice(0, -1).entries()) {
        await page.goto('/account')
        for (let tab = 0; tab <= index; tab += 1) await page.keyboard.press('Tab')
        expect(await page.evaluate(() => document.activeElement?.textContent)).toBe(name)
        await page.keyboard.press('Enter')
        await page.waitForLoadState()
        expect(await page.locator('.rooms [aria-current="page"]').textContent()).toBe(name)
      }
    })
  })

  it('is the first page on a phone, from which every other is one step away, and back', async () => {
    const person = await settledPerson()
    await inBrowser(person, { viewport: phone }, async (page) => {
      await page.goto('/account')
      expect(await page.locator('.rooms').isVisible()).toBe(false)
      const links = await page
        .locator('main a:visible')
        .evaluateAll((all) => all.map((link) => link.getAttribute('href')))
      for (const path of ['profile', 'password', 'second-factor', 'sessions', 'applications', 'activity', 'data'])
        expect(links).toContain(`/account/${path}`)
      expect(links).toContain('/sign-out')
      await page.getByRole('link', { name: /^Activity/ }).click()
      await page.getByRole('link', { name: 'Your account' }).click()
      expect(new URL(page.url()).pathname).toBe('/account')
    })
  })

  it('leads out', async () => {
    const person = await world.newPerson()
    await inBrowser(person, {}, async (page) => {
      await page.goto('/account')
      await page.locator('.rooms').getByRole('link', { name: 'Sign out' }).click()
      await press(page, 'Sign out')
      await page.goto('/account')
      expect(new URL(page.url()).pathname).toMatch(/^\/interaction\//)
    })
  })
})

describe('what is in the way', () => {
  it('is told kindly: no sign-in, one that is not enough, and links that are over', async () => {
    const person = await world.newPerson()
    await inBrowser({ agent: { cookies: new Map() } as never }, {}, async (page) => {
      await page.goto('/account')
      await page.locator('form[action$="/abort"] button').click()
      expect(await page.locator('h1').textContent()).toBe('You are not signed in')
      await inspect(page, 'not-signed-in')
      await page.goto('/confirm-email/none')
      await inspect(page, 'link-over')
    })
    const { database } = world.server.stores
    await database.query('UPDATE accounts SET email_code_enabled = true WHERE sub = $1', [person.sub])
    await database.query('UPDATE sessions SET payload = payload || $2 WHERE sub = $1', [
      person.sub,
      { amr: ['email'], acr: 'urn:gatehouse:acr:1fa' },
    ])
    await inBrowser(person, {}, async (page) => {
      await page.goto('/account/password')
      expect(await page.locator('h1').textContent()).toBe('Sign in once more')
      await inspect(page, 'sign-in-again')
    })
  })
})
