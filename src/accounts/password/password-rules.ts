// Says what is wrong with a new password at a glance: length, a blocklist (NIST SP 800-63B-4 3.1.1.2), and composition where it is asked for.
import type { Config } from '../../config.ts'
import type { Sentence } from '../../language/translations.ts'
import { commonPasswords } from './common-passwords.ts'
import { isBuiltOn, isSequence, repeatedUnit } from './password-patterns.ts'

export type CharacterClass = Config['password']['composition'][number]

const maximumLength = 256
const longestRepeatedUnit = 4

const classes: Record<CharacterClass, RegExp> = {
  lower: /\p{Ll}/u,
  upper: /\p{Lu}/u,
  digit: /\p{Nd}/u,
  symbol: /[\p{P}\p{S}]/u,
}

const lackingTexts: Record<CharacterClass, string> = {
  lower: 'password.lacks_lower',
  upper: 'password.lacks_upper',
  digit: 'password.lacks_digit',
  symbol: 'password.lacks_symbol',
}

export interface RuleContext {
  /** In code points: 15 where the password is the only factor, 8 beside a second one. */
  minimumLength: number
  /** The person's e-mail address and name, the product's name: what a guesser tries first. */
  personalWords: readonly string[]
  composition?: readonly CharacterClass[]
}

/** Undefined when these rules find nothing. */
export function passwordProblem(password: string, context: RuleContext): Sentence | undefined {
  const { minimumLength: minimum, personalWords, composition = [] } = context
  if (isTooLong(password)) return { key: 'password.too_long', values: { maximum: maximumLength } }
  if (password.includes('\0') || !password.isWellFormed()) return { key: 'password.unusable_character' }
  if (passwordLength(password) < minimum) return { key: 'password.too_short', values: { minimum } }
  const lacking = composition.find((name) => !classes[name].test(password))
  if (lacking) return { key: lackingTexts[lacking] }
  const text = comparable(password)
  if ([...repeatedUnit(text)].length <= longestRepeatedUnit) return { key: 'password.repetition' }
  if (isSequence(text)) return { key: 'password.sequence' }
  const personal = wordsOf(personalWords)
  if (isBuiltOn(text, (word) => personal.has(word))) return { key: 'password.personal' }
  if (isBuiltOn(text, (word) => commonPasswords().has(word))) return { key: 'password.common' }
  return undefined
}

/** Asked before anything costly is done with a password; no valid one is refused (RFC 8265 counts after NFC). */
export const isTooLong = (password: string): boolean =>
  // The first test keeps a megabyte from being normalised and counted.
  password.length > 4 * maximumLength || passwordLength(password) > maximumLength

/** In code points. */
export const passwordLength = (text: string): number => [...text.normalize('NFC')].length

/** Only to compare: the password itself is kept as it was typed. */
const comparable = (text: string) => text.normalize('NFKC').toLowerCase()

function wordsOf(personalWords: readonly string[]): Set<string> {
  const words = personalWords.map(comparable).flatMap((word) => {
    const parts = word.split(/[^\p{L}\p{N}]+/u)
    return [word, parts.join(''), ...parts, ...parts.map((part) => part.replace(/^\P{L}+|\P{L}+$/gu, ''))]
  })
  return new Set(words.filter((word) => word.length >= 3))
}
