// What happens to a message on its way: sent once, tried again, refused, given up, or uncertain, and never twice.
import {
  type Script,
  type ScriptedSmtpServer,
  startScriptedSmtpServer,
  startSmtpServer,
} from '../support/smtp-server.ts'
import { freePort } from '../support/test-server.ts'
import { createMailWorld, impatient, message } from './mail-world.ts'

let world: Awaited<ReturnType<typeof createMailWorld>>
beforeAll(async () => {
  world = await createMailWorld()
})
afterEach(async () => {
  await world.stopNodes()
  await world.empty()
})
afterAll(() => world.fresh.drop())

const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds))
const messageIds = (raw: string) => [...raw.matchAll(/^Message-ID: (.*)$/gim)].map(([, id]) => id)

describe('two nodes with 200 queued messages', () => {
  it('deliver each exactly once', async () => {
    const smtp = await startSmtpServer()
    const everybody = Array.from({ length: 200 }, (_, number) => `person-${number}@example.com`)
    for (const to of everybody) await world.store.insert(message({ to }))
    const began = performance.now()
    const nodes = [world.startNode(smtp.port), world.startNode(smtp.port)]
    const rows = await world.allBecome('sent')
    const milliseconds = performance.now() - began
    await smtp.stop()
    expect(smtp.received.map(({ to }) => to).sort()).toEqual([...everybody].sort())
    expect(new Set(smtp.received.flatMap(({ raw }) => messageIds(raw))).size).toBe(200)
    expect(rows.filter(({ has_message }) => has_message)).toEqual([])
    const shares = nodes.map(({ logged }) => logged.length)
    expect(Math.min(...shares)).toBeGreaterThan(20)
    // Sessions are used for several messages, and not for ever.
    expect(smtp.connections).toBeLessThan(60)
    process.stdout.write(`mail: 200 messages by two nodes in ${milliseconds.toFixed(0)} ms, shares ${shares}\n`)
  })
})

describe('a message that is queued', () => {
  it('waits for the transaction, and is not sent if that fails', async () => {
    const smtp = await startSmtpServer()
    world.startNode(smtp.port)
    const failing = world.fresh.database.transaction(async () => {
      await world.store.insert(message())
      await pause(250)
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    await pause(250)
    expect(smtp.received).toEqual([])
    await smtp.stop()
  })

  it('keeps nothing that somebody could use: not in the table, and once sent not at all', async () => {
    const secret = 'https://login.example.com/reset-password/Zm9vYmFyYmF6'
    await world.store.insert(message({ text: `go to ${secret}`, to: 'mara@example.com' }))
    const [row] = await world.fresh.database.query<{ row: string }>('SELECT mail_queue::text AS row FROM mail_queue')
    for (const part of [secret, 'Zm9vYmFy', 'mara', Buffer.from(secret).toString('base64').slice(0, 20)])
      expect(row?.row).not.toContain(part)
    const smtp = await startSmtpServer()
    const node = world.startNode(smtp.port)
    await world.allBecome('sent')
    await smtp.stop()
    expect((await world.rows())[0]?.has_message).toBe(false)
    expect(smtp.received[0]?.raw).toContain('Zm9vYmFy')
    expect(node.logged.join('')).not.toMatch(/Zm9vYmFy|mara/)
  })

  it('waits where the key that it was sealed with is missing, and holds up no other', async () => {
    await world.store.insert(message())
    await world.fresh.database.query(
      "UPDATE mail_queue SET sealed_message = 'c29tZXRoaW5nIHNlYWxlZCB3aXRoIGFub3RoZXIga2V5'",
    )
    await world.store.insert(message({ to: 'other@example.com' }))
    const smtp = await startSmtpServer()
    world.startNode(smtp.port)
    const rows = await world.eventually(([first, second]) => first?.attempts === 1 && second?.state === 'sent')
    await smtp.stop()
    expect(rows[0]).toMatchObject({
      state: 'queued',
      last_error: expect.stringContaining('GATEHOUSE_SEALING_KEYS_OLD'),
    })
  })
})

describe('a server that is down', () => {
  it('is tried again after growing pauses, and the messages keep their Message-ID', async () => {
    const port = await freePort()
    await world.store.insert(message())
    world.startNode(port)
    const pauses: number[] = []
    for (let attempt = 1; attempt <= 7; attempt += 1) {
      const [row] = await world.eventually(([only]) => only?.attempts === attempt && !only.is_claimed)
      pauses.push(Math.round(((await world.rows())[0]?.waits ?? 0) + 0.1))
      expect(row).toMatchObject({
        state: 'queued',
        last_error: expect.stringMatching(/^no connection: .*ECONNREFUSED/),
      })
      if (attempt < 7) await world.makeDue()
    }
    const wanted = [10, 30, 120, 600, 1800, 3600, 3600]
    for (const [index, seconds] of pauses.entries())
      expect(Math.abs(seconds - (wanted[index] ?? 0))).toBeLessThanOrEqual(3)
    const smtp = await startSmtpServer({}, port)
    await world.makeDue()
    const [row] = await world.allBecome('sent')
    await smtp.stop()
    expect(smtp.received).toHaveLength(1)
    expect(messageIds(smtp.received[0]?.raw ?? '')).toEqual([`<${row?.id}@login.example.com>`])
  })

  it('costs the others nothing once it is back: the first success makes all that waited for it due', async () => {
    for (let number = 0; number < 5; number += 1) await world.store.insert(message())
    await world.fresh.database.query(
      "UPDATE mail_queue SET attempts = 6, last_error = 'no connection: ECONNREFUSED', next_attempt_at = now() + interval '1 hour'",
    )
    await world.store.insert(message())
    const smtp = await startSmtpServer()
    world.startNode(smtp.port)
    await world.allBecome('sent')
    await smtp.stop()
    expect(smtp.received).toHaveLength(6)
  })

  it('is given up after a day, and the message is deleted', async () => {
    await world.store.insert(message())
    await world.fresh.database.query(
      "UPDATE mail_queue SET created_at = now() - interval '23 hours 59 minutes 55 seconds'",
    )
    const node = world.startNode(await freePort())
    const [row] = await world.allBecome('failed')
    expect(row).toMatchObject({ attempts: 1, has_message: false })
    expect(node.logged.join('')).toContain('given up')
  })
})

describe('the end of an attempt', () => {
  let smtp: ScriptedSmtpServer
  let script: Script
  const begin = async (given: Script) => {
    script = given
    smtp = await startScriptedSmtpServer(() => script)
    await world.store.insert(message())
    return world.startNode(smtp.port, impatient)
  }
  afterEach(() => smtp.stop())

  it.each<[string, Script, RegExp]>([
    ['451 to the message', { dot: '451 4.3.0 try later, https://x/reset-password/s3cret' }, /^DATA: 451 4.3.0$/],
    ['421 to the message', { dot: '421 4.4.2 closing' }, /^DATA: 421 4.4.2$/],
    ['450 to the recipient', { rcpt: '450 4.2.0 <mara@example.com> greylisted' }, /^RCPT TO: .*<address> greylisted/],
    ['452 to DATA', { data: '452 4.3.1 full' }, /^DATA: 452 4.3.1 full/],
    ['550 to the sender', { mail: '550 5.7.1 who are you?' }, /^MAIL FROM: 550/],
    ['554 as greeting', { greeting: '554 5.3.2 not now' }, /^no connection: .*554/],
    ['no greeting', { greeting: 'hang' }, /^no connection: /],
    ['a connection that is cut at once', { greeting: 'cut' }, /^no connection: /],
    ['a connection that is cut before the message', { rcpt: 'cut' }, /closed/],
    ['silence before the message', { data: 'hang' }, /Timeout|too long/],
  ])('%s is definite: it is tried again, and then arrives once', async (_, given, reason) => {
    const node = await begin(given)
    const [row] = await world.eventually(([only]) => only?.attempts === 1 && !only.is_claimed)
    expect(row).toMatchObject({ state: 'queued', has_message: true, last_error: expect.stringMatching(reason) })
    // The server may have had the whole message before it refused.
    smtp.complete.length = 0
    script = {}
    await world.makeDue()
    await world.allBecome('sent')
    expect(smtp.complete).toHaveLength(1)
    expect(node.logged.join('')).not.toMatch(/s3cret|mara/)
  })

  it.each<[string, Script]>([
    ['550 to the recipient', { rcpt: '550 5.1.1 <mara@example.com> unknown' }],
    ['552 to the message', { dot: '552 5.2.2 mailbox full' }],
    ['554 to DATA', { data: '554 5.5.1 no' }],
  ])('%s is for good: it is not tried again', async (_, given) => {
    const node = await begin(given)
    const [row] = await world.allBecome('failed')
    expect(row).toMatchObject({ attempts: 1, has_message: false })
    expect(node.logged.join('')).not.toContain('mara')
    script = {}
    node.wake()
    await pause(300)
    expect(smtp.commands.filter((command) => command === 'MAIL')).toHaveLength(1)
  })

  it.each<[string, Script]>([
    ['a connection that is cut after the final dot', { dot: 'cut' }],
    ['silence after the final dot', { dot: 'hang' }],
    ['a connection that is cut within the message', { cutAfter: 1 }],
    ['nonsense as answer', { dot: 'taken, I think' }],
  ])('%s is uncertain, and never sent again', async (_, given) => {
    const node = await begin(given)
    const [row] = await world.allBecome('uncertain')
    expect(row).toMatchObject({ attempts: 1, has_message: false })
    script = {}
    node.wake()
    await pause(300)
    expect(smtp.commands.filter((command) => command === 'MAIL')).toHaveLength(1)
    expect((await world.rows())[0]?.state).toBe('uncertain')
  })

  it('is good with any 2xx (RFC 5321 section 4.2.1)', async () => {
    await begin({ dot: '299 whatever' })
    await world.allBecome('sent')
  })

  it('is noted before the first byte of the message leaves', async () => {
    let states: string[] = []
    await begin({ data: 'hang' })
    await world.eventually(() => smtp.commands.includes('DATA'))
    // The server has not said 354 yet: nothing is handed over.
    states = (await world.rows()).map(({ state }) => state)
    expect(states).toEqual(['queued'])
    await world.stopNodes()
    await world.empty()
    script = { dot: 'hang' }
    await world.store.insert(message())
    world.startNode(smtp.port)
    await world.eventually(() => smtp.complete.length === 1)
    expect((await world.rows())[0]?.state).toBe('handed_over')
  })
})

describe('a slow message', () => {
  it('holds up no other', async () => {
    let first = true
    const smtp = await startScriptedSmtpServer(() => {
      const script = first ? { dot: 'hang' } : {}
      first = false
      return script
    })
    for (let number = 0; number < 10; number += 1) await world.store.insert(message())
    world.startNode(smtp.port)
    const rows = await world.eventually((all) => all.filter(({ state }) => state === 'sent').length === 9)
    expect(rows.filter(({ state }) => state === 'handed_over')).toHaveLength(1)
    await smtp.stop()
  })
})

describe('a process that ends', () => {
  it('before the hand-over leaves a message that is sent when the lease has run out', async () => {
    await world.store.insert(message())
    const lost = await world.store.claim()
    expect(await world.store.claim()).toBeUndefined()
    const smtp = await startSmtpServer()
    world.startNode(smtp.port)
    await pause(250)
    expect(smtp.received).toEqual([])
    await world.fresh.database.query("UPDATE mail_queue SET claimed_until = now() - interval '1 second'")
    const [row] = await world.allBecome('sent')
    await smtp.stop()
    expect([row?.attempts, smtp.received.length]).toEqual([2, 1])
    // Were it only asleep, it would not get the message any more, nor change what has become of it.
    if (!lost) throw new Error('There was nothing to claim.')
    expect(await world.store.handOver(lost)).toBe(false)
    expect(await world.store.retry(lost, 'late', 1)).toBeUndefined()
    await world.store.markFailed(lost, 'late')
    expect((await world.rows())[0]?.state).toBe('sent')
  })

  it('after the hand-over leaves an uncertain one, which nobody sends', async () => {
    await world.store.insert(message())
    const claim = await world.store.claim()
    if (!claim) throw new Error('There was nothing to claim.')
    expect(await world.store.handOver(claim)).toBe(true)
    const smtp = await startSmtpServer()
    const node = world.startNode(smtp.port)
    await pause(250)
    expect((await world.rows())[0]?.state).toBe('handed_over')
    await world.fresh.database.query("UPDATE mail_queue SET claimed_until = now() - interval '1 second'")
    const [row] = await world.allBecome('uncertain')
    await pause(250)
    await smtp.stop()
    expect(smtp.received).toEqual([])
    expect(row).toMatchObject({ has_message: false })
    expect(node.logged.join('')).toContain('it may have arrived')
  })

  it('hands nothing over once it has been asked to stop, and lets go of what it has claimed', async () => {
    const smtp = await startScriptedSmtpServer(() => ({ rcptDelay: 200 }))
    await world.store.insert(message())
    const node = world.startNode(smtp.port)
    await world.eventually(() => smtp.commands.includes('RCPT'))
    await node.stop()
    expect(await world.rows()).toEqual([expect.objectContaining({ state: 'queued', has_message: true })])
    expect(smtp.complete).toEqual([])
    // Nobody has to wait for the lease.
    world.startNode(smtp.port)
    await world.allBecome('sent')
    expect(smtp.complete).toHaveLength(1)
    await smtp.stop()
  })

  it('leaves, when asked to stop, a server that says nothing, without waiting for it', async () => {
    const smtp = await startScriptedSmtpServer(() => ({ greeting: 'hang' }))
    await world.store.insert(message())
    const node = world.startNode(smtp.port)
    await world.eventually(([only]) => only?.is_claimed === true)
    await pause(100)
    const began = performance.now()
    await node.stop()
    expect(performance.now() - began).toBeLessThan(2000)
    const [row] = await world.rows()
    expect(row).toMatchObject({ state: 'queued', is_claimed: false })
    expect(row?.waits).toBeLessThanOrEqual(0)
    await smtp.stop()
  })

  it('gives up, when asked to stop, on a server that is silent about a message that it has', async () => {
    const smtp = await startScriptedSmtpServer(() => ({ dot: 'hang' }))
    await world.store.insert(message())
    const node = world.startNode(smtp.port)
    await world.eventually(() => smtp.complete.length === 1)
    await node.stop()
    expect((await world.rows())[0]).toMatchObject({ state: 'uncertain', has_message: false })
    await smtp.stop()
  })

  it('waits, when asked to stop, for the answer to a message that is handed over', async () => {
    const smtp = await startSmtpServer({
      onData: (stream, _, done) => {
        stream.resume()
        stream.on('end', () => setTimeout(done, 250))
      },
    })
    await world.store.insert(message())
    const node = world.startNode(smtp.port)
    await world.eventually(([only]) => only?.state === 'handed_over')
    await node.stop()
    expect((await world.rows())[0]?.state).toBe('sent')
    await smtp.stop()
  })
})

describe('a claim', () => {
  it('is had by one of sixteen at once, 25 times over', async () => {
    for (let trial = 0; trial < 25; trial += 1) {
      await world.store.insert(message())
      const claims = await Promise.all(Array.from({ length: 16 }, () => world.store.claim()))
      expect(claims.filter(Boolean)).toHaveLength(1)
      await world.empty()
    }
  })

  it('is handed over by one of sixteen at once', async () => {
    await world.store.insert(message())
    const claim = await world.store.claim()
    if (!claim) throw new Error('There was nothing to claim.')
    const outcomes = await Promise.all(Array.from({ length: 16 }, () => world.store.handOver(claim)))
    expect(outcomes.filter(Boolean)).toHaveLength(1)
  })
})
