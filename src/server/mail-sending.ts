// The sender of mail of one node, where there is a server that takes it.
import { createMailSender, type MailSender } from '../mail/mail-sender.ts'
import { createSmtpDelivery } from '../mail/smtp-delivery.ts'
import type { ServerParts } from './server.ts'
import type { Stores } from './stores.ts'

export function createSending({ config, log }: ServerParts, stores: Stores): MailSender | undefined {
  const { server, from } = config.mail
  if (!server) return undefined
  const delivery = createSmtpDelivery({ server, from })
  const sender = createMailSender({ store: stores.mailQueue, delivery, log })
  stores.onMailQueued(sender.wake)
  return sender
}
