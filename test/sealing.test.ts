// What is sealed can be opened with the right key for the right purpose, and in no other way.
import { createSealing } from '../src/sealing.ts'

const key = (fill: number) => Buffer.alloc(32, fill)

describe('a sealed value', () => {
  const sealing = createSealing([key(1)])

  it('opens to what it was, and never looks the same twice', () => {
    const [first, second] = [sealing.seal('schlüssel', 'test'), sealing.seal('schlüssel', 'test')]
    expect(sealing.open(first, 'test')).toBe('schlüssel')
    expect(first).not.toBe(second)
    expect(first).not.toContain(Buffer.from('schlüssel').toString('base64url'))
  })

  it('does not open for another purpose, when altered, when cut, or under another key', () => {
    const sealed = sealing.seal('secret', 'test')
    const bytes = Buffer.from(sealed, 'base64url')
    for (let index = 0; index < bytes.length; index += 1) {
      const altered = Buffer.from(bytes)
      altered[index] = (altered[index] ?? 0) ^ 1
      expect(() => sealing.open(altered.toString('base64url'), 'test')).toThrow(/cannot be opened/)
    }
    expect(() => sealing.open(sealed, 'other')).toThrow(/cannot be opened/)
    expect(() => sealing.open(sealed.slice(0, 20), 'test')).toThrow()
    expect(() => createSealing([key(2)]).open(sealed, 'test')).toThrow(/GATEHOUSE_SEALING_KEYS_OLD/)
  })

  it('opens under an older key while that is listed', () => {
    const rotated = createSealing([key(2), key(1)])
    expect(rotated.open(sealing.seal('secret', 'test'), 'test')).toBe('secret')
    expect(() => sealing.open(rotated.seal('secret', 'test'), 'test')).toThrow()
  })
})

describe('an id', () => {
  it('has one digest for each key, the newest first', () => {
    const [older, both] = [createSealing([key(1)]), createSealing([key(2), key(1)])]
    expect(both.digests('id')).toHaveLength(2)
    expect(both.digests('id')[1]).toEqual(older.digest('id'))
    expect(both.digest('id')).toEqual(both.digests('id')[0])
    expect(both.digest('id')).not.toEqual(both.digest('ie'))
  })
})

describe('derived keys', () => {
  it('differ by purpose and by key, and tell nothing of one another', () => {
    const sealing = createSealing([key(1)])
    expect(sealing.derive('cookies')).toHaveLength(32)
    expect(sealing.derive('cookies')).toEqual(createSealing([key(1), key(2)]).derive('cookies'))
    expect(sealing.derive('cookies')).not.toEqual(sealing.derive('DPoP nonces'))
    expect(sealing.fingerprints).not.toEqual(createSealing([key(2)]).fingerprints)
  })
})
