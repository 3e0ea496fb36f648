// Data for the pages of the hosted sign-in, in every state in which the routes of src/login show them.
import { qrSvg } from '../../src/accounts/factors/qr-svg.ts'
import type { SamplePage } from './sample-pages.ts'

const base = '/interaction/7Yk2'
const email = 'mara.lindqvist@example.com'
const clientName = 'Northwind Notes'
const wait = (key: string, count = 12) => ({ key: `${key}.minutes`, values: { count } })

/** The account's address stands in them: it comes from the person, and leads out of no attribute. */
const passkeyOptions = JSON.stringify({
  challenge: 'q0Ecd4zYw1cJ3sZ0b6kYq2rB7hT5lW9x',
  user: { id: 'bWFyYQ', name: '"><img src=x>', displayName: "Mara 'M' Lindqvist" },
})
const passkey = { passkeyOptions, ticket: 'sealed-ticket' }

const signIn = {
  base,
  clientName,
  clientHost: 'notes.northwind.example',
  canSignUp: true,
  canUseLinks: true,
  hasUsernames: false,
  ...passkey,
}
const signInPages: SamplePage[] = [
  { view: 'sign-in', state: 'empty', data: signIn },
  { view: 'sign-in', state: 'hinted', data: { ...signIn, email } },
  {
    view: 'sign-in',
    state: 'plain',
    data: { ...signIn, clientHost: undefined, canSignUp: false, canUseLinks: false, hasUsernames: true },
  },
  { view: 'sign-in', state: 'refused', data: { ...signIn, email, error: { key: 'sign-in.wrong' } } },
  { view: 'sign-in', state: 'without-name', data: { ...signIn, error: { key: 'sign-in.name-first' } } },
  { view: 'sign-in', state: 'passkey-refused', data: { ...signIn, error: { key: 'sign-in.passkey-refused' } } },
  ...['busy', 'too_many', 'locked'].map((reason) => ({
    view: 'sign-in',
    state: reason,
    data: {
      ...signIn,
      email,
      error: reason === 'busy' ? { key: 'sign-in.busy.seconds', values: { count: 2 } } : wait(`sign-in.${reason}`),
    },
  })),
]

const linkSent = { base, clientName, email }
const linkPages: SamplePage[] = [
  { view: 'sign-in-link-sent', state: 'sent', data: linkSent },
  {
    view: 'sign-in-link-sent',
    state: 'wrong-refused',
    data: { ...linkSent, error: { key: 'sign-in-link.wrong_code' } },
  },
  {
    view: 'sign-in-link-sent',
    state: 'too-many-codes',
    data: { ...linkSent, error: wait('second-factor.too_many') },
  },
  {
    view: 'sign-in-link-sent',
    state: 'too-many-mails',
    data: { ...linkSent, error: wait('sign-in.too_many_mails') },
  },
  { view: 'sign-in-link', state: 'here', data: { action: `${base}/link/kJ8s`, isHere: true } },
  { view: 'sign-in-link', state: 'elsewhere', data: { action: `${base}/link/kJ8s`, isHere: false } },
]

const signUp = { base, clientName, minimumLength: 15, hasUsernames: false }
const signUpPages: SamplePage[] = [
  { view: 'sign-up', state: 'empty', data: signUp },
  { view: 'sign-up', state: 'usernames', data: { ...signUp, hasUsernames: true } },
  {
    view: 'sign-up',
    state: 'errors',
    data: {
      ...signUp,
      hasUsernames: true,
      email: 'mara.lindqvist',
      name: 'Mara Lindqvist',
      username: 'mara',
      errors: [
        { field: 'email', message: 'Enter an email address, like name@example.com.' },
        { field: 'password', message: 'This password is too common. Choose one that is harder to guess.' },
      ],
    },
  },
  { view: 'sign-up-code', state: 'sent', data: { base, clientName, email } },
  {
    view: 'sign-up',
    state: 'taken',
    data: {
      ...signUp,
      hasUsernames: true,
      ...{ email, username: 'mara' },
      errors: [{ field: 'username', message: 'This username is taken. Choose another one.' }],
    },
  },
  {
    view: 'sign-up-code',
    state: 'wrong-refused',
    data: { base, clientName, email, error: { key: 'sign-up.wrong-code' } },
  },
  {
    view: 'sign-up-code',
    state: 'taken',
    data: { base, clientName, email, error: { key: 'sign-up.taken-meanwhile' } },
  },
]

const methods = ['totp', 'passkey', 'email_code', 'recovery_code']
const second = { base, clientName, accountEmail: email, canRemember: true, isSent: false }
const asked = (method: string) => ({
  ...second,
  method,
  others: methods.filter((other) => other !== method),
  ...(method === 'passkey' ? passkey : {}),
})
const secondFactorPages: SamplePage[] = [
  ...methods.flatMap((method): SamplePage[] => [
    { view: 'second-factor', state: method, data: asked(method) },
    {
      view: 'second-factor',
      state: `${method}-refused`,
      data: { ...asked(method), error: { key: `second-factor.wrong.${method}` } },
    },
  ]),
  { view: 'second-factor', state: 'alone', data: { ...asked('totp'), others: [], canRemember: false } },
  { view: 'second-factor', state: 'sent', data: { ...asked('email_code'), isSent: true } },
  ...['too_many', 'locked'].map((reason) => ({
    view: 'second-factor',
    state: reason,
    data: { ...asked('totp'), error: wait(`second-factor.${reason}`) },
  })),
  {
    view: 'second-factor',
    state: 'too-many-mails',
    data: { ...asked('email_code'), error: wait('second-factor.too_many_mails') },
  },
]

const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
const uri = `otpauth://totp/Gatehouse:${encodeURIComponent(email)}?secret=${secret}&issuer=Gatehouse`
const totp = { secret, uri, qrSvg: qrSvg(uri), enrolment: 'sealed-enrolment' }
const enrolment = { base, clientName, accountEmail: email, isDemandedByClient: true, isSent: false, ...passkey }
const factors = ['totp', 'passkey', 'email_code']
const begun = (factor: string) => ({
  ...enrolment,
  factor,
  others: factors.filter((other) => other !== factor),
  totp: factor === 'totp' ? totp : undefined,
})
const enrolmentPages: SamplePage[] = [
  ...factors.map((factor) => ({ view: 'enrolment', state: factor, data: begun(factor) })),
  { view: 'enrolment', state: 'deployment', data: { ...begun('totp'), isDemandedByClient: false, others: [] } },
  { view: 'enrolment', state: 'sent', data: { ...begun('email_code'), isSent: true } },
  ...[
    ['totp', 'wrong_code'],
    ['totp', 'expired'],
    ['passkey', 'passkey-refused'],
    ['passkey', 'passkey-registered_already'],
    ['email_code', 'wrong_code'],
  ].map(([factor = '', key]) => ({
    view: 'enrolment',
    state: `${factor}-${key}-refused`,
    data: { ...begun(factor), isSent: factor === 'email_code', error: { key: `enrolment.${key}` } },
  })),
  {
    view: 'enrolment',
    state: 'too-many-mails',
    data: { ...begun('email_code'), isSent: true, error: wait('second-factor.too_many_mails') },
  },
  {
    view: 'recovery-codes',
    state: 'full',
    data: {
      codes: Array.from({ length: 10 }, (_, index) => `7K2M-X9Q${index}-BT4W`),
      nextUrl: base,
    },
  },
]

const newPassword = { minimumLength: 15, accountEmail: email }
const common = [{ field: 'password', message: 'This password is on lists of common passwords. Choose another one.' }]
const link = { ...newPassword, action: '/reset-password/kJ8s' }
const invitation = { action: '/invitation/kJ8s', email, name: 'Mara Lindqvist', minimumLength: 15 }
const forgotten = { base, clientName, hasUsernames: false, email }
const recoveryPages: SamplePage[] = [
  { view: 'forgotten-password', state: 'empty', data: { ...forgotten, email: undefined } },
  { view: 'forgotten-password', state: 'usernames', data: { ...forgotten, hasUsernames: true } },
  {
    view: 'forgotten-password',
    state: 'refused',
    data: { ...forgotten, error: wait('sign-in.too_many_mails') },
  },
  { view: 'forgotten-password', state: 'sent', data: { ...forgotten, isSent: true } },
  { view: 'reset-password', state: 'empty', data: link },
  { view: 'reset-password', state: 'refused', data: { ...link, errors: common } },
  { view: 'reset-password-done', state: 'done', data: {} },
  { view: 'expired-password', state: 'empty', data: { base, clientName, ...newPassword } },
  { view: 'expired-password', state: 'refused', data: { base, clientName, ...newPassword, errors: common } },
  { view: 'invitation', state: 'empty', data: invitation },
  {
    view: 'invitation',
    state: 'refused',
    data: { ...invitation, errors: [{ field: 'name', message: 'This name is too long.' }, ...common] },
  },
  { view: 'invitation-accepted', state: 'done', data: {} },
  { view: 'not-me', state: 'asked', data: { action: '/not-me/kJ8s' } },
  { view: 'not-me', state: 'full', data: { action: '/not-me/kJ8s', restoredEmail: 'mara.old@example.com' } },
  { view: 'not-me-done', state: 'done', data: {} },
]

export const signInSamples: SamplePage[] = [
  ...signInPages,
  ...linkPages,
  ...signUpPages,
  ...secondFactorPages,
  ...enrolmentPages,
  ...recoveryPages,
]
