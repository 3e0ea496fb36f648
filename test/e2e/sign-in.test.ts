// Every way in and back in, walked in a real Chromium on the real server: with scripts, and without where the platform allows.
import type { Page } from 'playwright-core'
import { codeOf, enrolApp } from '../support/authenticator-app.ts'
import { codeIn, lastMailTo, linkIn, mailsTo } from '../support/mailbox.ts'
import { startTrail, type Trail, type Walk } from '../support/walk.ts'

const newPassword = 'quite a long passphrase of my own'
const twoFactors = 'urn:gatehouse:acr:2fa'

let trail: Trail
beforeAll(async () => {
  trail = await startTrail({ GATEHOUSE_PASSWORD_MAX_AGE_DAYS: '365' })
}, 120_000)
beforeEach(() => trail.forgetLimits())
afterAll(() => trail?.stop(), 30_000)

interface Person {
  sub: string
  email: string
  password: string
}
const makePerson = (): Promise<Person> => trail.server.makeAccount()

async function personWithApp(): Promise<Person & { secret: string }> {
  const person = await makePerson()
  return { ...person, secret: await enrolApp(trail.server, person) }
}

async function typePassword({ page }: Pick<Walk, 'page'>, { email, password }: Pick<Person, 'email' | 'password'>) {
  await page.getByLabel('Email address').fill(email)
  await page.getByLabel('Password').fill(password)
  await submit(page)
}
const submit = (page: Page) => page.locator('main button.primary:visible').click()
const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()
const follow = (page: Page, name: string) => page.getByRole('link', { name, exact: true }).click()
const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor()

async function typeCode(page: Page, label: string, code: string) {
  await page.getByLabel(label).fill(code)
  await submit(page)
}

/** The next sign-in begins at the beginning, in a browser that is known. */
const endSession = ({ context }: Pick<Walk, 'context'>) => context.clearCookies({ name: /session/ })

describe.each([
  ['with scripts', true],
  ['without any script', false],
])('in a browser %s', (_, javaScriptEnabled) => {
  const walk = (work: (walk: Walk) => Promise<unknown>) =>
    trail.walk({ javaScriptEnabled }, async (walked) => {
      await work(walked)
      expect(walked.complaints).toEqual([])
    })

  it('a password is enough, a wrong one is explained, and the name that was typed stays', async () => {
    const person = await makePerson()
    await walk(async (walked) => {
      const { page } = walked
      await walked.begin()
      await walked.photograph('sign-in')
      await typePassword(walked, { ...person, password: 'not the right passphrase' })
      await page.getByRole('alert').getByText('The email address or the password is not right.').waitFor()
      expect(await page.getByLabel('Email address').inputValue()).toBe(person.email)
      await walked.photograph('wrong-password')
      await page.getByLabel('Password').fill(person.password)
      await submit(page)
      expect(await walked.arrive()).toMatchObject({ sub: person.sub, acr: 'urn:gatehouse:acr:1fa', amr: ['pwd'] })
    })
  })

  it('an authenticator app is set up on the way in where it is demanded, with a mistake on the way', async () => {
    const person = await makePerson()
    const strict = await trail.makeApp({ secondFactor: 'required' })
    await walk(async (walked) => {
      const { page } = walked
      await walked.begin({}, strict)
      await typePassword(walked, person)
      await heading(page, 'Add a second step')
      await walked.photograph('enrolment-app')
      const secret = ((await page.locator('main code').textContent()) ?? '').replaceAll(' ', '')
      expect(await page.getByRole('img', { name: /QR code/ }).isVisible()).toBe(true)
      await typeCode(page, 'Code from the app', '000000')
      await page.getByText('This code is not right.').waitFor()
      // What the app has scanned stays good.
      expect(((await page.locator('main code').textContent()) ?? '').replaceAll(' ', '')).toBe(secret)
      await typeCode(page, 'Code from the app', await codeOf(secret))
      await heading(page, 'Your recovery codes')
      expect(await page.getByRole('listitem').count()).toBe(10)
      await walked.photograph('recovery-codes')
      await follow(page, 'I have kept them')
      expect(await walked.arrive()).toMatchObject({ acr: twoFactors, amr: ['mfa', 'otp', 'pwd'] })
    })
    expect((await lastMailTo(trail.server, person.email)).text).toContain('/not-me/')
  })

  it('a code of the app is asked for, and a browser that is to be remembered is spared', async () => {
    const person = await personWithApp()
    await walk(async (walked) => {
      const { page } = walked
      await walked.begin()
      await typePassword(walked, person)
      await heading(page, 'One more step')
      await walked.photograph('second-factor-app')
      await typeCode(page, 'Code from the app', '000000')
      await page.getByText('This code is not right.').waitFor()
      await walked.photograph('second-factor-app-wrong')
      await page.getByLabel('Do not ask again in this browser for 30 days').check()
      await typeCode(page, 'Code from the app', await codeOf(person.secret))
      expect(await walked.arrive()).toMatchObject({ acr: twoFactors })
      await endSession(walked)
      await walked.begin()
      await typePassword(walked, person)
      expect(await walked.arrive()).toMatchObject({ amr: ['pwd', 'rba'] })
    })
  })

  it('a recovery code stands in for the app, once', async () => {
    const person = await personWithApp()
    const [code = ''] = await trail.server.server.node.factors.recoveryCodes.regenerate(person.sub)
    await walk(async (walked) => {
      const { page } = walked
      await walked.begin()
      await typePassword(walked, person)
      await follow(page, 'Use a recovery code')
      await walked.photograph('second-factor-recovery')
      await typeCode(page, 'Recovery code', code.toLowerCase())
      expect(await walked.arrive()).toMatchObject({ acr: twoFactors })
      await endSession(walked)
      await walked.begin()
      await typePassword(walked, person)
      await follow(page, 'Use a recovery code')
      await typeCode(page, 'Recovery code', code)
      await page.getByText('This recovery code is not right, or it was used before.').waitFor()
    })
  })

  it('a code comes by mail to whoever chose that', async () => {
    const person = await makePerson()
    await trail.server.server.node.factors.store.setEmailCode(person.sub, true)
    await walk(async (walked) => {
      const { page } = walked
      await walked.begin()
      await typePassword(walked, person)
      await walked.photograph('second-factor-mail')
      await press(page, 'Send me a code')
      await walked.photograph('second-factor-mail-sent')
      await typeCode(page, 'Code from the message', '000000')
      await page.getByText('This code is not right, or it has expired.').waitFor()
      await typeCode(page, 'Code from the message', codeIn(await lastMailTo(trail.server, person.email)))
      expect(await walked.arrive()).toMatchObject({ acr: twoFactors, amr: ['email', 'mfa', 'pwd'] })
    })
  })

  it('a code by mail is set up on the way in', async () => {
    const person = await makePerson()
    const strict = await trail.makeApp({ secondFactor: 'required' })
    await walk(async (walked) => {
      const { page } = walked
      await walked.begin({}, strict)
      await typePassword(walked, person)
      await follow(page, 'Use codes by email instead')
      await walked.photograph('enrolment-mail')
      await press(page, 'Send me a code')
      await walked.photograph('enrolment-mail-sent')
      await typeCode(page, 'Code from the message', codeIn(await lastMailTo(trail.server, person.email)))
      await follow(page, 'I have kept them')
      expect(await walked.arrive()).toMatchObject({ acr: twoFactors, amr: ['email', 'mfa', 'pwd'] })
    })
  })

  it('a link by mail signs in the browser that asked for it', async () => {
    const person = await makePerson()
    await walk(async (walked) => {
      const { page } = walked
      await walked.begin()
      await page.getByLabel('Email address').fill(person.email)
      await press(page, 'Email me a sign-in link')
      await heading(page, 'Look at your mail')
      await walked.photograph('link-sent')
      await page.goto(linkIn(await lastMailTo(trail.server, person.email), '/link/'))
      await walked.photograph('link-here')
      await submit(page)
      expect(await walked.arrive()).toMatchObject({ sub: person.sub, amr: ['email'] })
    })
  })

  it('a link that is opened elsewhere signs in nobody there; its code does in the first browser', async () => {
    const person = await makePerson()
    await walk(async (walked) => {
      const { page } = walked
      await walked.begin()
      await page.getByLabel('Email address').fill(person.email)
      await press(page, 'Email me a sign-in link')
      await heading(page, 'Look at your mail')
      const mail = await lastMailTo(trail.server, person.email)
      await walk(async (elsewhere) => {
        await elsewhere.page.goto(linkIn(mail, '/link/'))
        await elsewhere.page.getByText('This link was asked for in another browser.').waitFor()
        expect(await elsewhere.page.locator('main button').count()).toBe(0)
        await elsewhere.photograph('link-elsewhere')
      })
      await typeCode(page, 'Code from the message', '000000')
      await page.getByText('This code is not right, or it has expired.').waitFor()
      await walked.photograph('link-wrong-code')
      await typeCode(page, 'Code from the message', codeIn(mail))
      expect(await walked.arrive()).toMatchObject({ sub: person.sub, amr: ['email'] })
    })
  })

  it('a link asked for without a name is not pretended to be on its way', async () => {
    await walk(async (walked) => {
      await walked.begin()
      await press(walked.page, 'Email me a sign-in link')
      await walked.page.getByRole('alert').waitFor()
      expect(await walked.page.getByLabel('Email address').isVisible()).toBe(true)
      await walked.photograph('link-without-name')
    })
  })

  it('an account is made with a code that was mailed', async () => {
    const email = `new-${javaScriptEnabled}@example.com`
    await walk(async (walked) => {
      const { page } = walked
      await walked.begin()
      await follow(page, 'Create an account')
      await walked.photograph('sign-up')
      await page.getByLabel('Name').fill('Mara Lindqvist')
      await page.getByLabel('Email address').fill(email)
      await page.getByLabel('Password').fill('passwordpassword')
      await submit(page)
      await page.getByText('This password is on lists of common passwords.').waitFor()
      await walked.photograph('sign-up-refused')
      expect(await page.getByLabel('Name').inputValue()).toBe('Mara Lindqvist')
      await page.getByLabel('Password').fill(newPassword)
      await submit(page)
      await heading(page, 'Confirm your address')
      await walked.photograph('sign-up-code')
      await typeCode(page, 'Code from the message', '000000')
      await page.getByText('This code is not right.').waitFor()
      await typeCode(page, 'Code from the message', codeIn(await lastMailTo(trail.server, email)))
      const { sub } = await walked.arrive()
      const account = await trail.server.server.stores.accounts.findByEmail(email)
      expect([account?.sub, account?.isEmailVerified, account?.name]).toEqual([sub, true, 'Mara Lindqvist'])
    })
  })

  it('a forgotten password is replaced by a link, opened in any browser', async () => {
    const person = await makePerson()
    await walk(async (walked) => {
      const { page } = walked
      await walked.begin()
      await follow(page, 'Forgot your password?')
      await walked.photograph('forgotten')
      await page.getByLabel('Email address').fill(person.email)
      await submit(page)
      await heading(page, 'Look at your mail')
      await walked.photograph('forgotten-sent')
      const link = linkIn(await lastMailTo(trail.server, person.email), '/reset-password/')
      await walk(async (phone) => {
        await phone.page.goto(link)
        await phone.photograph('reset-password')
        await phone.page.getByLabel('Password').fill('passwordpassword')
        await submit(phone.page)
        await phone.page.getByText('This password is on lists of common passwords.').waitFor()
        await phone.page.getByLabel('Password').fill(newPassword)
        await submit(phone.page)
        await heading(phone.page, 'Your password is set')
        await phone.photograph('reset-password-done')
        await phone.page.goto(link)
        await heading(phone.page, 'This link no longer works')
        await phone.photograph('link-over')
      })
      await follow(page, 'Back to signing in')
      await typePassword(walked, { ...person, password: newPassword })
      expect(await walked.arrive()).toMatchObject({ sub: person.sub })
    })
  })

  it('an invitation is accepted, and leads to signing in', async () => {
    const email = `invited-${javaScriptEnabled}@example.com`
    const { stores, node } = trail.server.server
    const made = await node.registrations.accounts.create({ email })
    if (!made.ok) throw new Error('no account')
    const { sub } = made.account
    const link = `${trail.server.issuer}/invitation/${await stores.links.create('invitation', { sub, seconds: 600 })}`
    await walk(async (walked) => {
      const { page } = walked
      await page.goto(link)
      await walked.photograph('invitation')
      await page.getByLabel('Name').fill('Mara Lindqvist')
      await page.getByLabel('Password').fill(newPassword)
      await submit(page)
      await heading(page, 'Your account is ready')
      await walked.photograph('invitation-accepted')
      await walked.begin()
      await typePassword(walked, { email, password: newPassword })
      expect(await walked.arrive()).toMatchObject({ sub })
    })
  })

  it('a password that has come of age is replaced on the way in', async () => {
    const person = await makePerson()
    await trail.server.server.stores.database.query(
      "UPDATE accounts SET password_changed_at = now() - interval '366 days' WHERE sub = $1",
      [person.sub],
    )
    await walk(async (walked) => {
      const { page } = walked
      await walked.begin()
      await typePassword(walked, person)
      await heading(page, 'Your password has expired')
      await walked.photograph('expired-password')
      await page.getByLabel('Password').fill(person.password)
      await submit(page)
      await page.getByText('You have used this password here before.').waitFor()
      await page.getByLabel('Password').fill(newPassword)
      await submit(page)
      expect(await walked.arrive()).toMatchObject({ sub: person.sub })
    })
  })

  it('an application that asks for more has the second step alone shown', async () => {
    const person = await personWithApp()
    const lenient = await trail.makeApp({ secondFactor: 'off' })
    await walk(async (walked) => {
      const { page } = walked
      await walked.begin({}, lenient)
      await typePassword(walked, person)
      const first = await walked.arrive()
      expect(first).toMatchObject({ acr: 'urn:gatehouse:acr:1fa' })
      await walked.begin({ acr_values: twoFactors }, lenient)
      await heading(page, 'One more step')
      await walked.photograph('step-up')
      await typeCode(page, 'Code from the app', await codeOf(person.secret))
      expect(await walked.arrive()).toMatchObject({ acr: twoFactors, auth_time: first.auth_time })
    })
  })

  it('“this wasn’t me” signs everything out and sends the way to a new password', async () => {
    const person = await makePerson()
    await walk(async (owner) => {
      await owner.begin()
      await typePassword(owner, person)
      await owner.arrive()
      await walk(async (thief) => {
        await thief.begin()
        await typePassword(thief, person)
        await thief.arrive()
        const { page } = owner
        await page.goto(linkIn(await lastMailTo(trail.server, person.email), '/not-me/'))
        await owner.photograph('not-me')
        await press(page, 'Secure my account')
        await owner.page.getByRole('heading', { level: 1 }).waitFor()
        await owner.photograph('not-me-done')
        await thief.begin()
        await thief.page.getByLabel('Password').waitFor()
        const link = linkIn(await lastMailTo(trail.server, person.email), '/reset-password/')
        await page.goto(link)
        await page.getByLabel('Password').fill(newPassword)
        await submit(page)
        await heading(page, 'Your password is set')
        await typePassword(thief, person)
        await thief.page.getByText('The email address or the password is not right.').waitFor()
      })
    })
  })

  it('somebody may turn back to the application, or go on as somebody else', async () => {
    const [person, other] = [await personWithApp(), await makePerson()]
    await walk(async (walked) => {
      const { page } = walked
      await walked.begin()
      await typePassword(walked, person)
      await press(page, 'Use another account')
      await typePassword(walked, other)
      expect(await walked.arrive()).toMatchObject({ sub: other.sub })
      await endSession(walked)
      await walked.begin()
      await press(page, 'Cancel and go back')
      await page.waitForURL(/error=access_denied/)
    })
  })
})

describe('the keyboard alone', () => {
  it('gets through a password, a code and the box that has the browser remembered', async () => {
    const person = await personWithApp()
    await trail.walk({}, async (walked) => {
      const { page } = walked
      await walked.begin()
      await page.locator('#email:focus').waitFor()
      await page.keyboard.type(person.email)
      await page.keyboard.press('Tab')
      await page.keyboard.type(person.password)
      await page.keyboard.press('Enter')
      await page.locator('#code:focus').waitFor()
      await page.keyboard.type(await codeOf(person.secret))
      await page.keyboard.press('Tab')
      await page.keyboard.press('Space')
      expect(await page.getByLabel('Do not ask again').isChecked()).toBe(true)
      await page.keyboard.press('Enter')
      expect(await walked.arrive()).toMatchObject({ acr: twoFactors })
      expect(walked.complaints).toEqual([])
    })
    expect(await trail.server.server.stores.devices.list(person.sub)).toMatchObject([
      { rememberedUntil: expect.any(Date) },
    ])
  })

  it('reaches everything on the sign-in page in the order in which it is read', async () => {
    await trail.walk({}, async (walked) => {
      const { page } = walked
      await walked.begin()
      await page.locator('#email:focus').waitFor()
      await page.getByRole('button', { name: 'Sign in with a passkey' }).waitFor()
      const reached: string[] = []
      for (let stop = 0; stop < 8; stop += 1) {
        reached.push(
          await page.evaluate(() => {
            const { activeElement: focused } = document
            const label = (focused as HTMLInputElement | null)?.labels?.[0]
            return (label ?? focused)?.textContent?.trim() ?? ''
          }),
        )
        await page.keyboard.press('Tab')
      }
      expect(reached).toEqual([
        'Email address',
        'Password',
        'Forgot your password?',
        'Sign in',
        'Email me a sign-in link',
        'Sign in with a passkey',
        'Create an account',
        'Cancel and go back',
      ])
    })
  })
})

describe('a first sign-in', () => {
  it('is no news; one in another browser is, and says which', async () => {
    const person = await makePerson()
    const firefox = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0'
    for (const options of [{}, { userAgent: firefox }])
      await trail.walk(options, async (walked) => {
        await walked.begin()
        await typePassword(walked, person)
        await walked.arrive()
      })
    const mails = await mailsTo(trail.server, person.email)
    expect(mails).toHaveLength(1)
    expect(mails[0]?.text).toContain('Firefox')
  })
})
