// Tells people what has happened to their accounts, when and from where, each time with a way to say that it was not them.
import type { Sentence } from '../language/translations.ts'
import type { Addressee, Letter, SendLetter, Spoken } from './account-letter.ts'
import type { OneTimeLinkStore } from './one-time-link-store.ts'

export interface Occasion extends Spoken {
  /** Now, if it is left out. */
  at?: Date | undefined
  /** The address that the request came from. */
  address?: string | undefined
  /** The browser in words. */
  device?: string | Sentence | undefined
}

export type NamedFactor = 'totp' | 'passkey' | 'email_code'

interface Parts {
  send: SendLetter
  issuer: string
  links: Pick<OneTimeLinkStore, 'create'>
}

const factorNames: Record<NamedFactor, string> = {
  totp: 'mail.factor-totp',
  passkey: 'mail.factor-passkey',
  email_code: 'mail.factor-email-code',
}
const notMeHours = 72

export interface FactorChange extends Occasion {
  factor: NamedFactor
  /** That its owner gave it. */
  name?: string | undefined
}

export function createSecurityNotices({ send, issuer, links }: Parts) {
  const notify = async (
    account: Addressee,
    occasion: Occasion,
    letter: Letter,
    details: Record<string, unknown> = {},
  ): Promise<void> => {
    // Without the account's security version: it must outlive whatever a thief changes next.
    const token = await links.create('not-me', { sub: account.sub, seconds: notMeHours * 3600, details })
    await send(account, occasion, {
      ...letter,
      facts: [...(letter.facts ?? []), ...occasionFacts(occasion)],
      action: { label: 'mail.not-me-action', url: `${issuer}/not-me/${token}` },
      closing: { key: 'mail.not-me', values: { count: notMeHours } },
    })
  }
  const plainly = (title: string, text: string) => (account: Addressee, occasion: Occasion) =>
    notify(account, occasion, { title, text })
  const aboutFactor =
    (title: string, text: string) =>
    (account: Addressee, { factor, name, ...occasion }: FactorChange) =>
      notify(account, occasion, { title, text, facts: factorFacts(factor, name) })

  return {
    newDevice: plainly('mail.new-device', 'mail.new-device-text'),
    passwordChanged: plainly('mail.password-changed', 'mail.password-changed-text'),
    recoveryCodesRegenerated: plainly('mail.recovery-codes-regenerated', 'mail.recovery-codes-regenerated-text'),
    accountLocked: plainly('mail.account-locked', 'mail.account-locked-text'),
    factorAdded: aboutFactor('mail.factor-added', 'mail.factor-added-text'),
    /** All of them, by an operator. */
    factorsReset: plainly('mail.factors-reset', 'mail.factors-reset-text'),
    factorRemoved: aboutFactor('mail.factor-removed', 'mail.factor-removed-text'),
    recoveryCodeUsed: (account: Addressee, { left, ...occasion }: Occasion & { left: number }) =>
      notify(account, occasion, {
        title: 'mail.recovery-code-used',
        text: 'mail.recovery-code-used-text',
        more: [
          left > 0 ? { key: 'mail.recovery-codes-left', values: { count: left } } : { key: 'mail.recovery-codes-none' },
        ],
      }),
    /** `account` as it was before: the former address hears of it. */
    emailChanged: (account: Addressee, { newEmail, ...occasion }: Occasion & { newEmail: string }) =>
      notify(
        account,
        occasion,
        { title: 'mail.email-changed', text: 'mail.email-changed-text', values: { newEmail } },
        // What the link brings back.
        { email: account.email },
      ),
  }
}

type Facts = NonNullable<Letter['facts']>

const factorFacts = (factor: NamedFactor, name: string | undefined): Facts => [
  { label: 'mail.factor', value: { key: factorNames[factor] } },
  ...(name ? [{ label: 'mail.factor-name', value: name }] : []),
]

const occasionFacts = ({ at = new Date(), address, device }: Occasion): Facts => [
  { label: 'mail.when', value: at },
  ...(address ? [{ label: 'mail.address', value: address }] : []),
  ...(device ? [{ label: 'mail.device', value: device }] : []),
]
