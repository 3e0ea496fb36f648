// Passkeys on the way in, in a real Chromium with a virtual authenticator on the real server: alone, and as the second step.
import type { Page } from 'playwright-core'
import { enrolApp } from '../support/authenticator-app.ts'
import { lastMailTo } from '../support/mailbox.ts'
import { addAuthenticator, startTrail, type Trail, type Walk } from '../support/walk.ts'

let trail: Trail
beforeAll(async () => {
  trail = await startTrail()
}, 120_000)
beforeEach(() => trail.forgetLimits())
afterAll(() => trail?.stop(), 30_000)

type Person = Awaited<ReturnType<Trail['server']['makeAccount']>>

async function typePassword({ page }: Pick<Walk, 'page'>, { email, password }: Pick<Person, 'email' | 'password'>) {
  await page.getByLabel('Email address').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.locator('main button.primary:visible').click()
}
const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()
const endSession = ({ context }: Pick<Walk, 'context'>) => context.clearCookies({ name: /session/ })

/** Makes one on the way to an application that demands a second factor. */
async function enrolPasskey(walked: Walk, person: Person) {
  await walked.begin({}, await trail.makeApp({ secondFactor: 'required' }))
  await typePassword(walked, person)
  await walked.page.getByRole('link', { name: 'Use a passkey instead' }).click()
  await walked.photograph('enrolment-passkey')
  await press(walked.page, 'Create a passkey')
  await walked.page.getByRole('link', { name: 'I have kept them' }).click()
  return walked.arrive()
}

describe('a passkey', () => {
  it('is made on the way in, counts at once, and then signs in alone, by its button', async () => {
    const person = await trail.server.makeAccount()
    await trail.walk({}, async (walked) => {
      const authenticator = await addAuthenticator(walked)
      expect(await enrolPasskey(walked, person)).toMatchObject({ sub: person.sub, acr: 'phr' })
      expect((await lastMailTo(trail.server, person.email)).text).toContain('/not-me/')
      await endSession(walked)
      await authenticator.answers(false)
      await walked.begin()
      await walked.page.getByRole('button', { name: 'Sign in with a passkey' }).waitFor()
      await walked.photograph('sign-in-passkey')
      await authenticator.answers(true)
      await press(walked.page, 'Sign in with a passkey')
      const claims = await walked.arrive()
      expect(claims).toMatchObject({ sub: person.sub, acr: 'phr' })
      expect(claims.amr).toEqual(expect.arrayContaining(['mfa', 'user']))
      expect(walked.complaints).toEqual([])
    })
  })

  it('is offered while the address is filled in, and signs in without a click', async () => {
    const person = await trail.server.makeAccount()
    await trail.walk({}, async (walked) => {
      await addAuthenticator(walked)
      await enrolPasskey(walked, person)
      await endSession(walked)
      await walked.begin()
      expect(await walked.arrive()).toMatchObject({ sub: person.sub, acr: 'phr' })
      expect(walked.complaints).toEqual([])
    })
  })

  it('is the second step after a password, and has the browser remembered', async () => {
    const person = await trail.server.makeAccount()
    await trail.walk({}, async (walked) => {
      const { page } = walked
      const authenticator = await addAuthenticator(walked)
      await enrolPasskey(walked, person)
      await endSession(walked)
      await authenticator.answers(false)
      await walked.begin()
      await typePassword(walked, person)
      await page.getByRole('button', { name: 'Use a passkey' }).waitFor()
      await walked.photograph('second-factor-passkey')
      await authenticator.answers(true)
      await page.getByLabel('Do not ask again').check()
      await press(page, 'Use a passkey')
      expect(await walked.arrive()).toMatchObject({ sub: person.sub, acr: 'phr' })
      const devices = await trail.server.server.stores.devices.list(person.sub)
      expect(devices.filter(({ rememberedUntil }) => rememberedUntil)).toHaveLength(1)
      expect(walked.complaints).toEqual([])
    })
  })

  it('that only proves that it is there is a second step, and lets nobody in alone', async () => {
    const person = await trail.server.makeAccount()
    await trail.walk({}, async (walked) => {
      const { page } = walked
      await addAuthenticator(walked, false)
      await enrolPasskey(walked, person)
      await endSession(walked)
      await walked.begin()
      await typePassword(walked, person)
      await press(page, 'Use a passkey')
      expect(await walked.arrive()).toMatchObject({ sub: person.sub })
      await endSession(walked)
      await walked.begin()
      await press(page, 'Sign in with a passkey')
      await page.getByRole('alert').getByText('That did not work.').waitFor()
      await walked.photograph('sign-in-passkey-failed')
    })
  })

  it('that is asked for and not there is explained, and another way leads on', async () => {
    const person = await trail.server.makeAccount()
    await enrolApp(trail.server, person)
    await trail.server.server.stores.database.query(
      "INSERT INTO passkeys (credential_id, sub, public_key, sign_count, name, multi_device) VALUES ($1, $2, '\\x00', 0, 'Lost', false)",
      [`lost-${person.sub}`, person.sub],
    )
    await trail.walk({}, async (walked) => {
      const { page } = walked
      const authenticator = await addAuthenticator(walked)
      await walked.begin()
      await typePassword(walked, person)
      await page.getByRole('link', { name: 'Use a passkey' }).click()
      await authenticator.remove()
      await page.evaluate(() => {
        navigator.credentials.get = () => Promise.reject(new DOMException('no', 'NotAllowedError'))
      })
      await press(page, 'Use a passkey')
      await page.getByRole('alert').getByText('That did not work.').waitFor()
      expect(await page.getByRole('button', { name: 'Use a passkey' }).isEnabled()).toBe(true)
      await walked.photograph('second-factor-passkey-failed')
      await page.getByRole('link', { name: 'Use the authenticator app' }).click()
      await page.getByLabel('Code from the app').waitFor()
    })
  })

  it('is demanded by an application that asks for a phishing-resistant sign-in', async () => {
    const person = await trail.server.makeAccount()
    await trail.walk({}, async (walked) => {
      const { page } = walked
      await addAuthenticator(walked)
      await enrolPasskey(walked, person)
      await endSession(walked)
      await enrolApp(trail.server, person)
      const claims = JSON.stringify({ id_token: { acr: { essential: true, value: 'phr' } } })
      await page.addInitScript(() => {
        // Otherwise it would sign in by itself.
        PublicKeyCredential.isConditionalMediationAvailable = async () => false
      })
      await walked.begin({ claims })
      await typePassword(walked, person)
      await page.getByRole('button', { name: 'Use a passkey' }).waitFor()
      expect(await page.getByRole('link', { name: 'Use the authenticator app' }).count()).toBe(0)
      await press(page, 'Use a passkey')
      expect(await walked.arrive()).toMatchObject({ acr: 'phr' })
    })
  })
})

describe('without any script', () => {
  it('a passkey is not offered on the sign-in page, leaves no gap, and is explained where it is asked for', async () => {
    const person = await trail.server.makeAccount()
    await enrolApp(trail.server, person)
    await trail.server.server.stores.database.query(
      "INSERT INTO passkeys (credential_id, sub, public_key, sign_count, name, multi_device) VALUES ($1, $2, '\\x00', 0, 'Key', false)",
      [`key-${person.sub}`, person.sub],
    )
    await trail.walk({ javaScriptEnabled: false }, async (walked) => {
      const { page } = walked
      await walked.begin()
      expect(await page.getByRole('button', { name: 'Sign in with a passkey' }).isVisible()).toBe(false)
      const gap = async (upper: string, lower: string) => {
        const [above, below] = [await page.locator(upper).boundingBox(), await page.locator(lower).boundingBox()]
        return (below?.y ?? 0) - (above?.y ?? 0) - (above?.height ?? 0)
      }
      expect(await gap('main form[action$="/sign-in"]', 'main .aside')).toBe(24)
      await typePassword(walked, person)
      await page.getByRole('link', { name: 'Use a passkey' }).click()
      await page.getByText('Passkeys need JavaScript.').waitFor()
      expect(await page.locator('main button:visible').count()).toBe(1)
      await walked.photograph('second-factor-passkey-no-script')
      await page.getByRole('link', { name: 'Use the authenticator app' }).click()
      await page.getByLabel('Code from the app').waitFor()
    })
  })
})

describe('in a browser that knows no passkeys', () => {
  it('the sign-in page offers none, and a page that asks for one says so', async () => {
    const person = await trail.server.makeAccount()
    const strict = await trail.makeApp({ secondFactor: 'required' })
    await trail.walk({}, async (walked) => {
      const { page } = walked
      await page.addInitScript(() => {
        Reflect.deleteProperty(window, 'PublicKeyCredential')
      })
      await walked.begin({}, strict)
      expect(await page.getByRole('button', { name: 'Sign in with a passkey' }).isVisible()).toBe(false)
      await typePassword(walked, person)
      await page.getByRole('link', { name: 'Use a passkey instead' }).click()
      await page.getByText('Passkeys need JavaScript.').waitFor()
      expect(walked.complaints).toEqual([])
    })
  })
})
