// What `doctor` looks at in the mail server: that it answers, over TLS where others could listen, and lets us in. It sends nothing.
import type { Config } from '../../config.ts'
import { createSmtpDelivery } from '../../mail/smtp-delivery.ts'
import { broken, type Finding, fine, warning } from './finding.ts'

const limits = { step: 5000, silence: 5000, message: 5000 }

export async function checkMail({ mail: { server, from }, issuer }: Config): Promise<Finding[]> {
  if (!server) return [fine('mail', `Messages stay in the development mailbox, ${issuer}/dev/mailbox.`)]
  const name = `${server.host}:${server.port}`
  const opened = await createSmtpDelivery({ server, from, limits }).open()
  if (!opened.ok) {
    const fix = 'Check GATEHOUSE_SMTP_URL, and that this machine may reach the server; see docs/mail.md.'
    return [broken('mail', `${name} cannot be used: ${opened.reason}.`, fix)]
  }
  const isEncrypted = opened.session.isEncrypted()
  opened.session.close()
  if (isEncrypted || server.isLocal) return [fine('mail', `${name} takes mail from ${from.address}.`)]
  const message = `${name} takes mail, but unencrypted: links that sign people in can be read on the way.`
  return [warning('mail', message, 'Use smtps://, or a server that offers STARTTLS.')]
}
