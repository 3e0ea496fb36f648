// Puts one message to an account into words: sentences and times in the language of the person who reads it.
import type { Sentence, Translations, Translator } from '../language/translations.ts'
import type { Account } from './account-store.ts'

export type Addressee = Pick<Account, 'sub' | 'email' | 'locale'>

export interface Spoken {
  /** Of the request under way; what the account has chosen comes first. */
  language?: Pick<Translator, 'locale'> | undefined
}

/** Keys and values, yet to be said. Every sentence knows the account's `email` and the `product`. */
export interface Letter {
  title: string
  text: string
  /** A Date is said in words, in UTC. */
  values?: Record<string, string | number | Date>
  /** Sentences that follow the text. */
  more?: Sentence[]
  action?: { label: string; url: string }
  code?: string
  facts?: { label: string; value: string | Date | Sentence }[]
  closing?: Sentence
}

export interface LetterParts {
  mailer: { send(message: Words & { to: string; language: Translator }): Promise<void> }
  translations: Pick<Translations, 'choose'>
  productName: string
}

interface Words {
  subject: string
  heading: string
  paragraphs: string[]
  action?: { label: string; url: string }
  code?: string
  facts?: { label: string; value: string }[]
  closing?: string
}

export type SendLetter = (
  account: Pick<Addressee, 'email'> & Partial<Addressee>,
  spoken: Spoken,
  letter: Letter,
) => Promise<void>

export function createLetters({ mailer, translations, productName }: LetterParts): SendLetter {
  return (account, { language }, letter) => {
    const wishes = [account.locale, language?.locale].filter((wish) => wish !== undefined)
    const spoken = translations.choose(wishes)
    const known = { email: account.email, product: productName }
    return mailer.send({ to: account.email, language: spoken, ...inWords(spoken, letter, known) })
  }
}

function inWords(language: Translator, letter: Letter, known: Record<string, string>): Words {
  const { t } = language
  const dated = Object.entries(letter.values ?? {}).map(([name, value]) => [
    name,
    value instanceof Date ? inTime(language, value) : value,
  ])
  const values = { ...known, ...Object.fromEntries(dated) }
  const say = ({ key, values: own }: Sentence) => t(key, { ...values, ...own })
  const value = (given: string | Date | Sentence) => {
    if (given instanceof Date) return inTime(language, given)
    return typeof given === 'string' ? given : say(given)
  }
  const title = t(letter.title, values)
  return {
    subject: title,
    heading: title,
    paragraphs: [t(letter.text, values), ...(letter.more ?? []).map(say)],
    ...(letter.action && { action: { label: t(letter.action.label), url: letter.action.url } }),
    ...(letter.code && { code: letter.code }),
    ...(letter.facts && { facts: letter.facts.map((fact) => ({ label: t(fact.label), value: value(fact.value) })) }),
    ...(letter.closing && { closing: say(letter.closing) }),
  }
}

// In UTC, and saying so: nobody knows where the message will be read.
const inTime = ({ locale }: Translator, time: Date): string =>
  new Intl.DateTimeFormat(locale, {
    year: 'numeric',
    month: 'long',
    day: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
    timeZone: 'UTC',
    timeZoneName: 'short',
  }).format(time)
