// Decides which passwords this deployment takes, and when one has grown too old: the one place for both.
import type { Config } from '../../config.ts'
import type { Sentence } from '../../language/translations.ts'
import type { Account } from '../account-store.ts'
import type { Passwords } from './password.ts'
import { type CharacterClass, passwordLength, passwordProblem } from './password-rules.ts'
import type { PasswordStrength } from './password-strength.ts'

export interface PasswordContext {
  /** What a guesser knows of the person; the product's name is added here. */
  personalWords: readonly string[]
  hasSecondFactor: boolean
  /** Hashes of passwords that may not come back, the present one's included. */
  earlierHashes?: readonly string[]
}

export interface PasswordPolicy {
  /** What is wrong with it, for its owner to read; `busy` when that cannot be said just now. */
  problem(password: string, context: PasswordContext): Promise<Sentence | 'busy' | undefined>
  /** What a page tells before anybody types. */
  hints(hasSecondFactor: boolean): Sentence[]
  /** In code points. */
  minimumLength(hasSecondFactor: boolean): number
  /** Long enough only beside a second factor. */
  isShort(password: string): boolean
  /** It must be changed at the next sign-in. */
  isExpired(account: Pick<Account, 'passwordChangedAt'>): boolean
  /** How many earlier hashes are kept and compared, beside the present one. */
  historySize: number
  /** Whether the present password may not be set again. */
  refusesPresent: boolean
}

interface Parts {
  rules: Config['password']
  productName: string
  strength: Pick<PasswordStrength, 'score'>
  passwords: Pick<Passwords, 'matches'>
  now(): Date
}

const day = 86_400_000
const hintTexts: Record<CharacterClass, string> = {
  lower: 'password.hint_lower',
  upper: 'password.hint_upper',
  digit: 'password.hint_digit',
  symbol: 'password.hint_symbol',
}

export function createPasswordPolicy(parts: Parts): PasswordPolicy {
  const { rules, productName, strength, passwords, now } = parts
  const { minimumStrength, composition, historySize, maxAgeDays } = rules
  const minimumLength = (hasSecondFactor: boolean) =>
    hasSecondFactor ? rules.minimumLengthWithSecondFactor : rules.minimumLength

  const strengthProblem = async (password: string, words: readonly string[]) => {
    if (minimumStrength === 0) return undefined
    const scored = await strength.score(password, words)
    if (!scored.ok) return scored.reason
    return scored.value < minimumStrength ? { key: 'password.too_easy' } : undefined
  }

  // One after the other: nobody's history fills the queue that others sign in through.
  const historyProblem = async (password: string, hashes: readonly string[]) => {
    for (const hash of hashes) {
      const matched = await passwords.matches(hash, password)
      if (!matched.ok) return matched.reason
      if (matched.value) return { key: 'password.used_before' }
    }
    return undefined
  }

  return {
    problem: async (password, { personalWords, hasSecondFactor, earlierHashes = [] }) => {
      const words = [...personalWords, productName]
      return (
        passwordProblem(password, {
          minimumLength: minimumLength(hasSecondFactor),
          personalWords: words,
          composition,
        }) ??
        (await strengthProblem(password, words)) ??
        (await historyProblem(password, earlierHashes))
      )
    },
    hints: (hasSecondFactor) => [
      { key: 'password.hint_length', values: { minimum: minimumLength(hasSecondFactor) } },
      ...composition.map((name) => ({ key: hintTexts[name] })),
      ...(historySize > 0 ? [{ key: 'password.hint_history' }] : []),
    ],
    minimumLength,
    isShort: (password) => passwordLength(password) < rules.minimumLength,
    isExpired: ({ passwordChangedAt }) =>
      maxAgeDays > 0 && passwordChangedAt !== undefined && +now() - +passwordChangedAt > maxAgeDays * day,
    historySize,
    // A change that changes nothing would make rotation a formality.
    refusesPresent: historySize > 0 || maxAgeDays > 0,
  }
}
