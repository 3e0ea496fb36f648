// Says no: a refused request in the verifier's words, anything else of our own as problem details (RFC 9457).
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { VerifierError } from '../verifier/verifier.ts'

export interface OwnAnswer {
  status: number
  code: string
  headers: Record<string, string>
  body: string
}

export function refusalAnswer({ status, code, headers, body }: VerifierError): OwnAnswer {
  const json = { 'Content-Type': 'application/json; charset=utf-8' }
  return { status, code, headers: { ...headers, ...json, 'Cache-Control': 'no-store' }, body: JSON.stringify(body) }
}

export function problemAnswer(status: number, code: string, detail: string, requestId: string): OwnAnswer {
  const problem = {
    type: `urn:gatehouse:error:${code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    code,
    request_id: requestId,
  }
  const headers = { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' }
  return { status, code, headers, body: JSON.stringify(problem) }
}

/** Whether the client may be sending a body: Node would read all of it to keep the connection, and a refused upload is not worth that. */
export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
