// Sends requests to one server process over keep-alive sockets of its own, whatever the host name says.
import { Agent, request } from 'node:http'
import type { Socket } from 'node:net'

export interface Request {
  method?: string
  path: string
  headers?: Record<string, string>
  /** A form. */
  form?: Record<string, string>
}

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** Of the first byte sent to the last received. */
  milliseconds: number
}

export interface HttpClient {
  /** Rejects when the connection breaks before the answer is whole. */
  send(request: Request): Promise<Answer>
  /** Opens as many sockets as there will be parallel requests, so that these start together. */
  warm(sockets: number): Promise<void>
  close(): void
}

export interface HttpClientParts {
  port: number
  /** Sent as `Host`. */
  host: string
  /** Milliseconds until a request counts as hanging. */
  limit?: number
}

export function createHttpClient({ port, host, limit = 20_000 }: HttpClientParts): HttpClient {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 256 })

  const send = ({ method, path, headers = {}, form }: Request): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const began = performance.now()
      const body = form && new URLSearchParams(form).toString()
      const outgoing = request({
        agent,
        port,
        host: '127.0.0.1',
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        path,
        headers: {
          host,
          ...(body === undefined ? undefined : { 'content-type': 'application/x-www-form-urlencoded' }),
          ...headers,
        },
      })
      outgoing.on('socket', (socket: Socket) => socket.setNoDelay(true))
      outgoing.setTimeout(limit, () => outgoing.destroy(new Error(`no answer within ${limit} ms: ${path}`)))
      outgoing.on('error', reject)
      outgoing.on('response', (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', reject)
        response.on('close', () => {
          if (!response.complete) return reject(new Error(`the answer broke off: ${path}`))
          const milliseconds = performance.now() - began
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, milliseconds })
        })
      })
      outgoing.end(body)
    })

  return {
    send,
    warm: async (sockets) => {
      await Promise.all(Array.from({ length: sockets }, () => send({ path: '/healthz' })))
    },
    close: () => agent.destroy(),
  }
}

export const jsonOf = (answer: Answer): Record<string, string | undefined> => {
  try {
    return JSON.parse(answer.text) as Record<string, string>
  } catch {
    return {}
  }
}

export const basic = ({ clientId, clientSecret }: { clientId: string; clientSecret: string }) => ({
  authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
})
