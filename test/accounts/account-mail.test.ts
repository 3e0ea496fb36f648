// What each message to an account says: in the right language, to the right address, with a link that works.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type AccountMail, createAccountMail } from '../../src/accounts/account-mail.ts'
import { createAccountStore } from '../../src/accounts/account-store.ts'
import { createOneTimeLinkStore } from '../../src/accounts/one-time-link-store.ts'
import { createTranslations, type Translator } from '../../src/language/translations.ts'
import type { MailMessage } from '../../src/mail/mailer.ts'
import { createSealing } from '../../src/sealing.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'

const issuer = 'https://login.example.com'
const mara = { sub: 'mara', email: 'mara@example.com', locale: undefined }
const occasion = { at: new Date('2026-11-25T09:30:00Z'), address: '203.0.113.5', device: 'Firefox on Linux' }
const link = `${issuer}/some/link`

let fresh: FreshDatabase
let links: ReturnType<typeof createOneTimeLinkStore>
let mail: AccountMail
let sent: (MailMessage & { language: Translator })[] = []
const translations = createTranslations({ directory: join(import.meta.dirname, '../../views/locales') })

beforeAll(async () => {
  fresh = await freshDatabase()
  links = createOneTimeLinkStore({ database: fresh.database, sealing: createSealing([randomBytes(32)]) })
  await createAccountStore(fresh).insert({ sub: 'mara', email: 'mara@example.com' })
  mail = createAccountMail({
    mailer: { send: async (message) => void sent.push(message) },
    // Every language that there is, and one that is not yet: English under another name.
    translations: {
      choose: (wishes) =>
        wishes[0] === 'ar' ? { ...translations.english, locale: 'ar', direction: 'rtl' } : translations.choose(wishes),
    },
    productName: 'Gatehouse',
    issuer,
    links,
  })
})
beforeEach(() => {
  sent = []
})
afterAll(() => fresh.drop())

const only = () => {
  expect(sent).toHaveLength(1)
  return sent[0] as MailMessage & { language: Translator }
}

const letters: [string, (spoken: object) => Promise<void>][] = [
  ['verifyEmail', (spoken) => mail.verifyEmail(mara, { link, ...spoken })],
  ['invitation', (spoken) => mail.invitation(mara, { link, ...spoken })],
  ['invitation by somebody', (spoken) => mail.invitation(mara, { link, inviterName: 'Ida', ...spoken })],
  ['passwordReset', (spoken) => mail.passwordReset(mara, { link, ...spoken })],
  ['signInLink', (spoken) => mail.signInLink(mara, { link, ...spoken })],
  ['signInLink with a code', (spoken) => mail.signInLink(mara, { link, code: '482913', ...spoken })],
  ['emailCode', (spoken) => mail.emailCode(mara, { code: '482913', ...spoken })],
  ['confirmNewEmail', (spoken) => mail.confirmNewEmail(mara, { link, newEmail: 'new@example.com', ...spoken })],
  ['confirmOldEmail', (spoken) => mail.confirmOldEmail(mara, { link, newEmail: 'new@example.com', ...spoken })],
  ['accountExists', (spoken) => mail.accountExists(mara, { ...spoken })],
  ['deletionScheduled', (spoken) => mail.deletionScheduled(mara, { date: occasion.at, ...spoken })],
]
const notices: [string, (spoken: object) => Promise<void>][] = [
  ['newDevice', (spoken) => mail.newDevice(mara, { ...occasion, ...spoken })],
  ['passwordChanged', (spoken) => mail.passwordChanged(mara, { ...occasion, ...spoken })],
  ['factorAdded', (spoken) => mail.factorAdded(mara, { ...occasion, factor: 'passkey', name: 'Phone', ...spoken })],
  ['factorRemoved', (spoken) => mail.factorRemoved(mara, { ...occasion, factor: 'totp', ...spoken })],
  ['factorRemoved (codes)', (spoken) => mail.factorRemoved(mara, { ...occasion, factor: 'email_code', ...spoken })],
  ...[0, 1, 7].map((left): [string, (spoken: object) => Promise<void>] => [
    `recoveryCodeUsed, ${left} left`,
    (spoken) => mail.recoveryCodeUsed(mara, { ...occasion, left, ...spoken }),
  ]),
  ['recoveryCodesRegenerated', (spoken) => mail.recoveryCodesRegenerated(mara, { ...occasion, ...spoken })],
  ['emailChanged', (spoken) => mail.emailChanged(mara, { ...occasion, newEmail: 'new@example.com', ...spoken })],
  ['accountLocked', (spoken) => mail.accountLocked(mara, { ...occasion, ...spoken })],
]

describe('every message', () => {
  const inEachLanguage = [...letters, ...notices].flatMap(([name, write]) =>
    [...new Set([...translations.locales, 'ar'])].map((locale) => [name, locale, write] as const),
  )

  it.each(inEachLanguage)('%s is whole in %s', async (_, locale, write) => {
    await write({ language: { locale } })
    const { subject, heading, paragraphs, action, facts = [], closing = '', language } = only()
    const words = [subject, heading, ...paragraphs, action?.label ?? '', closing, ...facts.flatMap(Object.values)]
    expect(words.join('\n')).not.toMatch(/\{\{|\}\}|undefined|mail\.|\$t\(|\[object/)
    expect(words.filter((text) => text !== text.trim())).toEqual([])
    expect(subject).not.toContain('482913')
    expect(language.locale).toBe(locale)
  })
})

describe('a letter', () => {
  it('goes to the new address where that is to be confirmed, and to the old one where the change is', async () => {
    await mail.confirmNewEmail(mara, { link, newEmail: 'new@example.com' })
    await mail.confirmOldEmail(mara, { link, newEmail: 'new@example.com' })
    await mail.emailChanged(mara, { newEmail: 'new@example.com' })
    expect(sent.map(({ to }) => to)).toEqual(['new@example.com', 'mara@example.com', 'mara@example.com'])
    expect(sent[1]?.paragraphs[0]).toContain('from mara@example.com to new@example.com')
  })

  it('speaks the language that the person chose, then that of the request, then English', async () => {
    const asked = { language: { locale: 'ar' } }
    await mail.verifyEmail({ ...mara, locale: 'en' }, { link, ...asked })
    await mail.verifyEmail(mara, { link, ...asked })
    await mail.verifyEmail(mara, { link })
    await mail.verifyEmail({ ...mara, locale: 'tlh' }, { link })
    expect(sent.map(({ language }) => language.locale)).toEqual(['en', 'ar', 'en', 'en'])
  })

  it('takes names as they are: no key, no value and no length of them changes the sentence', async () => {
    await mail.invitation(mara, { link, inviterName: `$t(mail.not-me) {{email}} ${'W'.repeat(500)}` })
    const { subject } = only()
    expect(subject).toMatch(/^\$t\(mail\.not-me\) \{\{email\}\} W+ invites you to Gatehouse$/)
    expect(subject.length).toBeLessThan(120)
  })

  it('says how long its link works', async () => {
    await mail.verifyEmail(mara, { link })
    await mail.invitation(mara, { link })
    await mail.passwordReset(mara, { link })
    expect(sent.map(({ paragraphs }) => paragraphs[1])).toEqual([
      'The link works once, for 24 hours.',
      'The link works once, for 7 days.',
      'The link works once, for 15 minutes.',
    ])
    expect(sent.map(({ action }) => action?.url)).toEqual([link, link, link])
  })
})

describe('a notice', () => {
  it.each(notices)(
    '%s says when and from where, and carries a way to say that it was not them',
    async (name, write) => {
      await write({})
      const { facts, action, closing } = only()
      expect(facts?.slice(-3)).toEqual([
        { label: 'When', value: 'November 25, 2026 at 9:30 AM UTC' },
        { label: 'IP address', value: '203.0.113.5' },
        { label: 'Browser', value: 'Firefox on Linux' },
      ])
      expect(closing).toContain('72 hours')
      const [, token = ''] = /^https:\/\/login\.example\.com\/not-me\/([\w-]{43})$/.exec(action?.url ?? '') ?? []
      // An address that was changed can come back.
      const details = name === 'emailChanged' ? { email: 'mara@example.com' } : {}
      expect(await links.redeem('not-me', token)).toEqual({ sub: 'mara', details })
    },
  )

  it('outlives what happens to the account next, for three days', async () => {
    await mail.passwordChanged(mara, occasion)
    await fresh.database.query('UPDATE accounts SET security_version = security_version + 1')
    const token = only().action?.url.split('/').at(-1) ?? ''
    expect(await links.find('not-me', token)).toBeDefined()
    const [row] = await fresh.database.query<{ hours: number }>(
      'SELECT extract(epoch FROM max(expires_at) - now())::float8 / 3600 AS hours FROM one_time_links',
    )
    expect(row?.hours).toBeCloseTo(72, 1)
  })

  it('names the factor and what its owner called it', async () => {
    await mail.factorAdded(mara, { ...occasion, factor: 'passkey', name: 'Phone' })
    expect(only().facts?.slice(0, 2)).toEqual([
      { label: 'Way', value: 'Passkey' },
      { label: 'Name', value: 'Phone' },
    ])
  })

  it('takes the browser as a sentence too, and does without what is not known', async () => {
    await mail.newDevice(mara, { at: occasion.at, device: { key: 'mail.factor-totp' } })
    expect(only().facts?.map(({ label, value }) => `${label}: ${value}`)).toEqual([
      'When: November 25, 2026 at 9:30 AM UTC',
      'Browser: Authenticator app',
    ])
  })

  it.each([
    [0, 'None are left. Make new ones on your account page.'],
    [1, 'One is left. Make new ones on your account page.'],
    [7, '7 are left.'],
  ])('counts %i recovery codes that are left', async (left, words) => {
    await mail.recoveryCodeUsed(mara, { ...occasion, left })
    expect(only().paragraphs[1]).toBe(words)
  })

  it('is not sent when what it tells of has not come to be', async () => {
    const failing = fresh.database.transaction(async () => {
      await mail.passwordChanged(mara, occasion)
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    const token = only().action?.url.split('/').at(-1) ?? ''
    expect(await links.find('not-me', token)).toBeUndefined()
  })
})
