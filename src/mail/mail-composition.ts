// Composes what goes over the wire: headers that nobody else can write into, a text and an HTML part, and the envelope.
import { domainToASCII } from 'node:url'
import MailComposer from 'nodemailer/lib/mail-composer'
import type { Config } from '../config.ts'
import type { StoredMessage } from './mail-queue-store.ts'

export interface OutgoingMail extends StoredMessage {
  /** The same at every try. */
  id: string
  createdAt: Date
}

// A list, a group, a quoted part or a line break in an address would be read as more than one address, or as a header.
const addressForm = /^[^\s@<>()[\],;:"\\\p{C}]{1,64}@[^\s@<>()[\],;:"\\\p{C}]{1,253}$/u

export const canBeWrittenTo = (address: string): boolean => addressForm.test(address)

export async function composeMail(
  from: Config['mail']['from'],
  { to, id, createdAt, locale, ...message }: OutgoingMail,
) {
  const domain = domainToASCII(from.address.split('@')[1] ?? '') || 'localhost'
  const composed = new MailComposer({
    ...message,
    from,
    to: { name: '', address: to },
    date: createdAt,
    messageId: `<${id}@${domain}>`,
    headers: {
      // RFC 3834: nobody's holiday notice shall answer.
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
      'Content-Language': locale,
    },
    disableFileAccess: true,
    disableUrlAccess: true,
  }).compile()
  const { from: sender, to: recipients } = composed.getEnvelope()
  return { envelope: { from: sender, to: recipients }, content: await composed.build() }
}
