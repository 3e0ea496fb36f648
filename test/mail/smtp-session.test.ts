// The conversation with a server: TLS, STARTTLS, passwords, and headers that nobody can write into.
import type { SMTPServerOptions } from 'smtp-server'
import { composeMail } from '../../src/mail/mail-composition.ts'
import { createSmtpDelivery } from '../../src/mail/smtp-delivery.ts'
import { smtpServer, startScriptedSmtpServer, startSmtpServer } from '../support/smtp-server.ts'
import { testCertificate } from '../support/test-certificate.ts'
import { from, message } from './mail-world.ts'

const limits = { step: 500, silence: 500, message: 1000 }
const mail = (more: Parameters<typeof message>[0] = {}) => ({
  ...message(more),
  id: '0b8f7f0e-6a52-4c3b-9c0f-0d9d1a2b3c4d',
  createdAt: new Date('2026-11-25T09:30:00Z'),
})
const yes = async () => true

const open = async (server: ReturnType<typeof smtpServer>, authorities?: string) =>
  createSmtpDelivery({ server, from, limits, ...(authorities && { authorities }) }).open()

async function sendTo(server: ReturnType<typeof smtpServer>, authorities?: string) {
  const opened = await open(server, authorities)
  if (!opened.ok) return opened
  const delivery = await opened.session.send(mail(), yes)
  opened.session.close()
  return delivery
}

const passwords: Pick<SMTPServerOptions, 'onAuth'> = {
  onAuth: ({ username, password }, _, done) =>
    password === 'p@ss w0rd' ? done(null, { user: username }) : done(new Error('no')),
}
const me = 'me:p%40ss%20w0rd'

describe('a session', () => {
  it('uses STARTTLS where it is offered, and logs in under it', async () => {
    const smtp = await startSmtpServer(passwords)
    const server = smtpServer(smtp.port, { user: me, query: '?starttls=required' })
    expect(await sendTo(server, testCertificate)).toEqual({ end: 'sent' })
    await smtp.stop()
    expect(smtp.received).toEqual([expect.objectContaining({ isEncrypted: true, user: 'me', to: 'mara@example.com' })])
  })

  it('begins with TLS for smtps:', async () => {
    const smtp = await startSmtpServer({ ...passwords, secure: true })
    const server = smtpServer(smtp.port, { scheme: 'smtps', user: me })
    expect(await sendTo(server, testCertificate)).toEqual({ end: 'sent' })
    await smtp.stop()
    expect(smtp.received[0]).toMatchObject({ isEncrypted: true, user: 'me' })
  })

  it('refuses a certificate that nobody vouches for, but on this machine', async () => {
    const smtp = await startSmtpServer({ ...passwords, secure: true })
    const server = smtpServer(smtp.port, { scheme: 'smtps', user: me })
    const elsewhere = await sendTo({ ...server, isLocal: false })
    expect(elsewhere).toEqual({ ok: false, reason: expect.stringMatching(/self-signed/) })
    expect(await sendTo(server)).toEqual({ end: 'sent' })
    await smtp.stop()
    expect(smtp.received).toHaveLength(1)
  })

  it('sends no password in the clear where STARTTLS is required and is not offered', async () => {
    const smtp = await startScriptedSmtpServer(() => ({}))
    const server = smtpServer(smtp.port, { user: me, query: '?starttls=required' })
    expect(await sendTo(server)).toMatchObject({ ok: false })
    await smtp.stop()
    expect(smtp.commands).not.toContain('AUTH')
    expect(smtp.commands).not.toContain('MAIL')
  })

  it('tells of a wrong password without telling it', async () => {
    const smtp = await startSmtpServer(passwords)
    const opened = await open(smtpServer(smtp.port, { user: 'me:wr0ng' }))
    await smtp.stop()
    expect(opened).toEqual({ ok: false, reason: expect.stringMatching(/^AUTH PLAIN: 535/) })
    expect(JSON.stringify(opened)).not.toMatch(/wr0ng|AG1lAHdyMG5n/)
  })

  it('stops before the message when it may not be handed over', async () => {
    const smtp = await startScriptedSmtpServer(() => ({}))
    const opened = await open(smtpServer(smtp.port))
    if (!opened.ok) throw new Error(opened.reason)
    expect(await opened.session.send(mail(), async () => false)).toEqual({ end: 'lost' })
    expect(opened.session.isOpen()).toBe(false)
    await new Promise((done) => setTimeout(done, 50))
    await smtp.stop()
    expect(smtp.commands).toEqual(['EHLO', 'MAIL', 'RCPT', 'DATA'])
    expect(smtp.complete).toEqual([])
  })

  it('ends definitely when the hand-over cannot be noted', async () => {
    const smtp = await startScriptedSmtpServer(() => ({}))
    const opened = await open(smtpServer(smtp.port))
    if (!opened.ok) throw new Error(opened.reason)
    const unavailable = async () => {
      throw new Error('the database is gone')
    }
    expect(await opened.session.send(mail(), unavailable)).toMatchObject({ end: 'later' })
    await smtp.stop()
    expect(smtp.complete).toEqual([])
  })

  it('survives a server that leaves while nobody is speaking', async () => {
    const smtp = await startScriptedSmtpServer(() => ({}))
    const opened = await open(smtpServer(smtp.port))
    if (!opened.ok) throw new Error(opened.reason)
    await smtp.stop()
    await new Promise((done) => setTimeout(done, 50))
    expect(opened.session.isOpen()).toBe(false)
    expect(await opened.session.send(mail(), yes)).toMatchObject({ end: 'later' })
    opened.session.close()
  })
})

describe('an address that is more than an address', () => {
  it.each([
    ...[
      'a@example.com\r\nBcc: evil@example.com',
      'a@example.com\nRCPT TO:<evil@example.com>',
      'a@example.com, b@x.com',
    ],
    ...[
      'a@example.com>, <b@x.com',
      '"a b"@example.com',
      'Group: a@x.com, b@x.com;',
      'a@b@c.com',
      '',
      'a',
      'a@',
      '@b.c',
    ],
    ...[
      'a\u0000@example.com',
      'a@exa mple.com',
      'a@example.com\u2028',
      `${'a'.repeat(65)}@example.com`,
      'a(b)@example.com',
    ],
  ])('%j gets nothing, nor does anybody else', async (to) => {
    const smtp = await startScriptedSmtpServer(() => ({}))
    const opened = await open(smtpServer(smtp.port))
    if (!opened.ok) throw new Error(opened.reason)
    expect(await opened.session.send(mail({ to }), yes)).toEqual({
      end: 'refused',
      reason: 'the address cannot be written to',
    })
    opened.session.close()
    await new Promise((done) => setTimeout(done, 20))
    await smtp.stop()
    expect(smtp.commands).not.toContain('MAIL')
  })
})

describe('a composed message', () => {
  const compose = async (more: Parameters<typeof message>[0], sender = from) => {
    const { envelope, content } = await composeMail(sender, mail(more))
    const raw = content.toString()
    const head = raw.slice(0, raw.indexOf('\r\n\r\n')).replace(/\r\n[ \t]+/g, ' ')
    return { envelope, raw, headers: head.split('\r\n') }
  }
  const names = (headers: string[]) => headers.map((line) => line.split(':')[0])

  it('says who and what it is, and that no machine shall answer', async () => {
    const { headers, envelope, raw } = await compose({ locale: 'de', subject: 'Grüße 書店' })
    expect(headers).toEqual(
      expect.arrayContaining([
        'From: Gatehouse <no-reply@login.example.com>',
        'To: mara@example.com',
        'Message-ID: <0b8f7f0e-6a52-4c3b-9c0f-0d9d1a2b3c4d@login.example.com>',
        'Date: Wed, 25 Nov 2026 09:30:00 +0000',
        'Auto-Submitted: auto-generated',
        'Content-Language: de',
        expect.stringMatching(/^Subject: =\?UTF-8\?/),
        expect.stringMatching(/^Content-Type: multipart\/alternative;/),
      ]),
    )
    expect(envelope).toEqual({ from: 'no-reply@login.example.com', to: ['mara@example.com'] })
    expect(raw.indexOf('text/plain')).toBeLessThan(raw.indexOf('text/html'))
    expect(raw.split('\r\n').every((line) => line.length <= 998)).toBe(true)
  })

  it.each([
    ['subject', { subject: 'Hello\r\nBcc: evil@example.com\r\n\r\nbody' }],
    ['subject of another line end', { subject: 'Hello\nX-Evil: 1\rX-Evil: 2\u2028X-Evil: 3' }],
    ['language', { locale: 'en\r\nX-Evil: 1' }],
  ])('has no header that its %s brings along', async (_, more) => {
    const { headers } = await compose(more)
    const plain = await compose({})
    expect(names(headers).sort()).toEqual(names(plain.headers).sort())
  })

  it('quotes a display name that holds the signs of an address', async () => {
    const { headers, envelope } = await compose(
      {},
      { name: 'Acme, Ltd. <evil@example.com>', address: 'no-reply@acme.example' },
    )
    expect(headers).toContain('From: "Acme, Ltd. <evil@example.com>" <no-reply@acme.example>')
    expect(envelope.from).toBe('no-reply@acme.example')
  })

  it('reaches names of hosts in any script', async () => {
    const { envelope } = await compose({ to: 'post@bücher.example' })
    expect(envelope.to).toEqual(['post@xn--bcher-kva.example'])
  })
})
