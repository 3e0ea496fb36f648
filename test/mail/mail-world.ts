// A queue in a database of its own, and nodes that send from it, each with a pool of its own as processes have them.
import { randomBytes } from 'node:crypto'
import { createDatabase } from '../../src/database/database.ts'
import { createMailQueueStore, type StoredMessage } from '../../src/mail/mail-queue-store.ts'
import { createMailSender } from '../../src/mail/mail-sender.ts'
import { createSmtpDelivery } from '../../src/mail/smtp-delivery.ts'
import { createSealing } from '../../src/sealing.ts'
import { freshDatabase } from '../support/fresh-database.ts'
import { smtpServer } from '../support/smtp-server.ts'

export interface Row {
  id: string
  state: string
  attempts: number
  last_error: string | null
  has_message: boolean
  is_claimed: boolean
  waits: number
}

export interface MailNode {
  logged: string[]
  wake(): void
  stop(): Promise<void>
}

export const message = (more: Partial<StoredMessage> = {}): StoredMessage => ({
  to: 'mara@example.com',
  subject: 'Hello',
  text: 'Hello in plain text\n',
  html: '<p>Hello in HTML</p>',
  locale: 'en',
  ...more,
})

/** Long enough for a machine with much to do, or as short as a test of silence can bear. */
const patient = { step: 10_000, silence: 10_000, message: 20_000 }
export const impatient = { step: 400, silence: 400, message: 600 }

export const from = { name: 'Gatehouse', address: 'no-reply@login.example.com' }

export async function createMailWorld() {
  const fresh = await freshDatabase()
  const sealing = createSealing([randomBytes(32)])
  const store = createMailQueueStore({ database: fresh.database, sealing, keepsMessages: false })
  const nodes = new Set<MailNode>()

  const rows = () =>
    fresh.database.query<Row>(
      `SELECT id, state, attempts, last_error, sealed_message IS NOT NULL AS has_message, claimed_until IS NOT NULL AS is_claimed,
         extract(epoch FROM next_attempt_at - clock_timestamp())::float8 AS waits FROM mail_queue ORDER BY created_at`,
    )
  const eventually = async (isReached: (rows: Row[]) => boolean, seconds = 10): Promise<Row[]> => {
    for (let waited = 0; ; waited += 20) {
      const now = await rows()
      if (isReached(now)) return now
      if (waited > seconds * 1000) throw new Error(`The queue stays at ${JSON.stringify(now.slice(0, 5))}.`)
      await new Promise((done) => setTimeout(done, 20))
    }
  }

  return {
    fresh,
    sealing,
    store,
    rows,
    eventually,
    /** Waits until every message has this state. */
    allBecome: (state: string) => eventually((all) => all.every((row) => row.state === state)),
    /** As if the time until the next try had passed. */
    makeDue: () => fresh.database.query("UPDATE mail_queue SET next_attempt_at = now() WHERE state = 'queued'"),
    empty: () => fresh.database.query('DELETE FROM mail_queue'),
    startNode: (port: number, limits = patient): MailNode => {
      const database = createDatabase({
        url: fresh.url,
        poolSize: 4,
        preparedStatements: true,
        onError: () => undefined,
      })
      const logged: string[] = []
      const note = (facts: object, text: string) => void logged.push(JSON.stringify({ ...facts, text }))
      const sender = createMailSender({
        store: createMailQueueStore({ database, sealing, keepsMessages: false }),
        delivery: createSmtpDelivery({ server: smtpServer(port), from, limits }),
        log: { info: note, warn: note },
        interval: 100,
      })
      sender.start()
      const node: MailNode = {
        logged,
        wake: sender.wake,
        stop: async () => {
          nodes.delete(node)
          await sender.stop()
          await database.end()
        },
      }
      nodes.add(node)
      return node
    },
    stopNodes: async () => {
      await Promise.all([...nodes].map((node) => node.stop()))
      nodes.clear()
    },
  }
}
