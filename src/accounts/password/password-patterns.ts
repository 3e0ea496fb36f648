// Recognises what makes a long password easy to guess: one unit over and over, runs of keys, a known word with padding.
const tracks = [
  'abcdefghijklmnopqrstuvwxyz',
  '1234567890',
  '!@#$%^&*()',
  // Rows of QWERTY, QWERTZ and AZERTY, then the columns from left to right.
  'qwertyuiop',
  'asdfghjkl',
  'zxcvbnm',
  'qwertzuiop',
  'yxcvbnm',
  'azertyuiop',
  'qsdfghjklm',
  'wxcvbn',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p',
]

// Keeps the tries few; a longer word is still found where it stands alone.
const longestPaddedWord = 64
const separators = /[\s\p{P}\p{S}]+/gu

/** The part that the text repeats (the last time perhaps cut short), or the text itself. */
export function repeatedUnit(text: string): string {
  for (let size = 1; size <= text.length / 2; size += 1) {
    if (text.slice(size) === text.slice(0, -size)) return text.slice(0, size)
  }
  return text
}

/** True when runs of neighbouring keys or letters, three long on average, make up the whole text. */
export function isSequence(text: string): boolean {
  return withAndWithoutSeparators(text).some((variant) => runs(variant) <= variant.length / 3)
}

function runs(text: string): number {
  let count = 0
  for (let at = 0; at < text.length; at += longestRun(text, at)) count += 1
  return count
}

function longestRun(text: string, from: number): number {
  let longest = 1
  for (const track of tracks) {
    for (const step of [0, 1, track.length - 1]) {
      let to = from + 1
      while (to < text.length && isNext(track, step, text.charAt(to - 1), text.charAt(to))) to += 1
      longest = Math.max(longest, to - from)
    }
  }
  return longest
}

function isNext(track: string, step: number, before: string, after: string): boolean {
  if (step === 0) return before === after
  const place = track.indexOf(before)
  return place >= 0 && track.charAt((place + step) % track.length) === after
}

/** True when the text is a word that `has` knows: as it is, repeated, or with digits and signs before or after it. */
export function isBuiltOn(text: string, has: (word: string) => boolean): boolean {
  return withAndWithoutSeparators(text).some((variant) => {
    const bare = variant.replace(/^\P{L}+|\P{L}+$/gu, '')
    return [variant, bare].some((part) => has(part) || has(repeatedUnit(part))) || isPadded(variant, has)
  })
}

/** A known word may itself begin or end with digits (`trustno1`), so every border within the padding is tried. */
function isPadded(text: string, has: (word: string) => boolean): boolean {
  const before = text.search(/\p{L}/u)
  const hasLetters = before >= 0
  const lastStart = hasLetters ? before : text.length
  const firstEnd = hasLetters ? text.length - (/\P{L}*$/u.exec(text)?.[0].length ?? 0) : 0
  // Nearly every long number holds some common short one: without letters a word must make up half of the whole.
  const shortest = hasLetters ? 3 : text.length / 2
  for (let start = 0; start <= lastStart; start += 1) {
    const lastEnd = Math.min(text.length, start + longestPaddedWord)
    for (let end = Math.max(firstEnd, Math.ceil(start + shortest)); end <= lastEnd; end += 1) {
      if (has(text.slice(start, end))) return true
    }
  }
  return false
}

const withAndWithoutSeparators = (text: string) => [text, text.replace(separators, '')].filter(Boolean)
