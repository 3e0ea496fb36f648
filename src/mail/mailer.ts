// Turns what is to be said into a text and an HTML part and queues both: the row is the promise, delivery is somebody else's work.
import type { StoredMessage } from './mail-queue-store.ts'

/** As much of a language as the views need. */
interface Reader {
  locale: string
  direction: 'ltr' | 'rtl'
  t(key: string, values?: Record<string, string | number>): string
  has(key: string): boolean
}

export interface MailMessage {
  to: string
  /** Of the person who reads it; the sentences below are in it already. */
  language: Reader
  subject: string
  heading: string
  paragraphs: string[]
  action?: { label: string; url: string }
  /** To be typed; it stands in no subject, which locked screens show. */
  code?: string
  facts?: { label: string; value: string }[]
  closing?: string
}

export interface Mailer {
  /** Joins the transaction under way: one INSERT, whatever the state of the server. */
  send(message: MailMessage): Promise<void>
}

interface Parts {
  store: { insert(message: StoredMessage): Promise<void> }
  views: { render(name: string, data: Record<string, unknown>, reader: Reader): string }
}

export function createMailer({ store, views }: Parts): Mailer {
  return {
    send: async (message) => {
      const said = inPlainWords(message)
      const { language } = message
      await store.insert({
        to: message.to,
        locale: language.locale,
        subject: said.subject,
        text: views.render('mail/message-text', said, language),
        html: views.render('mail/message', said, language),
      })
    },
  }
}

function inPlainWords({ subject, heading, paragraphs, action, code, facts = [], closing }: MailMessage) {
  return {
    subject: plain(subject),
    heading: plain(heading),
    paragraphs: paragraphs.map(plain),
    action: action && { label: plain(action.label), url: plain(action.url) },
    code: code && plain(code),
    facts: facts.map(({ label, value }) => ({ label: plain(label), value: plain(value) })),
    closing: closing && plain(closing),
  }
}

// Bidirectional overrides let text read as what it is not (Unicode TR 36, 2.10); a line break would begin a paragraph of its own.
const deceptive = /[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]|\p{Cs}/gu

const plain = (text: string): string =>
  text
    .replace(deceptive, '')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
