import { clippedUserAgent, describeUserAgent } from '../../../src/accounts/devices/user-agent.ts'

describe('describing a browser', () => {
  it.each([
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox', 'Windows'],
    [
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
      'Safari',
      'macOS',
    ],
    [
      'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36',
      'Chrome',
      'Android',
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
      'Safari',
      'iOS',
    ],
    [
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36 Edg/137.0.0.0',
      'Microsoft Edge',
      'Linux',
    ],
  ])('%s', (userAgent, browser, system) => {
    expect(describeUserAgent(userAgent)).toEqual({ browser, system })
  })

  it.each(['', ' ', '\0', 'node', '<script>', '\ud800', '()()()', 'Mozilla/5.0', '__proto__', 'constructor'])(
    'says little about junk, and never throws: %j',
    (userAgent) => {
      const described = describeUserAgent(userAgent)
      for (const value of Object.values(described)) expect(['string', 'undefined']).toContain(typeof value)
      expect(described.system).toBeUndefined()
    },
  )

  it('takes no longer for a header that is made to be slow', () => {
    const units = ['(', 'Mozilla ', 'Version/1.', 'a/1 ', ' ', 'Chrome/', '1.1.1.', 'windows phone ', 'like mac os x ']
    const began = performance.now()
    for (const unit of units) describeUserAgent(unit.repeat(20_000))
    expect((performance.now() - began) / units.length).toBeLessThan(20)
  })

  it('is cut where it is stored, and stays text that can be stored', () => {
    const stored = clippedUserAgent('🦊'.repeat(300).replace(/^/, 'x'))
    expect([stored.length <= 512, stored.isWellFormed()]).toEqual([true, true])
  })
})
