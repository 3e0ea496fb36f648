// What the conformance table asks of a placement of the check, and a client that sends requests byte for byte.
import { connect } from 'node:net'
import type { RouteRule } from '../../src/verifier/verifier.ts'

export interface Answer {
  status: number
  /** The verifier's error code in the body; undefined where there is none. */
  code: string | undefined
  challenge: string | undefined
  /** Whether the service behind the check was asked. */
  isReached: boolean
  /** Whom the service took the caller for, by identity header in lower case; empty: nobody. */
  identity: Record<string, string>
}

export interface Placed {
  send(rawRequest: string): Promise<Answer>
  stop(): Promise<unknown>
}

export interface Placement {
  name: string
  /** The check for this issuer and audience; the service behind it answers every request that reaches it. */
  start(setting: { issuer: string; audience: string; rules: RouteRule[] }): Promise<Placed>
}

const codes =
  /^(missing_token|invalid_request|invalid_token|insufficient_scope|insufficient_user_authentication|access_denied|temporarily_unavailable)$/

/** The service's answer carries `{ reached: true, identity }`. */
export async function sendRaw(port: number, request: string): Promise<Answer> {
  const text = await exchange(port, request)
  const [head = '', body = ''] = text.split('\r\n\r\n', 2)
  const json = parsed(/\{.*\}/s.exec(body)?.[0])
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0),
    code: typeof json.error === 'string' && codes.test(json.error) ? json.error : undefined,
    challenge: /^www-authenticate: (.*)$/im.exec(head)?.[1],
    isReached: json.reached === true,
    identity: (json.identity ?? {}) as Record<string, string>,
  }
}

function exchange(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(request, 'latin1'))
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')))
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
}

function parsed(text: string | undefined): Record<string, unknown> {
  try {
    return JSON.parse(text ?? '{}') as Record<string, unknown>
  } catch {
    return {}
  }
}
