// Reads which browser and system a User-Agent header names, for a person to recognise a device by; it proves nothing.
import bowser from 'bowser'
import type { Sentence } from '../../language/translations.ts'

export interface UserAgentDescription {
  /** Such as `Firefox`. */
  browser: string | undefined
  /** Such as `Windows`. */
  system: string | undefined
}

const longest = 512

/** As it is stored. */
export const clippedUserAgent = (userAgent: string): string => userAgent.slice(0, longest).toWellFormed()

export function describeUserAgent(userAgent: string): UserAgentDescription {
  try {
    const parser = bowser.getParser(clippedUserAgent(userAgent))
    return {
      browser: known(parser.getBrowserName(), bowser.BROWSER_MAP),
      system: known(parser.getOSName(), bowser.OS_MAP),
    }
  } catch {
    // An empty header, or nothing that anybody would call a browser.
    return { browser: undefined, system: undefined }
  }
}

/** The header is a stranger's text, and the words stand in our own messages: only names that everybody knows get there. */
const known = (name: string, names: Record<string, string>): string | undefined =>
  Object.values(names).includes(name) ? name : undefined

/** The same as a sentence, for a page or a message. */
export function browserWords(userAgent: string): Sentence {
  const { browser, system } = describeUserAgent(userAgent)
  if (browser && system) return { key: 'browser.on-system', values: { browser, system } }
  return browser ? { key: 'browser.alone', values: { browser } } : { key: 'browser.unknown' }
}
