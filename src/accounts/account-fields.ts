// Says what is wrong with the fields of an account, and brings them into the form in which they are kept.
import type { Sentence } from '../language/translations.ts'
import type { HashSchemes } from './password/imported/hash-schemes.ts'
import { isPlainLine, localeTag, readProfile } from './standard-claims.ts'

export interface AccountInput {
  email: string
  /** A second name to sign in by. */
  username?: string | undefined
  name?: string | undefined
  /** Standard claims by their own names, such as `given_name`. */
  profile?: Record<string, unknown> | undefined
  /** A BCP 47 tag. */
  locale?: string | undefined
  isEmailVerified?: boolean | undefined
  /** Give this or `passwordHash`, or neither for an account that cannot sign in with a password. */
  password?: string | undefined
  /** As it came from another system, in one of the forms of docs/importing-accounts.md. */
  passwordHash?: string | undefined
  roles?: string[] | undefined
  /** Kept from another system, so that references to it live on; made here when it is missing. */
  sub?: string | undefined
  createdAt?: Date | undefined
}

/** A sentence about one field; `profile.given_name` is a field too. */
export interface Problem extends Sentence {
  field: keyof AccountInput | `profile.${string}`
}

export type AnyFields = { [Field in keyof AccountInput]?: AccountInput[Field] | undefined }

/** One means something to this server itself: `owner`. The others are for the APIs that ask for them. */
export const accountRole = /^[\w-]{1,64}$/
const mostRoles = 50

export function fieldProblems(fields: AnyFields, schemes: Pick<HashSchemes, 'problem'>): Problem[] {
  const { email, username, name, profile, locale, roles, sub, createdAt, passwordHash } = fields
  const wrongRole = roles?.find((role) => !accountRole.test(role)) ?? roles?.[mostRoles]
  const checks: [keyof AccountInput, Sentence | undefined][] = [
    ['email', email === undefined ? undefined : emailProblem(email)],
    ['username', username === undefined ? undefined : usernameProblem(username)],
    ['name', when(name !== undefined && !isPlainLine(name, 200), 'account-fields.name')],
    ['locale', when(Boolean(locale) && localeTag(locale ?? '') === undefined, 'account-fields.locale')],
    [
      'roles',
      when(wrongRole !== undefined, 'account-fields.role', {
        role: wrongRole?.slice(0, 50) ?? '',
        most: mostRoles,
      }),
    ],
    ['sub', sub === undefined ? undefined : subProblem(sub)],
    ['createdAt', when(createdAt !== undefined && !(createdAt.getTime() > 0), 'account-fields.created_at')],
    ['passwordHash', passwordHash === undefined ? undefined : schemes.problem(passwordHash)],
  ]
  const problems = checks.flatMap(([field, sentence]): Problem[] => (sentence ? [{ field, ...sentence }] : []))
  return profile === undefined ? problems : [...problems, ...readProfile(profile).problems]
}

/** Once they have no problems. What is not given stays away. */
export function tidyFields<Fields extends AnyFields>(fields: Fields): Fields {
  const { email, username, name, profile, locale, roles } = fields
  return {
    ...fields,
    ...(email !== undefined && { email: email.trim() }),
    ...(username !== undefined && { username: username.trim() }),
    ...(name !== undefined && { name: name.trim() }),
    ...(profile !== undefined && { profile: readProfile(profile).profile }),
    ...(locale && { locale: localeTag(locale) }),
    ...(roles !== undefined && { roles: [...new Set(roles)] }),
  }
}

const when = (isWrong: boolean, key: string, values?: Sentence['values']): Sentence | undefined =>
  isWrong ? { key, ...(values && { values }) } : undefined

/** It is not asked whether mail arrives there. */
function emailProblem(given: string): Sentence | undefined {
  const email = given.trim()
  if (email.length > 254) return { key: 'account-fields.email_long' }
  const [local = '', domain = '', ...more] = email.split('@')
  const isGood =
    more.length === 0 &&
    local.length <= 64 &&
    /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u.test(local) &&
    (domain === 'localhost' ||
      /^([\p{L}\p{M}\p{N}]([\p{L}\p{M}\p{N}-]{0,62})\.)+[\p{L}\p{N}][\p{L}\p{M}\p{N}-]*$/u.test(domain))
  return when(!isGood, 'account-fields.email')
}

// ASCII only: a name that looks like another's is another's in the eyes of who reads it, and the database's lower()
// takes other letters for the same on one machine and not on the next.
function usernameProblem(given: string): Sentence | undefined {
  const username = given.trim()
  // Empty takes it away.
  if (username === '') return undefined
  return when(!/^[A-Za-z0-9](?:[A-Za-z0-9._-]{1,62})[A-Za-z0-9]$/.test(username), 'account-fields.username')
}

// OpenID Connect Core, 2: at most 255 ASCII characters. Client ids are another space (RFC 9700, 4.15).
function subProblem(sub: string): Sentence | undefined {
  return (
    when(!/^[\x21-\x7e]{1,255}$/.test(sub), 'account-fields.sub') ??
    when(/^(client_|gatehouse-)/.test(sub), 'account-fields.sub_like_client')
  )
}
