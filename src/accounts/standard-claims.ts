// Holds what OpenID Connect tells of a person (Core 1.0 section 5.1) to the form that the standard gives it.
import type { Sentence } from '../language/translations.ts'

/** Beside those with a column of their own: email, name, locale, and preferred_username, which is the username. */
export const profileClaims = [
  'given_name',
  'family_name',
  'middle_name',
  'nickname',
  'profile',
  'picture',
  'website',
  'gender',
  'birthdate',
  'zoneinfo',
  'phone_number',
] as const
export const addressParts = ['formatted', 'street_address', 'locality', 'region', 'postal_code', 'country'] as const

export type ProfileProblem = Sentence & { field: `profile.${string}` }

/** The claim as it is kept, or undefined where it is none. */
type Reader = (text: string) => string | undefined

const controls = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u

/** One line that shows nothing but itself: no control characters, no change of direction. */
export const isPlainLine = (text: string, longest: number): boolean =>
  text.trim() !== '' && text.length <= longest && !controls.test(text)

const line =
  (longest: number): Reader =>
  (text) =>
    isPlainLine(text, longest) ? text : undefined

const url =
  (protocols: readonly string[]): Reader =>
  (text) => {
    if (text.length > 2000 || !URL.canParse(text)) return undefined
    const { protocol, username, password, href } = new URL(text)
    return protocols.includes(protocol) && username === '' && password === '' ? href : undefined
  }

/** A date; a year alone; or year 0000, which leaves the year out. */
const birthdate: Reader = (text) => {
  const [, year, monthAndDay] = /^(\d{4})(?:-(\d\d-\d\d))?$/.exec(text) ?? []
  if (year === undefined) return undefined
  // A leap year, where none is told.
  const date = new Date(`${year === '0000' ? '2000' : year}-${monthAndDay ?? '01-01'}T00:00:00Z`)
  const isDate = !Number.isNaN(+date) && (monthAndDay === undefined || date.toISOString().slice(5, 10) === monthAndDay)
  if (!isDate || +date > Date.now() || (year === '0000' && monthAndDay === undefined)) return undefined
  return year === '0000' || Number(year) >= 1850 ? text : undefined
}

/** A name of the IANA time zone database. */
const zoneinfo: Reader = (text) => {
  if (!/^[A-Z][\w+/-]{2,63}$/i.test(text)) return undefined
  try {
    new Intl.DateTimeFormat('en', { timeZone: text })
    return text
  } catch {
    return undefined
  }
}

/** E.164; what people put between the digits is left out. */
const phoneNumber: Reader = (text) => {
  const number = text.replace(/[\s().\u00a0-]/g, '')
  return /^\+[1-9]\d{4,14}$/.test(number) ? number : undefined
}

/** BCP 47, in the spelling that the standard prefers. */
export function localeTag(text: string): string | undefined {
  try {
    return text.length <= 64 ? Intl.getCanonicalLocales(text)[0] : undefined
  } catch {
    return undefined
  }
}

const readers: Record<(typeof profileClaims)[number], Reader> = {
  given_name: line(200),
  family_name: line(200),
  middle_name: line(200),
  nickname: line(200),
  profile: url(['https:', 'http:']),
  // Shown by others in their pages.
  picture: url(['https:']),
  website: url(['https:', 'http:']),
  gender: line(100),
  birthdate,
  zoneinfo,
  phone_number: phoneNumber,
}

/** The claims as they are kept, without those that say nothing, and what is wrong with the others. */
export function readProfile(given: Record<string, unknown>): {
  profile: Record<string, unknown>
  problems: ProfileProblem[]
} {
  const profile: Record<string, unknown> = {}
  const problems: ProfileProblem[] = []
  for (const [claim, value] of Object.entries(given)) {
    if (isNothing(value)) continue
    const read = readClaim(claim, value)
    if (read === undefined) problems.push(problemOf(claim))
    else if (!isNothing(read)) profile[claim] = read
  }
  return { profile, problems }
}

const isNothing = (value: unknown) =>
  value === null ||
  value === undefined ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0)

function readClaim(claim: string, value: unknown): unknown {
  if (claim === 'address') return readAddress(value)
  const read = Object.hasOwn(readers, claim) ? readers[claim as keyof typeof readers] : undefined
  return read && typeof value === 'string' ? read(value.trim()) : undefined
}

function readAddress(value: unknown): Record<string, string> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const parts: [string, string][] = []
  for (const [part, text] of Object.entries(value)) {
    if (isNothing(text)) continue
    // Both may span lines (section 5.1.1).
    const spansLines = part === 'formatted' || part === 'street_address'
    const isKnown = addressParts.some((known) => known === part)
    if (!isKnown || typeof text !== 'string') return undefined
    const lines = spansLines ? text.split(/\r?\n/) : [text]
    if (text.length > 500 || !lines.every((each) => each === '' || isPlainLine(each, 500))) return undefined
    parts.push([part, text.trim()])
  }
  return Object.fromEntries(parts)
}

function problemOf(claim: string): ProfileProblem {
  const field = `profile.${claim.slice(0, 50)}` as const
  if (claim === 'address') return { field, key: 'account-fields.address' }
  if (!Object.hasOwn(readers, claim))
    return { field, key: 'account-fields.unknown_claim', values: { claim: claim.slice(0, 50) } }
  return { field, key: `account-fields.${claim}` }
}
