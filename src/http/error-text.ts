// Finds the words for a refusal in its reader's language: by its own sentence, by its code, or else what it says in English.
import type { AppError } from './errors.ts'
import type { Reader } from './views.ts'

export interface ErrorText {
  title: string
  message: string
  /** There is no text of ours: the message is what the error says, in English. */
  isEnglish: boolean
}

export function errorText(
  reader: Reader,
  { code, status, message, sentence }: Pick<AppError, 'code' | 'status' | 'message' | 'sentence'>,
): ErrorText {
  const titles = [`errors.${code}.title`, `errors.status.${status}`]
  const lastTitle = status < 500 ? 'errors.status.4xx' : 'errors.status.500'
  const title = reader.t(titles.find((key) => reader.has(key)) ?? lastTitle)
  const known = sentence ?? { key: `errors.${code}` }
  return reader.has(known.key)
    ? { title, message: reader.t(known.key, known.values), isEnglish: false }
    : { title, message, isEnglish: true }
}
