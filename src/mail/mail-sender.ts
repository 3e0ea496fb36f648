// Sends what waits in the queue: woken by its notifications and by a timer, a message at a time, each by whoever has claimed it.
import type { Claim, MailQueueStore } from './mail-queue-store.ts'
import { noConnection } from './mail-queue-store.ts'
import type { Delivery, SmtpDelivery, SmtpSession } from './smtp-delivery.ts'

interface Log {
  info(facts: object, text: string): void
  warn(facts: object, text: string): void
}

interface Parts {
  store: MailQueueStore
  delivery: SmtpDelivery
  log: Log
  /** Milliseconds between two looks at the queue. */
  interval?: number
}

/** Messages that one node sends at a time: a server that is slow with one holds up no other. */
const lanes = 2
/** Servers end a session after some number of messages; the next one gets a fresh session. */
const messagesPerSession = 20
/** Seconds until the next try, by tries made; the last one stays. */
const delays = [10, 30, 120, 600, 1800, 3600]
/** Milliseconds that a stop waits for the answer to a message that is handed over; then it is uncertain. */
const grace = 5000

export type MailSender = ReturnType<typeof createMailSender>

export function createMailSender({ store, delivery, log, interval = 5000 }: Parts) {
  const running = new Set<Promise<void>>()
  const isStopped = () => stopped
  // Until the first success nobody knows what waits because of a server that was down.
  const work = { store, delivery, log, isStopped, isServerDown: true }
  let timer: NodeJS.Timeout | undefined
  let settling: Promise<void> = Promise.resolve()
  let stopped = false
  let isAskedAgain = false

  const wake = () => {
    if (stopped || timer === undefined) return
    // All are at it, and may have looked already.
    isAskedAgain = running.size >= lanes
    while (running.size < lanes) begin()
  }
  const begin = () => {
    const lane: Promise<void> = drain(work)
      .catch((error) => log.warn({ err: error }, 'the mail queue could not be read; it will be tried again'))
      .finally(() => {
        running.delete(lane)
        if (!isAskedAgain) return
        isAskedAgain = false
        wake()
      })
    running.add(lane)
  }
  const tick = () => {
    // Spread out, so that nodes that started together do not all look at once.
    timer = setTimeout(tick, interval * (0.75 + Math.random() / 2))
    timer.unref()
    settling = settle(work)
    wake()
  }

  return {
    start: tick,
    wake,
    stop: async (): Promise<void> => {
      stopped = true
      clearTimeout(timer)
      delivery.hangUp({ evenHandedOver: false })
      const cut = setTimeout(() => delivery.hangUp({ evenHandedOver: true }), grace)
      await Promise.all([settling, ...running])
      clearTimeout(cut)
    },
  }
}

interface Work extends Required<Pick<Parts, 'store' | 'delivery' | 'log'>> {
  isStopped(): boolean
  isServerDown: boolean
}

async function settle({ store, log }: Work): Promise<void> {
  try {
    for (const mailId of await store.settle())
      log.warn(
        { mailId },
        'a message was handed over by a process that ended; it may have arrived, and is not sent again',
      )
  } catch (error) {
    log.warn({ err: error }, 'the mail queue could not be read; it will be tried again')
  }
}

/** Until nothing is due, or the server cannot be reached. */
async function drain(work: Work): Promise<void> {
  let session: SmtpSession | undefined
  let sent = 0
  try {
    for (let claim = await next(work); claim; claim = await next(work)) {
      if (!session?.isOpen() || sent % messagesPerSession === 0) {
        session?.close()
        session = undefined
        const opened = await work.delivery.open()
        if (!opened.ok) {
          work.isServerDown = true
          await conclude(work, claim, { end: 'later', reason: `${noConnection}: ${opened.reason}` })
          // The others would fare no better.
          return
        }
        session = opened.session
      }
      sent += 1
      await conclude(work, claim, await attempt(work, claim, session))
    }
  } finally {
    session?.close()
  }
}

const next = async ({ store, isStopped }: Work): Promise<Claim | undefined> => (isStopped() ? undefined : store.claim())

async function attempt({ store, isStopped }: Work, claim: Claim, session: SmtpSession): Promise<Delivery> {
  const { id, createdAt } = claim
  let message: ReturnType<Claim['open']>
  try {
    message = claim.open()
  } catch (error) {
    return { end: 'later', reason: (error as Error).message }
  }
  return session.send({ ...message, id, createdAt }, async () => !isStopped() && (await store.handOver(claim)))
}

async function conclude(work: Work, claim: Claim, delivery: Delivery): Promise<void> {
  const { store, log, isStopped } = work
  const facts = { mailId: claim.id, attempt: claim.attempt, ...('reason' in delivery && { reason: delivery.reason }) }
  if (delivery.end === 'sent') {
    await insistently(() => store.markSent(claim))
    log.info(facts, 'a message was sent')
    if (work.isServerDown) {
      work.isServerDown = false
      await store.hasten()
    }
  } else if (delivery.end === 'refused') {
    await insistently(() => store.markFailed(claim, delivery.reason))
    log.warn(facts, 'a message was refused for good')
  } else if (delivery.end === 'uncertain') {
    await insistently(() => store.markUncertain(claim, delivery.reason))
    log.warn(facts, 'it is uncertain whether a message has arrived; it is not sent again')
  } else if (delivery.end === 'lost') {
    // If nobody has it after all, because this node is stopping, nobody need wait for the lease to run out.
    await store.retry(claim, 'stopped before the hand-over', 0)
  } else {
    // The next node need not wait because this one was stopped.
    const seconds = isStopped() ? 0 : delayAfter(claim.attempt)
    const state = await insistently(() => store.retry(claim, delivery.reason, seconds))
    log.warn(
      facts,
      state === 'failed' ? 'a message is given up' : 'a message could not be sent; it will be tried again',
    )
  }
}

const delayAfter = (attempt: number): number => delays[attempt - 1] ?? (delays.at(-1) as number)

/** The message is out, or is not: a database that fails for a moment must not make that uncertain. */
async function insistently<T>(note: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await note()
    } catch (error) {
      if (tries === 4) throw error
      await new Promise((done) => setTimeout(done, 300 * 2 ** tries))
    }
  }
}
