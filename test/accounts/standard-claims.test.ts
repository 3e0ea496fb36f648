import { join } from 'node:path'
import { profileClaims, readProfile } from '../../src/accounts/standard-claims.ts'
import { createTranslations } from '../../src/language/translations.ts'

const { say } = createTranslations({ directory: join(import.meta.dirname, '../../views/locales') }).english

describe('a standard claim', () => {
  it.each<[string, unknown, unknown]>([
    ['given_name', ' Ann ', 'Ann'],
    ['family_name', "O'Neil-Ötzi 山田", "O'Neil-Ötzi 山田"],
    ['picture', 'https://img.example/a.png', 'https://img.example/a.png'],
    ['website', 'http://ann.example', 'http://ann.example/'],
    ['profile', 'https://social.example/@ann', 'https://social.example/@ann'],
    ['gender', 'female', 'female'],
    ['birthdate', '1990-12-31', '1990-12-31'],
    ['birthdate', '2000-02-29', '2000-02-29'],
    ['birthdate', '0000-02-29', '0000-02-29'],
    ['birthdate', '1990', '1990'],
    ['zoneinfo', 'Europe/Paris', 'Europe/Paris'],
    ['zoneinfo', 'America/Argentina/Buenos_Aires', 'America/Argentina/Buenos_Aires'],
    ['zoneinfo', 'UTC', 'UTC'],
    ['phone_number', '+1 (425) 555-1212', '+14255551212'],
    [
      'address',
      { street_address: '1 High St\nFlat 2', country: 'UK', region: '' },
      { street_address: '1 High St\nFlat 2', country: 'UK' },
    ],
  ])('%s takes %j', (claim, given, kept) => {
    expect(readProfile({ [claim]: given })).toEqual({ profile: { [claim]: kept }, problems: [] })
  })

  it.each<[string, unknown]>([
    ['given_name', 'a'.repeat(201)],
    ['given_name', 'a\u202eb'],
    ['given_name', 'a\nb'],
    ['given_name', 7],
    ['nickname', ['a']],
    ['picture', 'http://img.example/a.png'],
    ['picture', 'javascript:alert(1)'],
    ['picture', 'data:image/png;base64,AA'],
    ['picture', 'https://ann:secret@img.example/'],
    ['picture', `https://img.example/${'a'.repeat(2000)}`],
    ['website', 'ann.example'],
    ['profile', { given_name: 'x' }],
    ['birthdate', '1990-02-30'],
    ['birthdate', '31.12.1990'],
    ['birthdate', '2999-01-01'],
    ['birthdate', '1700-01-01'],
    ['birthdate', '0000'],
    ['birthdate', '1990-13'],
    ['zoneinfo', 'Europe/Atlantis'],
    ['zoneinfo', '+01:00'],
    ['phone_number', '0425 555 1212'],
    ['phone_number', '+0425551212'],
    ['phone_number', '+1234567890123456'],
    ['phone_number', '+1-800-FLOWERS'],
    ['address', 'a text'],
    ['address', ['a']],
    ['address', { planet: 'Mars' }],
    ['address', { country: 'U\nK' }],
    ['address', { locality: 7 }],
    ['address', { formatted: 'a'.repeat(501) }],
    ['email', 'a@example.com'],
    ['email_verified', true],
    ['preferred_username', 'ann'],
    ['phone_number_verified', true],
    ['sub', 'x'],
    ['roles', ['owner']],
    ['constructor', 'x'],
  ])('%s refuses %j, and says so', (claim, given) => {
    const { profile, problems } = readProfile({ [claim]: given })
    expect(profile).toEqual({})
    expect(problems).toEqual([expect.objectContaining({ field: `profile.${claim}` })])
    expect(problems.map(say).join()).toMatch(/\.$/)
  })

  it('is left away where it says nothing', () => {
    const nothing = { given_name: '', family_name: null, nickname: undefined, address: { country: '' } }
    expect(readProfile(nothing)).toEqual({ profile: {}, problems: [] })
  })

  it('survives a prototype in disguise', () => {
    const given = JSON.parse('{ "__proto__": { "given_name": "x" } }')
    expect(readProfile(given).problems).toHaveLength(1)
  })

  it('has a sentence for each', () => {
    for (const claim of profileClaims) expect(say({ key: `account-fields.${claim}` })).toMatch(/\.$/)
  })
})
