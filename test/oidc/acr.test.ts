// What passed methods amount to, and what requests demand: every case that matters (OpenID Connect Core 5.5.1.1, RFC 8176).
import fc from 'fast-check'
import {
  acrOf,
  acrValues,
  amrOf,
  demandedAcr,
  levelOf,
  type PassedMethod,
  reportedAcr,
} from '../../src/oidc/policy/acr.ts'

const [one, two, phr] = acrValues
const passed = (method: PassedMethod['method'], more: Partial<PassedMethod> = {}): PassedMethod => ({
  method,
  at: 1_700_000_000,
  ...more,
})
const [password, link, totp] = [passed('password'), passed('link'), passed('totp')]
const [mailed, recovery] = [passed('email_code'), passed('recovery_code')]
const verified = passed('passkey', { isUserVerified: true, isMultiDevice: true })
const bound = passed('passkey', { isUserVerified: true, isMultiDevice: false })
const present = passed('passkey', { isUserVerified: false, isMultiDevice: false })

const rows: [string, PassedMethod[], string, string[]][] = [
  ['nothing', [], '0', []],
  ['a password', [password], one, ['pwd']],
  ['a link by mail', [link], one, ['email']],
  ['a TOTP code alone', [totp], '0', ['otp']],
  ['a recovery code alone', [recovery], '0', ['otp']],
  ['a code by mail alone', [mailed], '0', ['email']],
  ['password and TOTP', [password, totp], two, ['mfa', 'otp', 'pwd']],
  ['password and recovery code', [password, recovery], two, ['mfa', 'otp', 'pwd']],
  ['password and code by mail', [password, mailed], two, ['email', 'mfa', 'pwd']],
  ['link and TOTP', [link, totp], two, ['email', 'mfa', 'otp']],
  ['link and recovery code', [link, recovery], two, ['email', 'mfa', 'otp']],
  ['link and code by mail: one mailbox', [link, mailed], one, ['email']],
  ['password and link', [password, link], one, ['email', 'pwd']],
  ['the password twice', [password, password], one, ['pwd']],
  ['a passkey that has verified its user', [verified], phr, ['mfa', 'swk', 'user']],
  ['the same, bound to one device', [bound], phr, ['hwk', 'mfa', 'user']],
  [
    'the same, where nobody knows of which kind it is',
    [passed('passkey', { isUserVerified: true })],
    phr,
    ['mfa', 'pop', 'user'],
  ],
  ['a passkey that has not', [present], one, ['hwk', 'user']],
  ['a passkey that says nothing of it', [passed('passkey', { isMultiDevice: true })], one, ['swk', 'user']],
  ['password and a passkey that has not', [password, present], phr, ['hwk', 'mfa', 'pwd', 'user']],
  ['link and a passkey that has not', [link, present], two, ['email', 'hwk', 'mfa', 'user']],
  ['a passkey that has not, and TOTP', [present, totp], one, ['hwk', 'otp', 'user']],
  ['everything', [password, totp, verified], phr, ['mfa', 'otp', 'pwd', 'swk', 'user']],
]

describe('the level of', () => {
  it.each(rows)('%s', (_, methods, acr, amr) => {
    expect([acrOf(methods), amrOf(methods)]).toEqual([acr, amr])
    expect([acrOf(methods.toReversed()), amrOf(methods.toReversed())]).toEqual([acr, amr])
  })

  it('another method never becomes lower, and is never multi-factor below the second level', () => {
    const method = fc.constantFrom(password, link, totp, mailed, recovery, verified, bound, present)
    fc.assert(
      fc.property(fc.array(method, { maxLength: 4 }), method, (methods, more) => {
        expect(levelOf(acrOf([...methods, more]))).toBeGreaterThanOrEqual(levelOf(acrOf(methods)))
        expect(amrOf(methods).includes('mfa')).toBe(levelOf(acrOf(methods)) > 1)
      }),
    )
  })

  it('a name is its place in the list', () => {
    expect([undefined, '', '0', 'phrh', 'PHR', ...acrValues].map(levelOf)).toEqual([0, 0, 0, 0, 0, 1, 2, 3])
  })
})

const claims = (acr: unknown, target = 'id_token') => JSON.stringify({ [target]: { acr } })
const nothing = { level: 0, isEssential: false, values: [] }
const impossible = { level: Number.POSITIVE_INFINITY, isEssential: true, values: [] }
const demands: [string, Record<string, unknown>, object][] = [
  ['nothing', {}, nothing],
  ['one value', { acr_values: two }, { level: 2, isEssential: false, values: [two] }],
  ['any of two', { acr_values: `${phr} ${two}` }, { level: 2, isEssential: false, values: [phr, two] }],
  ['known and unknown ones', { acr_values: `gold ${phr} ${phr}` }, { level: 3, isEssential: false, values: [phr] }],
  ['unknown ones, voluntary', { acr_values: 'gold silver' }, nothing],
  [
    'a value that is essential',
    { claims: claims({ essential: true, value: phr }) },
    { level: 3, isEssential: true, values: [phr] },
  ],
  [
    'values that are essential',
    { claims: claims({ essential: true, values: [phr, one] }) },
    { level: 1, isEssential: true, values: [phr, one] },
  ],
  ['values that are not', { claims: claims({ values: [two] }) }, { level: 2, isEssential: false, values: [two] }],
  ['unknown ones that are essential', { claims: claims({ essential: true, values: ['gold'] }) }, impossible],
  ['an unknown one that is not', { claims: claims({ value: 'gold' }) }, nothing],
  ['any level, essential', { claims: claims({ essential: true }) }, nothing],
  [
    'any level, essential, beside acr_values',
    { claims: claims({ essential: true }), acr_values: two },
    { level: 2, isEssential: false, values: [two] },
  ],
  [
    'something essential beside acr_values, which soften nothing',
    { claims: claims({ essential: true, value: phr }), acr_values: one },
    { level: 3, isEssential: true, values: [phr] },
  ],
  [
    'two voluntary lists',
    { claims: claims({ values: [phr] }), acr_values: two },
    { level: 2, isEssential: false, values: [phr, two] },
  ],
  [
    'essential in words other than true',
    { claims: claims({ essential: 'true', value: two }) },
    { level: 2, isEssential: false, values: [two] },
  ],
  ['essential values that are no list of names', { claims: claims({ essential: true, values: { a: 1 } }) }, impossible],
  ['an essential empty list', { claims: claims({ essential: true, values: [] }) }, impossible],
  ['essential numbers', { claims: claims({ essential: true, values: [2, null] }) }, impossible],
  ['userinfo only', { claims: claims({ essential: true, value: phr }, 'userinfo') }, nothing],
  [
    'an object that was parsed already',
    { claims: { id_token: { acr: { value: two } } } },
    { level: 2, isEssential: false, values: [two] },
  ],
  ...[7, null, [], ['phr'], { phr: 1 }, ''].map((junk): [string, Record<string, unknown>, object] => [
    `acr_values ${JSON.stringify(junk)}`,
    { acr_values: junk },
    nothing,
  ]),
  ...[
    '{',
    'null',
    '[]',
    '7',
    '"phr"',
    '{"id_token":null}',
    '{"id_token":[]}',
    '{"id_token":{"acr":null}}',
    '{"id_token":{"acr":"phr"}}',
  ].map((junk): [string, Record<string, unknown>, object] => [`claims ${junk}`, { claims: junk }, nothing]),
]

describe('the demand of a request for', () => {
  it.each(demands)('%s', (_, params, demand) => {
    expect(demandedAcr(params)).toEqual(demand)
  })

  it('anything at all is understood or ignored', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('acr_values', 'claims'), fc.oneof(fc.anything(), fc.json())),
        (params) => {
          expect(demandedAcr(params).values.every((value) => levelOf(value) > 0)).toBe(true)
        },
      ),
    )
  })
})

describe('what tokens tell of a level', () => {
  const reported: [string | undefined, string | undefined, string | undefined][] = [
    [phr, undefined, phr],
    [phr, two, two],
    [phr, `${one} ${two}`, two],
    [phr, `${one} ${phr}`, phr],
    [two, phr, two],
    [two, `${phr} ${one}`, one],
    [two, 'gold', two],
    [one, two, one],
    [undefined, two, undefined],
    ['0', one, '0'],
  ]
  it.each(reported)('reached %p, requested %p: %p', (reached, requested, acr) => {
    expect(reportedAcr(reached, { acr_values: requested })).toBe(acr)
  })
})
