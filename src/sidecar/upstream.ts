// Opens requests to the service behind the sidecar, over kept connections and within time limits.
import { Agent, type ClientRequest, request } from 'node:http'

export interface Limits {
  /** Milliseconds until there is a connection. */
  connect: number
  /** Milliseconds from the end of the request to the head of the answer. */
  head: number
}

/** Why there is no answer from upstream. */
export class UpstreamTimeout extends Error {}

export interface Upstream {
  /** `headers` holds the framing of the body as well. An error is an UpstreamTimeout or the system's. */
  open(request: { method: string; target: string; headers: string[]; isTunnel?: boolean }): ClientRequest
  close(): void
}

export function createUpstream({ url, limits }: { url: URL; limits: Limits }): Upstream {
  const agent = new Agent({ keepAlive: true, scheduling: 'lifo' })
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  return {
    open({ method, target, headers, isTunnel = false }) {
      const address = { hostname, port: url.port || 80, agent: isTunnel ? false : agent }
      const outgoing = request({ ...address, method, path: target, headers, setHost: false })
      limit(outgoing, limits)
      return outgoing
    },
    close: () => agent.destroy(),
  }
}

function limit(outgoing: ClientRequest, { connect, head }: Limits): void {
  let timer: NodeJS.Timeout | undefined
  const expire = (milliseconds: number, what: string) => {
    clearTimeout(timer)
    timer = setTimeout(() => outgoing.destroy(new UpstreamTimeout(what)), milliseconds)
  }
  const done = () => clearTimeout(timer)
  outgoing.once('socket', (socket) => {
    if (!socket.connecting) return
    expire(connect, 'connect')
    socket.once('connect', done)
  })
  outgoing.once('finish', () => expire(head, 'head'))
  for (const event of ['response', 'upgrade', 'close']) outgoing.once(event, done)
}
