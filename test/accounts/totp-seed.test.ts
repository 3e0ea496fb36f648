import { generate } from 'otplib'
import { readTotpSeed } from '../../src/accounts/transfer/totp-seed.ts'

const twenty = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'

describe('a TOTP seed from another system', () => {
  it.each([
    [twenty, twenty],
    ['jbsw y3dp-ehpk 3pxp jbsw y3dp ehpk 3pxp', twenty],
    ['JBSWY3DPEHPK3PXPJBSWY3DPEE======', 'JBSWY3DPEHPK3PXPJBSWY3DPEE'],
    // Spare bits that are set, and characters that make no byte.
    ['JBSWY3DPEHPK3PXPJBSWY3DPEH', 'JBSWY3DPEHPK3PXPJBSWY3DPEE'],
    ['JBSWY3DPEHPK3PXPJBSWY3DPEHP', 'JBSWY3DPEHPK3PXPJBSWY3DPEE'],
    [`${twenty}7`, twenty],
    [`${twenty.repeat(3)}GEZDGNB7`.slice(0, 103), `${twenty.repeat(3)}GEZDGNA`],
  ])('%s is %s, which the reader of codes accepts', async (given, kept) => {
    expect(readTotpSeed(given)).toBe(kept)
    expect(await generate({ secret: kept })).toMatch(/^\d{6}$/)
  })

  it.each([
    '',
    'JBSWY3DPEHPK3PXP',
    'JBSWY3DPEHPK3PXPJBSWY3DPE',
    `${twenty}1`,
    `${twenty}!`,
    twenty.repeat(4),
    `=${twenty}`,
  ])('is not %j', (given) => {
    expect(readTotpSeed(given)).toBeUndefined()
  })
})
