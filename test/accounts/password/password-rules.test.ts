import { join } from 'node:path'
import { commonPasswords } from '../../../src/accounts/password/common-passwords.ts'
import { type CharacterClass, passwordProblem } from '../../../src/accounts/password/password-rules.ts'
import { createTranslations } from '../../../src/language/translations.ts'

const personalWords = ['anna.meier1987@example.com', 'Anna Meier', 'Gatehouse']
const { say } = createTranslations({ directory: join(import.meta.dirname, '../../../views/locales') }).english
const problem = (password: string, minimumLength = 15) => {
  const sentence = passwordProblem(password, { minimumLength, personalWords })
  return sentence && say(sentence)
}

describe('choosing a password', () => {
  it.each([
    'correct horse battery staple',
    '   leading and trailing spaces   ',
    'всё хорошо сегодня',
    '私の猫は毎朝六時に起きます本当に',
    '🐎🔋📎✅🌙🌊🍎🎈🎲🎸🏔️🚲🛶🧭',
    'kT7#vQ2!mZp9xLw',
    '839201746510293847',
    'qwertz ist keine Antwort',
    'my dragon wears 3 hats',
    'the gatehouse at dawn, foggy',
    'anna likes long walks in Meierhof',
    `${'long passphrases are welcome here '.repeat(7)}too`,
  ])('accepts %s', (password) => {
    expect(problem(password)).toBeUndefined()
  })

  it('counts code points, and 15 of them are enough', () => {
    expect(problem('kT7#vQ2!mZp9xL')).toContain('at least 15 characters')
    expect(problem('kT7#vQ2!mZp9xLw')).toBeUndefined()
    expect(problem('🐎🔋📎✅🌙🌊🍎')).toContain('too short')
    expect(problem('ö1x2é3v4ü5w6à7'.normalize('NFD'))).toContain('too short')
  })

  it('lets the minimum be 8 beside a second factor', () => {
    expect(problem('kT7#vQ2', 8)).toContain('at least 8 characters')
    expect(problem('kT7#vQ2!', 8)).toBeUndefined()
  })

  it('accepts 256 characters and no more, and is quick about a megabyte', () => {
    const text = Array.from({ length: 260 }, (_, index) => String.fromCodePoint(0x1f300 + ((index * 37) % 400)))
    expect(problem(text.slice(0, 256).join(''))).toBeUndefined()
    expect(problem(text.slice(0, 257).join(''))).toContain('at most 256 characters')
    const start = performance.now()
    expect(problem('ab'.repeat(500_000))).toContain('too long')
    expect(performance.now() - start).toBeLessThan(20)
  })

  it('refuses NUL and half characters', () => {
    expect(problem('correct horse\0battery staple')).toContain('cannot be used')
    expect(problem('correct horse \ud83d battery')).toContain('cannot be used')
  })

  it.each([
    'aaaaaaaaaaaaaaa',
    '               ',
    '🐎🐎🐎🐎🐎🐎🐎🐎🐎🐎🐎🐎🐎🐎🐎',
    'abababababababab',
    '1a2b1a2b1a2b1a2b',
  ])('refuses %s as a repetition', (password) => {
    expect(problem(password)).toContain('repeats')
  })

  it.each([
    'abcdefghijklmno',
    'ZYXWVUTSRQPONMLK',
    '123456789012345',
    '1-2-3-4-5-6-7-8-9-0',
    'qwertyuiopasdfg',
    'Qwertzuiopasdfgh',
    '1qaz2wsx3edc4rf',
    '!@#$%^&*()12345',
    'aaabbbcccdddeee',
    'qwerty qwerty 1234',
  ])('refuses %s as a sequence', (password) => {
    expect(problem(password)).toContain('keyboard or the alphabet')
  })

  it.each([
    'passwordpassword',
    'PasswordPassword',
    'password password',
    'p a s s w o r d 1 2 3 4 5',
    'ｐａｓｓｗｏｒｄ2026!!!',
    'Password2026!!!!',
    '!!!2026-monkey-77',
    'trustno1-------',
    '1999 trustno1 2026',
    'trustno1trustno1trus',
    'letmeinletmein!!7',
    'ncc1701-2026-11-23',
    '147258369-2026!',
    'bpgjldsgjldthnf',
    'fuckyou2fuckyou2',
  ])('refuses %s as common', (password) => {
    expect(problem(password)).toContain('lists of common passwords')
  })

  it.each([
    'anna.meier1987@example.com',
    'ANNA.MEIER1987@EXAMPLE.COM',
    'Anna Meier 1987!',
    'annameier!!!!!!!!',
    'meier1987meier1987',
    'gatehousegatehouse',
    'Gatehouse-2026-11',
    '2026: gatehouse!',
  ])('refuses %s as built on what everybody knows', (password) => {
    expect(problem(password)).toContain('built on your name')
  })

  it.each<[string, CharacterClass[], string | undefined]>([
    ['correct horse battery staple', [], undefined],
    ['correct horse battery staple', ['lower'], undefined],
    ['correct horse battery staple', ['lower', 'upper'], 'password.lacks_upper'],
    ['Correct horse battery staple', ['lower', 'upper', 'digit'], 'password.lacks_digit'],
    ['Correct horse battery 4 staple', ['lower', 'upper', 'digit', 'symbol'], 'password.lacks_symbol'],
    ['Correct horse; battery 4 staple', ['lower', 'upper', 'digit', 'symbol'], undefined],
    ['ÜBER DEN DÄCHERN 7 %', ['lower'], 'password.lacks_lower'],
    ['Über den Dächern ٣ €', ['lower', 'upper', 'digit', 'symbol'], undefined],
  ])('where composition is asked for: %s with %j', (password, composition, key) => {
    expect(passwordProblem(password, { minimumLength: 15, personalWords, composition })?.key).toBe(key)
  })

  it('knows some 49,000 common passwords, in lower case', () => {
    expect(commonPasswords().size).toBeGreaterThan(49_000)
    expect(commonPasswords().has('letmein')).toBe(true)
  })

  it('stays quick on what is hardest to judge', () => {
    for (const hardest of [`${'12'.repeat(60)}x${'73'.repeat(67)}`, '8391746502'.repeat(25), `${'ab1'.repeat(85)}c`]) {
      problem(hardest)
      const start = performance.now()
      problem(hardest)
      expect(performance.now() - start).toBeLessThan(100)
    }
  })
})
