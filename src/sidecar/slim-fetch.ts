// Fetches the issuer's keys without the global fetch, which alone adds 12 MB to a bare process (measured on Node 24.21).
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import type { Fetch } from '../verifier/verifier.ts'

export const slimFetch: Fetch = async (url, { headers, signal }) => {
  const open = url.startsWith('https:') ? (await import('node:https')).get : get
  const outgoing = open(url, { headers, signal, agent: false })
  // Each gets its own reason: aborted, refused, not trusted. `fetch` wraps it, and the verifier looks there.
  const [answer] = (await once(outgoing, 'response').catch((cause: unknown) => {
    throw new TypeError('fetch failed', { cause })
  })) as [IncomingMessage]
  const cancel = async () => {
    answer.destroy()
  }
  return { status: answer.statusCode ?? 0, body: Object.assign(answer, { cancel }) }
}
