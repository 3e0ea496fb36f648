// Hears NOTIFY on one connection of its own, reconnects for ever, and says when it may have missed something.
import pg from 'pg'

export interface Listener {
  /** True while notifications arrive; caches trust themselves longer then. */
  isConnected(): boolean
  stop(): Promise<void>
}

export interface ListenerOptions {
  url: string
  channel: string
  onMessage(payload: string): void
  /** Called after each (re)connection and at each loss: whatever was cached may be stale. */
  onGap(): void
}

export function createListener({ url, channel, onMessage, onGap }: ListenerOptions): Listener {
  let client: pg.Client | undefined
  let connected = false
  let stopped = false
  let retry: NodeJS.Timeout | undefined
  let heartbeat: NodeJS.Timeout | undefined

  const lose = () => {
    if (stopped || retry) return
    connected = false
    clearInterval(heartbeat)
    client?.removeAllListeners()
    client?.on('error', () => undefined)
    client?.end().catch(() => undefined)
    onGap()
    retry = setTimeout(connect, 500)
    retry.unref()
  }

  const connect = async () => {
    retry = undefined
    const next = new pg.Client({
      connectionString: url,
      application_name: 'gatehouse listener',
      connectionTimeoutMillis: 1000,
      query_timeout: 1500,
      keepAlive: true,
    })
    client = next
    next.on('error', lose)
    next.on('end', lose)
    next.on('notification', (message) => onMessage(message.payload ?? ''))
    try {
      await next.connect()
      await next.query(`LISTEN ${channel}`)
      connected = true
      onGap()
      // A silent peer (a frozen server, a cut network) sends no FIN.
      heartbeat = setInterval(() => next.query('SELECT 1').catch(lose), 5000)
      heartbeat.unref()
    } catch {
      lose()
    }
  }

  void connect()
  return {
    isConnected: () => connected,
    stop: async () => {
      stopped = true
      clearTimeout(retry)
      clearInterval(heartbeat)
      await client?.end().catch(() => undefined)
    },
  }
}
