// Says what is wrong with a new password by NIST SP 800-63B-4 3.1.1.2: length and a blocklist, no rules of composition.
import { commonPasswords } from './common-passwords.ts'
import { isBuiltOn, isSequence, repeatedUnit } from './password-patterns.ts'

const maximumLength = 256
const longestRepeatedUnit = 4

export interface PasswordContext {
  /** In code points: 15 where the password is the only factor, 8 beside a second one. */
  minimumLength: number
  /** The person's e-mail address and name, the product's name: what a guesser tries first. */
  personalWords: readonly string[]
}

/** A sentence to show, or undefined when the password is good. */
export function passwordProblem(password: string, { minimumLength, personalWords }: PasswordContext) {
  if (isTooLong(password)) return `This password is too long. Use at most ${maximumLength} characters.`
  if (password.includes('\0') || !password.isWellFormed()) {
    return 'This password contains a character that cannot be used. Choose another one.'
  }
  if (codePoints(password) < minimumLength) {
    return `This password is too short. Use at least ${minimumLength} characters; a few unrelated words are easy to remember.`
  }
  const text = comparable(password)
  if ([...repeatedUnit(text)].length <= longestRepeatedUnit) {
    return 'This password only repeats a few characters. Choose another one.'
  }
  if (isSequence(text)) return 'This password follows the keyboard or the alphabet. Choose another one.'
  const personal = wordsOf(personalWords)
  if (isBuiltOn(text, (word) => personal.has(word))) {
    return 'This password is built on your name, your e-mail address or the name of this service. Choose another one.'
  }
  if (isBuiltOn(text, (word) => commonPasswords().has(word))) {
    return 'This password is on lists of common passwords. Choose another one.'
  }
  return undefined
}

/** Asked before anything costly is done with a password; no valid one is refused (RFC 8265 counts after NFC). */
export const isTooLong = (password: string): boolean =>
  // The first test keeps a megabyte from being normalised and counted.
  password.length > 4 * maximumLength || codePoints(password) > maximumLength

const codePoints = (text: string) => [...text.normalize('NFC')].length

/** Only to compare: the password itself is kept as it was typed. */
const comparable = (text: string) => text.normalize('NFKC').toLowerCase()

function wordsOf(personalWords: readonly string[]): Set<string> {
  const words = personalWords.map(comparable).flatMap((word) => {
    const parts = word.split(/[^\p{L}\p{N}]+/u)
    return [word, parts.join(''), ...parts, ...parts.map((part) => part.replace(/^\P{L}+|\P{L}+$/gu, ''))]
  })
  return new Set(words.filter((word) => word.length >= 3))
}
