// Nodes with different sealing keys notice it before they do harm.
import { createDeploymentCheck } from '../../src/keys/deployment-check.ts'
import { createSealing } from '../../src/sealing.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'
import { keyParts, sealingKey } from '../support/test-keys.ts'

const [first, second, third] = [sealingKey(1), sealingKey(2), sealingKey(3)]
let fresh: FreshDatabase

beforeEach(async () => {
  fresh = await freshDatabase()
})
afterEach(() => fresh.drop())

const node = (...keys: Buffer[]) => ({
  ...keyParts(fresh.database, keys),
  check: createDeploymentCheck({ database: fresh.database, sealing: createSealing(keys) }).checkSealingKey,
})
const stored = () => fresh.database.query(`SELECT value FROM deployment WHERE name = 'sealing_key_fingerprint'`)

describe('the sealing key of a deployment', () => {
  it('is the one of the first node, and suits every node that has it', async () => {
    const results = await Promise.all([node(first).check(), node(first).check()])
    expect(results).toEqual([{ ok: true }, { ok: true }])
    expect(await stored()).toEqual([{ value: createSealing([first]).fingerprints[0] }])
  })

  it('is one of them when two nodes with different keys start at once', async () => {
    const results = await Promise.all([node(first).check(), node(second).check()])
    expect(results.filter((result) => result.ok)).toHaveLength(1)
  })

  it('keeps a node with another key from becoming ready, and says what to do', async () => {
    await node(first).check()
    const result = await node(second, third).check()
    expect(result).toMatchObject({ ok: false })
    const message = result.ok ? '' : result.message
    expect(message).toContain('Give this node the key that the other nodes have.')
    expect(message).toContain('GATEHOUSE_SEALING_KEYS_OLD')
    expect(message).toContain(createSealing([first]).fingerprints[0])
    expect(message).not.toContain(second.toString('base64url'))
    expect(await stored()).toEqual([{ value: createSealing([first]).fingerprints[0] }])
  })
})

describe('replacing the sealing key', () => {
  it('seals every private key again, after which the former key is needed no more', async () => {
    const old = node(first)
    await old.check()
    await old.ring.ensureKeys()
    const before = await old.ring.load()
    const changing = node(second, first)
    expect(await changing.check()).toEqual({ ok: true })
    const changed = node(second)
    expect(await changed.check()).toEqual({ ok: true })
    expect((await changed.ring.load()).signing).toEqual(before.signing)
    await expect(old.ring.load()).rejects.toThrow('GATEHOUSE_SEALING_KEYS_OLD')
    expect(await old.check()).toMatchObject({ ok: false })
  })

  it('is done once when two nodes begin it together', async () => {
    const old = node(first)
    await old.check()
    await old.ring.ensureKeys()
    const changing = [node(second, first), node(second, first)]
    expect(await Promise.all(changing.map((each) => each.check()))).toEqual([{ ok: true }, { ok: true }])
    expect((await node(second).ring.load()).signing).toHaveLength(2)
  })

  it('leaves everything as it was when one key cannot be opened', async () => {
    const old = node(first)
    await old.check()
    await old.ring.ensureKeys()
    const broken = (await old.store.list()).at(-1)
    await old.store.reseal(broken?.kid ?? '', createSealing([third]).seal('{}', `signing key ${broken?.kid}`))
    const before = await old.store.list()
    await expect(node(second, first).check()).rejects.toThrow('cannot be opened')
    const sealed = (await old.store.list()).map((key) => key.sealedPrivateJwk)
    expect(sealed).toEqual(before.map((key) => key.sealedPrivateJwk))
    expect(await stored()).toEqual([{ value: createSealing([first]).fingerprints[0] }])
  })

  it('is not fought over by nodes that list the same keys in another order', async () => {
    const [one, two] = [node(first, second), node(second, first)]
    await one.check()
    await two.check()
    expect(await one.check()).toEqual({ ok: true })
    expect(await stored()).toEqual([{ value: createSealing([second]).fingerprints[0] }])
  })
})
