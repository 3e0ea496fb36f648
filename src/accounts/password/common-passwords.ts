// Holds the offline list of common passwords (some 49,000, lower case), loaded when it is first asked for.
import { createRequire } from 'node:module'

let words: ReadonlySet<string> | undefined

/** The first call takes some 100 ms and keeps 5 MB: a server may make it before the first person arrives. */
export function commonPasswords(): ReadonlySet<string> {
  if (!words) {
    // An import would add that time to every start, of the command line too.
    const { dictionary } = createRequire(import.meta.url)(
      '@zxcvbn-ts/language-common',
    ) as typeof import('@zxcvbn-ts/language-common')
    words = new Set(dictionary['passwords-common'])
  }
  return words
}
