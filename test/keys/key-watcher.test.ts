// A node follows every change of keys, whatever it hears.
import { createListener } from '../../src/database/listener.ts'
import type { KeySet } from '../../src/keys/key-ring.ts'
import { createKeyWatcher } from '../../src/keys/key-watcher.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'
import { keyParts, kidsOf, pause, secondNode } from '../support/test-keys.ts'

const minimal = { longestTokenTtl: 600 }
let fresh: FreshDatabase
const stops: (() => Promise<void>)[] = []

beforeEach(async () => {
  fresh = await freshDatabase()
})
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
  await fresh.drop()
})

async function until(condition: () => boolean, limit = 5000): Promise<number> {
  const began = performance.now()
  while (!condition()) {
    if (performance.now() - began > limit) throw new Error(`not within ${limit} ms`)
    await pause(5)
  }
  return performance.now() - began
}

/** Another process's node: its own pool, listener and watcher. */
async function startNode({ isDeaf = false } = {}) {
  const node = secondNode(fresh.url)
  const seen: KeySet[] = []
  const errors: unknown[] = []
  const watcher = createKeyWatcher({
    load: node.ring.load,
    onChange: (keySet) => {
      seen.push(keySet)
    },
    isListening: () => listener?.isConnected() ?? false,
    logError: (error) => errors.push(error),
  })
  const listener = isDeaf
    ? undefined
    : createListener({
        url: fresh.url,
        channel: 'gatehouse',
        onMessage: (payload) => {
          if (payload === 'keys') watcher.announce()
        },
        onGap: () => watcher.announce(),
      })
  watcher.start()
  stops.push(async () => {
    await watcher.stop()
    await listener?.stop()
    await node.end()
  })
  await until(() => seen.length > 0 && (isDeaf || listener?.isConnected() === true))
  return { node, seen, errors, watcher, signs: () => kidsOf(seen.at(-1) as KeySet, 'ES256')[0] }
}

describe('following a change of keys', () => {
  it('takes less than a second on every node, by NOTIFY, and the switch is made on time', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    const nodes = await Promise.all([startNode(), startNode()])
    await pause(100)
    const counts = nodes.map((node) => node.seen.length)
    expect(counts).toEqual([1, 1])
    const result = await ring.rotate({ alg: 'ES256', delaySeconds: 2, ...minimal })
    const kid = result.ok ? result.rotated[0]?.kid : undefined
    expect(await until(() => nodes.every((node) => node.seen.length === 2))).toBeLessThan(1000)
    const rest = await until(() => nodes.every((node) => node.signs() === kid))
    expect(rest).toBeGreaterThan(900)
    expect(rest).toBeLessThan(2300)
    expect(nodes.map((node) => node.seen.length)).toEqual([3, 3])
  })

  it('takes a second and a half at most while the listener is broken', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    const node = await startNode({ isDeaf: true })
    const [stolen = ''] = kidsOf(await ring.load(), 'ES256')
    const result = await ring.retire(stolen)
    expect(await until(() => node.signs() === (result.ok ? result.successor : ''))).toBeLessThan(1500)
  })

  it('is not missed when the listener loses its connection', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    const node = await startNode()
    await fresh.database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gatehouse listener' AND datname = current_database()`,
    )
    const [stolen = ''] = kidsOf(await ring.load(), 'ES256')
    const result = await ring.retire(stolen)
    expect(await until(() => node.signs() === (result.ok ? result.successor : ''))).toBeLessThan(1500)
  })
})

describe('watching keys', () => {
  const keySet = (fingerprint: string, nextTransition?: number): KeySet => ({
    signing: [],
    public: { keys: [] },
    fingerprint,
    nextTransition,
  })

  function watch(load: () => Promise<KeySet>, { isListening = true, onChange = (_: KeySet) => {} } = {}) {
    const changes: string[] = []
    const errors: unknown[] = []
    const watcher = createKeyWatcher({
      load,
      onChange: (changed) => {
        onChange(changed)
        changes.push(changed.fingerprint)
      },
      isListening: () => isListening,
      logError: (error) => errors.push(error),
    })
    stops.push(watcher.stop)
    return { watcher, changes, errors }
  }

  it('says nothing about a set that the node has already', async () => {
    const { watcher, changes } = watch(async () => keySet('a'))
    watcher.start({ fingerprint: 'a' })
    await pause(30)
    watcher.announce()
    await pause(30)
    expect(changes).toEqual([])
  })

  it('never loads twice at a time, and loads once more after an announcement that came meanwhile', async () => {
    let running = 0
    let most = 0
    let loads = 0
    const { watcher } = watch(async () => {
      running += 1
      loads += 1
      most = Math.max(most, running)
      await pause(60)
      running -= 1
      return keySet('a')
    })
    watcher.start()
    await pause(10)
    for (let count = 0; count < 20; count += 1) watcher.announce()
    await pause(250)
    expect(most).toBe(1)
    expect(loads).toBe(2)
  })

  it('keeps the last set through an outage, says so once, and follows afterwards', async () => {
    let isDown = false
    let current = 'a'
    const { watcher, changes, errors } = watch(async () => {
      if (isDown) throw new Error('no database')
      return keySet(current)
    })
    watcher.start()
    await until(() => changes.length === 1)
    isDown = true
    current = 'b'
    watcher.announce()
    await pause(2200)
    expect(changes).toEqual(['a'])
    expect(errors).toHaveLength(1)
    isDown = false
    expect(await until(() => changes.length === 2)).toBeLessThan(1200)
    expect(changes).toEqual(['a', 'b'])
  })

  it('hands a set over again when the node could not take it', async () => {
    let attempts = 0
    const { watcher, changes } = watch(async () => keySet('a'), {
      onChange: () => {
        attempts += 1
        if (attempts === 1) throw new Error('not now')
      },
    })
    watcher.start()
    await until(() => changes.length === 1)
    expect(attempts).toBe(2)
  })

  it('does not ask the database all the time while it is listening', async () => {
    let loads = 0
    const { watcher } = watch(async () => {
      loads += 1
      return keySet('a', 40_000_000_000)
    })
    watcher.start()
    await pause(2500)
    expect(loads).toBe(1)
  })

  it('is silent once stopped, even about a load that was under way', async () => {
    let loads = 0
    const { watcher, changes } = watch(async () => {
      loads += 1
      await pause(50)
      return keySet('a')
    })
    watcher.start()
    await watcher.stop()
    watcher.announce()
    await pause(100)
    expect([loads, changes]).toEqual([1, []])
  })
})
