// The order of keys is a pure decision about their times.
import { keySchedule, nextTransition, openEndedKey } from '../../src/keys/key-schedule.ts'

const key = (kid: string, signsIn: number, retiresIn?: number, alg: 'ES256' | 'RS256' = 'ES256') => ({
  kid,
  alg,
  signsIn,
  retiresIn,
})
const summary = (keys: ReturnType<typeof key>[]) => keySchedule(keys).map((entry) => `${entry.key.kid} ${entry.state}`)

describe('what each signing key does', () => {
  it.each([
    ['one key', [key('a', -5)], ['a signing']],
    ['before a rotation takes effect', [key('b', 10), key('a', -5, 20)], ['a signing', 'b upcoming']],
    ['in the millisecond in which it takes effect', [key('a', -5, 20), key('b', 0)], ['b signing', 'a retiring']],
    ['once the old one has left', [key('b', -20), key('a', -50, 0)], ['b signing', 'a retired']],
    [
      'with two old ones, the newer of them first',
      [key('a', -90, 5), key('c', -1), key('b', -50, 9)],
      ['c signing', 'b retiring', 'a retiring'],
    ],
    ['the signing one taken out', [key('b', -1, -1), key('a', -9, 5)], ['a signing', 'b retired']],
    [
      'each algorithm by itself',
      [key('r', -1, undefined, 'RS256'), key('b', 3), key('a', -5, 9)],
      ['a signing', 'b upcoming', 'r signing'],
    ],
    ['two of the same moment, always in the same order', [key('b', -5), key('a', -5)], ['a signing', 'b retiring']],
  ])('is told: %s', (_, keys, expected) => expect(summary(keys)).toEqual(expected))

  it('changes next at the earliest time that is still ahead', () => {
    expect(nextTransition([key('b', 70), key('a', -5, 90), key('o', -9, -1)])).toBe(70)
    expect(nextTransition([key('a', -5)])).toBeUndefined()
  })

  it('counts on the key whose end is not planned', () => {
    expect(openEndedKey([key('a', -5, 90), key('b', 70)], 'ES256')?.kid).toBe('b')
    expect(openEndedKey([key('a', -5, 90)], 'ES256')).toBeUndefined()
  })
})
