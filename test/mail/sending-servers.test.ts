// Whole servers that send: woken by the queue, killed at the worst moment, and no slower because a mail server is dead.
import { createServer } from 'node:net'
import { createMailQueueStore } from '../../src/mail/mail-queue-store.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { obtainCode } from '../support/code-flow.ts'
import { report } from '../support/race-harness.ts'
import { type Script, startScriptedSmtpServer, startSmtpServer } from '../support/smtp-server.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { message } from './mail-world.ts'

const median = (numbers: number[]) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
const until = async (isReached: () => boolean | Promise<boolean>, seconds = 15) => {
  for (let waited = 0; !(await isReached()); waited += 10) {
    if (waited > seconds * 1000) throw new Error('It did not come to that.')
    await new Promise((done) => setTimeout(done, 10))
  }
}

describe('server processes', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({ nodes: 0 })
  }, 60_000)
  afterAll(() => cluster.stop())

  const queue = () => {
    const { database, sealing } = cluster.office.server.stores
    return createMailQueueStore({ database, sealing, keepsMessages: false })
  }
  const states = async () => {
    const { database } = cluster.office.server.stores
    return (await database.query<{ state: string }>('SELECT state FROM mail_queue')).map(({ state }) => state)
  }
  const killAll = async () => {
    for (const { child, client } of cluster.nodes) {
      client.close()
      child.kill('SIGKILL')
    }
    await Promise.all(cluster.nodes.map(({ exited }) => exited))
    const { database } = cluster.office.server.stores
    await database.query(
      "UPDATE mail_queue SET claimed_until = now() - interval '1 second' WHERE claimed_until IS NOT NULL",
    )
  }
  const addNodes = (port: number) => {
    const env = { GATEHOUSE_SMTP_URL: `smtp://127.0.0.1:${port}` }
    return Promise.all([cluster.addNode(env), cluster.addNode(env)])
  }

  it('are woken by a new message, and deliver 100 exactly once', async () => {
    const smtp = await startSmtpServer()
    const nodes = await addNodes(smtp.port)
    const waits: number[] = []
    for (let number = 0; number < 20; number += 1) {
      const began = performance.now()
      await queue().insert(message())
      await until(() => smtp.received.length === number + 1)
      waits.push(performance.now() - began)
    }
    // The timer alone would take some five seconds.
    report('mail from commit to delivery', `${median(waits).toFixed(0)} ms (median)`, '1000 ms', median(waits) < 1000)
    expect(median(waits)).toBeLessThan(1000)
    await Promise.all(
      Array.from({ length: 80 }, (_, number) => queue().insert(message({ to: `p${number}@example.com` }))),
    )
    await until(async () => (await states()).every((state) => state === 'sent'))
    expect(smtp.received).toHaveLength(100)
    expect(new Set(smtp.received.slice(20).map(({ to }) => to)).size).toBe(80)
    expect(nodes.flatMap(({ logged }) => logged).join('')).not.toMatch(/p1@example|Hello/)
    await killAll()
    await smtp.stop()
  }, 60_000)

  it.each<[string, Script, string[], number]>([
    ['before the message was handed over', { rcpt: 'hang' }, ['sent'], 1],
    ['while the server considers it', { dot: 'hang' }, ['uncertain'], 1],
  ])(
    'are killed %s, and it arrives once at the most',
    async (_, worst, ends, arrived) => {
      const { database } = cluster.office.server.stores
      await database.query('DELETE FROM mail_queue')
      let script = worst
      const smtp = await startScriptedSmtpServer(() => script)
      await addNodes(smtp.port)
      await queue().insert(message())
      await until(() => smtp.commands.includes('RCPT') && (!worst.dot || smtp.complete.length === 1))
      if (worst.dot) await until(async () => (await states())[0] === 'handed_over')
      await killAll()
      script = {}
      await addNodes(smtp.port)
      await until(async () => (await states()).every((state) => ends.includes(state)))
      await new Promise((done) => setTimeout(done, 500))
      expect([await states(), smtp.complete.length]).toEqual([ends, arrived])
      await killAll()
      await smtp.stop()
    },
    60_000,
  )
})

describe('a dead mail server', () => {
  let dead: ReturnType<typeof createServer>
  let gatehouse: TestServer
  beforeAll(async () => {
    // It takes connections and never says a word.
    dead = createServer((socket) => void socket.on('error', () => undefined))
    await new Promise<void>((resolve) => dead.listen(0, '127.0.0.1', resolve))
    const { port } = dead.address() as { port: number }
    gatehouse = await startTestServer({ env: { GATEHOUSE_SMTP_URL: `smtp://127.0.0.1:${port}` } })
  })
  afterAll(async () => {
    await gatehouse.stop()
    dead.close()
  })

  it('stops no sign-in and slows none down: queueing is one INSERT', async () => {
    const redirectUri = 'https://app.example.com/callback'
    const app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
    const person = await gatehouse.makeAccount()
    const signIn = async () => {
      const began = performance.now()
      expect((await obtainCode(gatehouse, app, person, {})).code).toBeTruthy()
      return performance.now() - began
    }
    const { node, stores } = gatehouse.server
    const times = { quiet: [] as number[], noticed: [] as number[], queueing: [] as number[] }
    await signIn()
    for (let round = 0; round < 6; round += 1) {
      times.quiet.push(await signIn())
      for (let number = 0; number < 10; number += 1) {
        const began = performance.now()
        await stores.database.transaction(() => node.accountMail.newDevice(person, { address: '203.0.113.5' }))
        times.queueing.push(performance.now() - began)
      }
      times.noticed.push(await signIn())
    }
    gatehouse.statements.length = 0
    await stores.database.transaction(() =>
      node.accountMail.verifyEmail(person, { link: 'https://login.example.com/' }),
    )
    expect(gatehouse.statements.filter((text) => text.startsWith('INSERT INTO mail_queue'))).toHaveLength(1)
    expect(gatehouse.statements.filter((text) => /^INSERT|^DELETE/.test(text.trim()))).toHaveLength(1)
    const [quiet, noticed, queueing] = [times.quiet, times.noticed, times.queueing].map(median) as [
      number,
      number,
      number,
    ]
    report(
      'sign-in beside a dead mail server',
      `${quiet.toFixed(0)} ms before, ${noticed.toFixed(0)} ms with 60 messages waiting; queueing ${queueing.toFixed(1)} ms`,
      'the same',
      noticed < quiet * 2 && queueing < 100,
    )
    expect(noticed).toBeLessThan(quiet * 2 + 50)
    expect(queueing).toBeLessThan(100)
  })

  it('does not keep the server from stopping', async () => {
    const second = await startTestServer({
      beside: gatehouse,
      env: { GATEHOUSE_SMTP_URL: `smtp://127.0.0.1:${(dead.address() as { port: number }).port}` },
    })
    await new Promise((done) => setTimeout(done, 300))
    const began = performance.now()
    await second.stop()
    expect(performance.now() - began).toBeLessThan(4000)
  })
})
