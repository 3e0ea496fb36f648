// Data for every hosted page: as it usually is, with errors, and as somebody who means harm would fill it.
import { join } from 'node:path'
import { createTranslations } from '../../src/language/translations.ts'
import { signInSamples } from './sample-sign-in-pages.ts'

export interface SamplePage {
  view: string
  state: string
  data: Record<string, unknown>
  /** English where none is named. */
  locale?: string
}

const consent = {
  action: '/interaction/7Yk2/consent',
  abortAction: '/interaction/7Yk2/abort',
  switchAction: '/interaction/7Yk2/switch',
  clientName: 'Northwind Notes',
  clientHost: 'notes.northwind.example',
  accountEmail: 'mara.lindqvist@example.com',
  scopes: [
    { name: 'profile', key: 'consent.scope.profile' },
    { name: 'email', key: 'consent.scope.email' },
    { name: 'offline_access', key: 'consent.scope.offline_access' },
  ],
  apis: [
    {
      name: 'Invoices API',
      audience: 'https://invoices.northwind.example',
      scopes: [
        { name: 'invoices:read', description: 'Read your invoices' },
        { name: 'invoices:write', description: 'Create and change invoices for you' },
      ],
    },
  ],
  clientUri: 'https://notes.northwind.example/',
  policyUri: 'https://notes.northwind.example/privacy',
  tosUri: 'https://notes.northwind.example/terms',
}
const refusal = {
  title: 'This sign-in cannot continue',
  message: 'The application sent a request that this server does not accept. Go back to the application and try again.',
  code: 'invalid_redirect_uri',
  requestId: '01JD3Z5K9Q4TB7XW',
}
const firstAdministrator = { action: '/first-administrator/kJ8s', minimumLength: 12 }
const device = { action: '/device', xsrf: 'c2b1f0' }
const home = {
  issuer: 'http://localhost:3000',
  discoveryUrl: '/.well-known/openid-configuration',
  jwksUrl: '/jwks',
}

const { t } = createTranslations({ directory: join(import.meta.dirname, '../../views/locales') }).english
const letter = {
  to: 'mara.lindqvist@example.com',
  subject: 'Confirm your email address',
  when: '2026-11-25 09:30:00 UTC',
}
const mailboxMessage = {
  ...letter,
  t,
  paragraphs: [['It is yours?'], ['Confirm', 'http://localhost:3000/verify-email/kJ8s'], ['-- ', 'Gatehouse']],
  links: ['http://localhost:3000/verify-email/kJ8s'],
  htmlUrl: '/dev/mailbox/5f0c/html',
  listUrl: '/dev/mailbox',
}

const ordinary: SamplePage[] = [
  { view: 'consent', state: 'full', data: consent },
  {
    view: 'consent',
    state: 'small',
    data: { ...consent, apis: [], clientUri: undefined, policyUri: undefined, tosUri: undefined },
  },
  {
    view: 'sign-out',
    state: 'named',
    data: {
      action: '/session/end/confirm',
      xsrf: 'c2b1f0',
      clientName: 'Northwind Notes',
      accountEmail: 'mara@example.com',
    },
  },
  { view: 'sign-out', state: 'bare', data: { action: '/session/end/confirm', xsrf: 'c2b1f0' } },
  { view: 'signed-out', state: 'named', data: { clientName: 'Northwind Notes' } },
  { view: 'signed-out', state: 'bare', data: {} },
  { view: 'error', state: 'production', data: refusal },
  {
    view: 'error',
    state: 'development',
    data: {
      ...refusal,
      technical: "redirect_uri did not match any of the client's registered redirect_uris",
      detail: {
        cause: 'redirect_uri is not registered for this client: the final slash differs.',
        fix: 'Send exactly the registered address, or register this one with npx gatehouse clients update.',
        facts: [
          { label: 'Sent', value: 'http://localhost:3001/callback/' },
          { label: 'Registered', value: 'http://localhost:3001/callback' },
        ],
      },
    },
  },
  { view: 'error', state: 'untranslated', data: { ...refusal, isEnglish: true } },
  { view: 'first-administrator', state: 'empty', data: firstAdministrator },
  {
    view: 'first-administrator-done',
    state: 'done',
    data: { email: 'mara.lindqvist@example.com', issuer: 'https://id.northwind.example' },
  },
  { view: 'link-expired', state: 'set-up', data: {} },
  { view: 'device-code-input', state: 'empty', data: device },
  {
    view: 'device-code-confirm',
    state: 'named',
    data: { ...device, userCode: 'WDJB-MJHT', clientName: 'Northwind TV' },
  },
  { view: 'device-code-done', state: 'named', data: { clientName: 'Northwind TV' } },
  { view: 'mailbox', state: 'empty', data: { t, messages: [] } },
  {
    view: 'mailbox',
    state: 'full',
    data: { t, messages: ['5f0c', '5f0d'].map((id) => ({ ...letter, url: `/dev/mailbox/${id}` })) },
  },
  { view: 'mailbox-message', state: 'full', data: mailboxMessage },
  { view: 'home', state: 'development', data: { ...home, isDevelopment: true } },
  { view: 'home', state: 'production', data: { ...home, isDevelopment: false } },
]

const withErrors: SamplePage[] = [
  {
    view: 'first-administrator',
    state: 'errors',
    data: {
      ...firstAdministrator,
      email: 'mara@example.com',
      errors: [{ field: 'password', message: 'Use at least 12 characters.' }],
    },
  },
  {
    view: 'device-code-input',
    state: 'error',
    data: { ...device, userCode: 'WDJB-MJHX', isWrong: true },
  },
  { view: 'device-code-input', state: 'cancelled', data: { ...device, isCancelled: true } },
]

export const markup = '"><script>alert(1)</script>\'<img src=x onerror=alert(1)>'
export const override = '\u202egro.knab\u202c\u2066\u200f\u0000'
export const endless = 'W'.repeat(10_000)
export const hostileText = `${markup}${override}${endless}`

// What the server makes itself and nobody else can write.
const ours = new Set([
  ...['action', 'abortAction', 'switchAction', 'discoveryUrl', 'jwksUrl', 'base', 'nextUrl'],
  ...['xsrf', 'field', 'key', 'url', 'htmlUrl', 'listUrl'],
  ...['method', 'others', 'factor', 'passkeyOptions', 'ticket', 'totp', 'codes'],
])

export function spoiled(value: unknown, text: string, key = ''): unknown {
  if (ours.has(key)) return value
  if (typeof value === 'string') return key.endsWith('Uri') ? `javascript:${text}` : text
  if (Array.isArray(value)) return value.map((item) => spoiled(item, text))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, spoiled(item, text, name)]))
}

const spoiledPage = ({ data, ...page }: SamplePage): SamplePage => ({
  ...page,
  state: `${page.state}-hostile`,
  data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, spoiled(value, hostileText, key)])),
})

export const samplePages: SamplePage[] = [...signInSamples, ...ordinary, ...withErrors]

const isRefusal = ({ state }: SamplePage) => /refused|error/.test(state)
const views = [...new Set(samplePages.map(({ view }) => view))]

/** Of each view the first state, and the first that has something to complain about. */
export const chosenPages: SamplePage[] = views.flatMap((view) => {
  const states = samplePages.filter((page) => page.view === view)
  return [...new Set([states[0], states.find(isRefusal)])].flatMap((page) => page ?? [])
})

// One of each view, with every optional part of it shown.
const fullest = ['empty', 'full', 'named', 'development', 'done', 'set-up', 'errors', 'error', 'refused']
export const hostilePages: SamplePage[] = samplePages
  .filter(({ state }) => fullest.includes(state) || state.endsWith('-refused'))
  .map(spoiledPage)

const inLanguage = (locale: string) => (page: SamplePage) => ({ ...page, state: `${page.state}-${locale}`, locale })

const translatedViews = new Set([
  ...['sign-in', 'consent', 'error', 'device-code-input', 'sign-out'],
  ...['second-factor', 'enrolment', 'sign-up-code', 'recovery-codes', 'invitation', 'not-me'],
])
const translatedStates = new Set(['refused', 'full', 'development', 'error', 'named', 'totp', 'passkey'])

/** German has the longest words, Japanese no spaces, and Arabic runs from right to left. */
export const translatedPages: SamplePage[] = ['de', 'ja', 'ar'].flatMap((locale) =>
  samplePages
    .filter(({ view, state }) => translatedViews.has(view) && translatedStates.has(state))
    .map(inLanguage(locale)),
)
export const germanPages: SamplePage[] = samplePages.map(inLanguage('de'))
export const hostileArabicPages: SamplePage[] = hostilePages
  .filter(({ state }) => !state.includes('-refused-'))
  .map(inLanguage('ar'))
