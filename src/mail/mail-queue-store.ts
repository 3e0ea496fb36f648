// Stores messages that wait to be sent, sealed, and who is at sending them: the claim is a lease, the hand-over is a point of no return.

export interface StoredMessage {
  to: string
  subject: string
  text: string
  html: string
  /** A BCP 47 tag. */
  locale: string
}

export interface Claim {
  id: string
  /** Which try this is, from 1; a claim that was lost to another node has a lower one. */
  attempt: number
  createdAt: Date
  /** Throws when the key that it was sealed with is not configured. */
  open(): StoredMessage
}

export interface MailboxEntry extends StoredMessage {
  id: string
  createdAt: Date
}

interface Parts {
  database: { query<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]> }
  sealing: { seal(text: string, purpose: string): string; open(sealed: string, purpose: string): string }
  /** In development without a server: messages are as good as sent, and kept for the mailbox page. */
  keepsMessages: boolean
}

interface Row {
  id: string
  sealed_message: string
  attempts: number
  created_at: Date
}

const purpose = 'mail'
/** Seconds for opening a connection up to the hand-over, and for the rest: longer than the sender ever takes. */
const lease = { claim: 180, handOver: 600 }
/** How the reason begins where it was the server that could not be used, not the message. */
export const noConnection = 'no connection'
/** Hours after which a message is given up. */
const patience = 24

const claimText = `
  UPDATE mail_queue SET attempts = attempts + 1, claimed_until = clock_timestamp() + interval '${lease.claim} seconds'
  WHERE id = (
    SELECT id FROM mail_queue
    WHERE state = 'queued' AND next_attempt_at <= clock_timestamp() AND (claimed_until IS NULL OR claimed_until <= clock_timestamp())
    ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
  )
  RETURNING id, sealed_message, attempts, created_at`

const handOverText = `
  UPDATE mail_queue SET state = 'handed_over', claimed_until = clock_timestamp() + interval '${lease.handOver} seconds'
  WHERE id = $1 AND attempts = $2 AND state = 'queued' AND claimed_until > clock_timestamp() RETURNING id`

// Also from `uncertain`: the answer came after all.
const finishText = `
  UPDATE mail_queue SET state = $3, sealed_message = NULL, claimed_until = NULL, last_error = $4, finished_at = clock_timestamp()
  WHERE id = $1 AND attempts = $2 AND state IN ('queued', 'handed_over', 'uncertain')`

const retryText = `
  UPDATE mail_queue SET claimed_until = NULL, last_error = $3, next_attempt_at = clock_timestamp() + make_interval(secs => $4),
    state = CASE WHEN is_over THEN 'failed' ELSE 'queued' END,
    sealed_message = CASE WHEN NOT is_over THEN sealed_message END,
    finished_at = CASE WHEN is_over THEN clock_timestamp() END
  FROM (SELECT id AS this, created_at + interval '${patience} hours' < clock_timestamp() + make_interval(secs => $4) AS is_over
    FROM mail_queue WHERE id = $1) AS age
  WHERE id = this AND attempts = $2 AND state IN ('queued', 'handed_over') RETURNING state`

const settleText = `
  UPDATE mail_queue SET state = 'uncertain', sealed_message = NULL, claimed_until = NULL, finished_at = clock_timestamp(),
    last_error = 'the process that was sending it ended'
  WHERE state = 'handed_over' AND claimed_until <= clock_timestamp() RETURNING id`

const hastenText = `
  UPDATE mail_queue SET next_attempt_at = clock_timestamp()
  WHERE state = 'queued' AND next_attempt_at > clock_timestamp() AND claimed_until IS NULL AND last_error LIKE '${noConnection}%'`

export type MailQueueStore = ReturnType<typeof createMailQueueStore>

export function createMailQueueStore({ database, sealing, keepsMessages }: Parts) {
  const open = (sealed: string) => JSON.parse(sealing.open(sealed, purpose)) as StoredMessage
  const toEntry = (row: Row): MailboxEntry => ({ id: row.id, createdAt: row.created_at, ...open(row.sealed_message) })
  const mailbox = (condition: string, values: unknown[]) =>
    database.query<Row>(
      `SELECT id, sealed_message, attempts, created_at FROM mail_queue
       WHERE state = 'sent' AND sealed_message IS NOT NULL AND ${condition}`,
      values,
    )
  const finish =
    (state: 'sent' | 'failed' | 'uncertain') =>
    async ({ id, attempt }: Claim, reason?: string): Promise<void> => {
      await database.query(finishText, [id, attempt, state, reason])
    }

  return {
    /** Joins the transaction under way: the message is sent if that commits, and only then. */
    insert: async (message: StoredMessage): Promise<void> => {
      await database.query(
        `INSERT INTO mail_queue (sealed_message, state, finished_at, created_at, next_attempt_at)
         VALUES ($1, $2, CASE WHEN $2 = 'sent' THEN clock_timestamp() END, clock_timestamp(), clock_timestamp())`,
        [sealing.seal(JSON.stringify(message), purpose), keepsMessages ? 'sent' : 'queued'],
      )
    },

    /** The message that has been due for longest; nobody else gets it while the lease lasts. */
    claim: async (): Promise<Claim | undefined> => {
      const [row] = await database.query<Row>(claimText)
      return (
        row && { id: row.id, attempt: row.attempts, createdAt: row.created_at, open: () => open(row.sealed_message) }
      )
    },

    /** False when the claim was lost: then nothing may be sent. */
    handOver: async ({ id, attempt }: Claim): Promise<boolean> =>
      (await database.query(handOverText, [id, attempt])).length > 0,

    markSent: finish('sent'),
    markFailed: finish('failed'),
    markUncertain: finish('uncertain'),

    /** Only for a message that was certainly not delivered. `failed` once it has been tried for a day. */
    retry: async (
      { id, attempt }: Claim,
      reason: string,
      seconds: number,
    ): Promise<'queued' | 'failed' | undefined> => {
      const [row] = await database.query<{ state: 'queued' | 'failed' }>(retryText, [id, attempt, reason, seconds])
      return row?.state
    },

    /** What a dead process had handed over; the ids. */
    settle: async (): Promise<string[]> => (await database.query<Row>(settleText)).map(({ id }) => id),

    /** The server takes messages again: whatever waits because it did not is due now. */
    hasten: async (): Promise<void> => {
      await database.query(hastenText)
    },

    listKept: async (limit: number): Promise<MailboxEntry[]> =>
      (await mailbox('true ORDER BY created_at DESC LIMIT $1', [limit])).map(toEntry),

    findKept: async (id: string): Promise<MailboxEntry | undefined> => {
      const [row] = await mailbox('id::text = $1', [id])
      return row && toEntry(row)
    },
  }
}
