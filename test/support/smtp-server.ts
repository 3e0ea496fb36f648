// A real SMTP server that keeps what it takes, and one that follows a script to the letter, for the ends that no decent server has.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { parseSmtpUrl, type SmtpServer } from '../../src/config/mail-settings.ts'
import { testCertificate, testCertificateKey } from './test-certificate.ts'

export interface Received {
  to: string
  from: string
  /** Header and body as they came. */
  raw: string
  isEncrypted: boolean
  user: string | undefined
}

export interface TestSmtpServer {
  port: number
  received: Received[]
  /** How often somebody has connected. */
  connections: number
  stop(): Promise<void>
}

/** `port` 0, or one on which a server has been before. */
export async function startSmtpServer(options: SMTPServerOptions = {}, port = 0): Promise<TestSmtpServer> {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: options.onAuth ? [] : ['STARTTLS', 'AUTH'],
    logger: false,
    key: testCertificateKey,
    cert: testCertificate,
    closeTimeout: 100,
    onConnect: (_, done) => {
      smtp.connections += 1
      done()
    },
    onData: (stream, session, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        smtp.received.push({
          to: rcptTo.map(({ address }) => address).join(','),
          from: mailFrom ? mailFrom.address : '',
          raw: Buffer.concat(chunks).toString(),
          isEncrypted: session.secure,
          user: session.user as string | undefined,
        })
        done()
      })
    },
    ...options,
  })
  server.on('error', () => undefined)
  server.listen(port, '127.0.0.1')
  await once(server.server, 'listening')
  const smtp: TestSmtpServer = {
    port: (server.server.address() as AddressInfo).port,
    received: [],
    connections: 0,
    stop: () => new Promise((resolve) => server.close(resolve)),
  }
  return smtp
}

export const smtpServer = (port: number, { scheme = 'smtp', user = '', query = '' } = {}): SmtpServer => {
  const parsed = parseSmtpUrl(`${scheme}://${user && `${user}@`}127.0.0.1:${port}${query}`)
  if (!parsed) throw new Error('The URL of the test server cannot be read.')
  return parsed
}

/** What is answered to each command; `'hang'` never answers, `'cut'` closes the connection. */
export interface Script {
  greeting?: string
  mail?: string
  rcpt?: string
  /** Milliseconds before that answer. */
  rcptDelay?: number
  data?: string
  /** To the final dot. */
  dot?: string
  /** As soon as this many bytes of the message have come. */
  cutAfter?: number
}

export interface ScriptedSmtpServer {
  port: number
  /** Messages that came with their final dot. */
  complete: string[]
  /** Commands, in order. */
  commands: string[]
  stop(): Promise<void>
}

export async function startScriptedSmtpServer(script: () => Script): Promise<ScriptedSmtpServer> {
  const sockets = new Set<Socket>()
  const smtp: Pick<ScriptedSmtpServer, 'complete' | 'commands'> = { complete: [], commands: [] }
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    converse(socket, script(), smtp)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    ...smtp,
    port: (server.address() as AddressInfo).port,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function converse(
  socket: Socket,
  script: Script,
  { complete, commands }: Pick<ScriptedSmtpServer, 'complete' | 'commands'>,
) {
  let waiting = ''
  let inData = false
  const say = (answer: string) => {
    if (answer === 'cut') socket.destroy()
    else if (answer !== 'hang') socket.write(`${answer}\r\n`)
  }
  const obey = (line: string) => {
    const command = line.split(/[ :]/)[0]?.toUpperCase() ?? ''
    commands.push(command)
    if (command === 'EHLO') return say('250 test')
    if (command === 'MAIL') return say(script.mail ?? '250 2.1.0 fine')
    if (command === 'RCPT') return void setTimeout(say, script.rcptDelay ?? 0, script.rcpt ?? '250 2.1.5 fine')
    if (command === 'DATA') {
      inData = (script.data ?? '354').startsWith('354')
      return say(script.data ?? '354 go on')
    }
    if (command === 'QUIT') {
      say('221 bye')
      return socket.end()
    }
    return say('500 what?')
  }
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    waiting += text
    while (waiting.includes('\r\n')) {
      if (!inData) {
        const [line = ''] = waiting.split('\r\n', 1)
        waiting = waiting.slice(line.length + 2)
        obey(line)
        continue
      }
      if (script.cutAfter !== undefined && waiting.length >= script.cutAfter) return socket.destroy()
      const end = waiting.indexOf('\r\n.\r\n')
      if (end === -1) return undefined
      complete.push(waiting.slice(0, end))
      waiting = waiting.slice(end + 5)
      inData = false
      say(script.dot ?? '250 2.0.0 taken')
    }
    return undefined
  })
  say(script.greeting ?? '220 test ESMTP')
}
