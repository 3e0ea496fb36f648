// Talks SMTP: opens a session, hands a message over at the last moment, and tells a definite end from an uncertain one.
import { Readable } from 'node:stream'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import type { Config } from '../config.ts'
import { canBeWrittenTo, composeMail, type OutgoingMail } from './mail-composition.ts'

/** `later` and `refused` are certain: nothing was delivered. */
export type Delivery =
  | { end: 'sent' }
  | { end: 'later' | 'refused' | 'uncertain'; reason: string }
  /** Somebody else has the message by now. */
  | { end: 'lost' }

export interface SmtpSession {
  /** `handOver` is asked once the server is ready for the message, before its first byte leaves; false stops it there. */
  send(mail: OutgoingMail, handOver: () => Promise<boolean>): Promise<Delivery>
  isOpen(): boolean
  isEncrypted(): boolean
  close(): void
}

export type Opened = { ok: true; session: SmtpSession } | { ok: false; reason: string }

export interface SmtpDelivery {
  /** Connects and logs in. */
  open(): Promise<Opened>
  /** Ends what is under way, but for messages that are handed over, unless those are meant too. */
  hangUp(options: { evenHandedOver: boolean }): void
}

interface Parts {
  server: NonNullable<Config['mail']['server']>
  from: Config['mail']['from']
  /** Milliseconds: for each step of opening a session, for silence within one, and for one message in all. */
  limits?: { step: number; silence: number; message: number }
  /** Of a private authority; the machine's own are meant otherwise. */
  authorities?: string
}

interface SmtpError extends Error {
  code?: string | undefined
  command?: string | undefined
  response?: string | undefined
  responseCode?: number | undefined
}

// RFC 5321 section 4.5.3.2 would wait ten minutes for the last answer; what has not come after two is left uncertain.
const usual = { step: 20_000, silence: 120_000, message: 180_000 }

export function createSmtpDelivery({ server, from, limits = usual, authorities }: Parts): SmtpDelivery {
  const options = {
    host: server.host,
    port: server.port,
    secure: server.isSecure,
    requireTLS: server.startTls === 'required',
    ignoreTLS: server.startTls === 'off',
    tls: { rejectUnauthorized: !server.isLocal || authorities !== undefined, ...(authorities && { ca: authorities }) },
    dnsTimeout: limits.step,
    connectionTimeout: limits.step,
    greetingTimeout: limits.step,
    socketTimeout: limits.silence,
    socketCloseTimeout: 1000,
  }

  const lines = new Set<Line>()

  return {
    open: async () => {
      const connection = new SMTPConnection(options)
      const line: Line = { connection, isHandedOver: false }
      lines.add(line)
      connection.once('end', () => lines.delete(line))
      // An error between two steps, such as a server that leaves, must not end the process.
      connection.on('error', () => undefined)
      try {
        await step(connection, limits.step, (done) => connection.connect(done))
        const { user, password: pass } = server
        if (user) await step(connection, limits.step, (done) => connection.login({ user, pass }, done))
      } catch (error) {
        connection.close()
        return { ok: false, reason: reasonOf(error as SmtpError) }
      }
      return {
        ok: true,
        session: {
          send: (mail, handOver) => send({ line, from, limit: limits.message }, mail, handOver),
          isOpen: () => !connection.destroyed,
          isEncrypted: () => connection.secure,
          close: () => leave(connection),
        },
      }
    },
    hangUp: ({ evenHandedOver }) => {
      for (const { connection, isHandedOver } of [...lines]) if (evenHandedOver || !isHandedOver) connection.close()
    },
  }
}

interface Line {
  connection: SMTPConnection
  isHandedOver: boolean
}

interface Sending {
  line: Line
  from: Config['mail']['from']
  limit: number
}

async function send({ line, from, limit }: Sending, mail: OutgoingMail, handOver: () => Promise<boolean>) {
  const { connection } = line
  if (!canBeWrittenTo(mail.to)) return { end: 'refused', reason: 'the address cannot be written to' } as const
  const { envelope, content } = await composeMail(from, mail)
  let handedOver: boolean | undefined
  // Read for the first time when the server has answered 354: the hand-over is noted then, and not a moment earlier.
  const body = Readable.from(
    (async function* () {
      handedOver = await handOver()
      line.isHandedOver = handedOver
      if (!handedOver) throw new Error('the claim was lost')
      yield content
    })(),
    { objectMode: false },
  )
  // Whatever it is, the connection tells.
  body.on('error', () => undefined)
  try {
    await step(connection, limit, (done) => connection.send({ ...envelope, size: content.length }, body, done))
    return { end: 'sent' } as const
  } catch (error) {
    // Without the final dot a server must forget the message (RFC 5321 section 4.1.1.4); the session is of no more use.
    connection.close()
    return endOf(error as SmtpError, handedOver)
  } finally {
    line.isHandedOver = false
  }
}

/** RFC 5321 section 4.2.1: an answer of 4xx or 5xx says that the server has not taken the message. Silence says nothing. */
function endOf(error: SmtpError, handedOver: boolean | undefined): Delivery {
  if (handedOver === false) return { end: 'lost' }
  const { responseCode = 0, code = '', command = '' } = error
  const isAnswer = ['EENVELOPE', 'EMESSAGE', 'ECONNECTION'].includes(code) && responseCode >= 400 && responseCode < 600
  const reason = reasonOf(error, handedOver)
  if (handedOver && !isAnswer) return { end: 'uncertain', reason }
  // Who may send at all is between the servers, and 503 is about the order of things: another time it may be taken.
  const isForGood = isAnswer && responseCode >= 500 && responseCode !== 503 && ['RCPT TO', 'DATA'].includes(command)
  return { end: isForGood ? 'refused' : 'later', reason }
}

/** What is logged and stored. A server that has seen the message may quote it, so its words are left out then. */
function reasonOf({ message, response, responseCode, command }: SmtpError, hasSeenMessage = false): string {
  const words = (response ?? message).replace(/\S+@\S+/g, '<address>')
  const said = hasSeenMessage && response ? (/^\d{3}([ -]\d\.\d{1,3}\.\d{1,3})?/.exec(response)?.[0] ?? '') : words
  const where = command && responseCode ? `${command}: ` : ''
  return `${where}${said.replace(/[\p{C}\s]+/gu, ' ')}`.slice(0, 300)
}

type Done<T> = (error?: Error | null, result?: T) => void

/** Rejects when the connection ends first, or after `limit` milliseconds. */
function step<T>(connection: SMTPConnection, limit: number, begin: (done: Done<T>) => void): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const settle: Done<T> = (error, result) => {
      clearTimeout(timer)
      connection.off('error', settle).off('end', ended)
      if (error) reject(error)
      else resolve(result)
    }
    const ended = () => settle(new Error('the connection was closed'))
    const timer = setTimeout(() => settle(new Error('the server took too long')), limit)
    connection.once('error', settle).once('end', ended)
    begin(settle)
  })
}

/** Politely, but without waiting for ever for the answer to QUIT. */
function leave(connection: SMTPConnection): void {
  if (connection.destroyed) return
  const timer = setTimeout(() => connection.close(), 1000)
  connection.once('end', () => clearTimeout(timer))
  connection.quit()
}
