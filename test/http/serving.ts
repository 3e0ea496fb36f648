import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import Koa from 'koa'
import pino from 'pino'
import { createErrorRenderer } from '../../src/http/error-renderer.ts'
import { createRequestLog } from '../../src/http/request-log.ts'
import { createLanguageChoice } from '../../src/language/language-choice.ts'
import { translations } from '../support/spoken.ts'

export interface Served {
  server: Server
  port: number
  close: () => Promise<void>
}

export async function serve(app: Koa): Promise<Served> {
  app.silent = true
  const server = createServer(app.callback())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    server,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Sends the bytes as they are and gives back all that comes until the server closes or `quiet` ms pass in silence. */
export function sendRaw(port: number, bytes: string | Buffer, quiet?: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    const end = () => {
      socket.destroy()
      resolve(answer)
    }
    // Patient with a busy machine until the answer begins, then done as soon as nothing more comes.
    socket.setTimeout(quiet ?? 10_000, end)
    socket.on('data', (chunk) => {
      socket.setTimeout(quiet ?? 300)
      answer += chunk.toString('latin1')
    })
    socket.on('error', end)
    socket.on('close', end)
    socket.on('connect', () => socket.write(bytes))
  })
}

export function memoryLog() {
  const lines: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })
  return { log, lines, entries: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

export const plainViews = {
  render: (name: string, data: Record<string, unknown>) => `<!doctype html><p>${name} ${JSON.stringify(data)}</p>`,
}

/** An app with the request log and the error renderer, as every test of a refusal needs them. */
export function appWithErrors(options: { isDevelopment?: boolean; views?: typeof plainViews } = {}) {
  const memory = memoryLog()
  const app = new Koa({ proxy: true })
  app.use(createRequestLog({ log: memory.log }))
  app.use(createLanguageChoice({ translations }))
  app.use(
    createErrorRenderer({
      views: options.views ?? plainViews,
      log: memory.log,
      isDevelopment: options.isDevelopment ?? false,
    }),
  )
  return { app, ...memory }
}
