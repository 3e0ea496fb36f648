// Knows every message that an account gets: links to follow, codes to type, and (in security-notices.ts) what has happened to it.
import type { Sentence } from '../language/translations.ts'
import { type Addressee, createLetters, type LetterParts, type Spoken } from './account-letter.ts'
import type { OneTimeLinkStore } from './one-time-link-store.ts'
import { createSecurityNotices } from './security-notices.ts'

export interface AccountMailParts extends LetterParts {
  issuer: string
  links: Pick<OneTimeLinkStore, 'create'>
}

export interface Linked extends Spoken {
  /** A finished URL. */
  link: string
}

/** In seconds, as the messages promise: whoever makes the link or the code keeps to it. */
export const mailLifetimes = {
  verifyEmail: 24 * 3600,
  invitation: 7 * 86_400,
  passwordReset: 15 * 60,
  signInLink: 15 * 60,
  emailCode: 15 * 60,
  confirmEmail: 24 * 3600,
} as const

const units = {
  days: { key: 'mail.lasts-days', seconds: 86_400 },
  hours: { key: 'mail.lasts-hours', seconds: 3600 },
  minutes: { key: 'mail.lasts-minutes', seconds: 60 },
}
const lasts = (unit: keyof typeof units, seconds: number): Sentence => ({
  key: units[unit].key,
  values: { count: seconds / units[unit].seconds },
})
const ignore: Sentence = { key: 'mail.ignore' }

export type AccountMail = ReturnType<typeof createAccountMail>

/** Each joins the transaction under way: the message leaves if that commits. */
export function createAccountMail(parts: AccountMailParts) {
  const send = createLetters(parts)
  return { ...linkLetters(parts, send), ...addressLetters(send), ...createSecurityNotices({ ...parts, send }) }
}

function linkLetters({ issuer }: AccountMailParts, send: ReturnType<typeof createLetters>) {
  return {
    verifyEmail: (account: Addressee, { link, ...spoken }: Linked) =>
      send(account, spoken, {
        title: 'mail.verify-email',
        text: 'mail.verify-email-text',
        more: [lasts('hours', mailLifetimes.verifyEmail)],
        action: { label: 'mail.verify-email-action', url: link },
        closing: ignore,
      }),

    invitation: (account: Addressee, { link, inviterName, ...spoken }: Linked & { inviterName?: string | undefined }) =>
      send(account, spoken, {
        title: inviterName ? 'mail.invitation-by' : 'mail.invitation',
        text: inviterName ? 'mail.invitation-by-text' : 'mail.invitation-text',
        values: { inviter: [...(inviterName ?? '')].slice(0, 80).join('') },
        more: [lasts('days', mailLifetimes.invitation)],
        action: { label: 'mail.invitation-action', url: link },
        closing: { key: 'mail.invitation-closing' },
      }),

    passwordReset: (account: Addressee, { link, ...spoken }: Linked) =>
      send(account, spoken, {
        title: 'mail.password-reset',
        text: 'mail.password-reset-text',
        more: [lasts('minutes', mailLifetimes.passwordReset)],
        action: { label: 'mail.password-reset-action', url: link },
        closing: ignore,
      }),

    signInLink: (account: Addressee, { link, code, ...spoken }: Linked & { code?: string | undefined }) =>
      send(account, spoken, {
        title: 'mail.sign-in-link',
        text: code ? 'mail.sign-in-link-or-code-text' : 'mail.sign-in-link-text',
        more: [lasts('minutes', mailLifetimes.signInLink)],
        action: { label: 'mail.sign-in-link-action', url: link },
        ...(code && { code }),
        closing: { key: 'mail.sign-in-link-closing' },
      }),

    /** To an address that has no account yet, but is about to get one. */
    signUpCode: (email: string, { code, ...spoken }: Spoken & { code: string }) =>
      send({ email }, spoken, {
        title: 'mail.sign-up-code',
        text: 'mail.sign-up-code-text',
        more: [{ key: 'mail.code-lasts', values: { count: mailLifetimes.emailCode / 60 } }],
        code,
        closing: ignore,
      }),

    /** A second factor. */
    emailCode: (account: Addressee, { code, ...spoken }: Spoken & { code: string }) =>
      send(account, spoken, {
        title: 'mail.email-code',
        text: 'mail.email-code-text',
        more: [{ key: 'mail.code-lasts', values: { count: mailLifetimes.emailCode / 60 } }],
        code,
        closing: { key: 'mail.email-code-closing' },
      }),

    /** Somebody tried to sign up with the address of an account; the sign-up page says the same as to everybody. */
    accountExists: (account: Addressee, { link = `${issuer}/account`, ...spoken }: Partial<Linked> = {}) =>
      send(account, spoken, {
        title: 'mail.account-exists',
        text: 'mail.account-exists-text',
        action: { label: 'mail.account-exists-action', url: link },
        closing: ignore,
      }),

    deletionScheduled: (
      account: Addressee,
      { date, link = `${issuer}/account`, ...spoken }: Partial<Linked> & { date: Date },
    ) =>
      send(account, spoken, {
        title: 'mail.deletion-scheduled',
        text: 'mail.deletion-scheduled-text',
        values: { time: date },
        action: { label: 'mail.deletion-scheduled-action', url: link },
      }),
  }
}

export interface AddressChange extends Linked {
  newEmail: string
}

function addressLetters(send: ReturnType<typeof createLetters>) {
  return {
    /** To the new address. */
    confirmNewEmail: (account: Addressee, { link, newEmail, ...spoken }: AddressChange) =>
      send({ ...account, email: newEmail }, spoken, {
        title: 'mail.confirm-new-email',
        text: 'mail.confirm-new-email-text',
        more: [lasts('hours', mailLifetimes.confirmEmail)],
        action: { label: 'mail.confirm-new-email-action', url: link },
        closing: ignore,
      }),

    /** To the address that the account still has. */
    confirmOldEmail: (account: Addressee, { link, newEmail, ...spoken }: AddressChange) =>
      send(account, spoken, {
        title: 'mail.confirm-old-email',
        text: 'mail.confirm-old-email-text',
        values: { newEmail },
        more: [lasts('hours', mailLifetimes.confirmEmail)],
        action: { label: 'mail.confirm-old-email-action', url: link },
        closing: { key: 'mail.confirm-old-email-closing' },
      }),
  }
}
