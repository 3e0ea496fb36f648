// Reads one line of an import file: an account as another system knew it, or what is wrong with it.
import type { AccountInput } from '../../accounts/account-registration.ts'
import type { ImportedAccount } from '../../accounts/transfer/account-import.ts'
import { isStorableJson } from '../../http/request/storable-text.ts'

export type AccountLine = { ok: true; imported: ImportedAccount } | { ok: false; message: string }

type Given = Partial<ImportedAccount['account']>
type More = Partial<Omit<ImportedAccount, 'account' | 'line'>>

const text = (value: unknown): value is string => typeof value === 'string'
const flag = (value: unknown): value is boolean => typeof value === 'boolean'
const texts = (value: unknown): value is string[] => Array.isArray(value) && value.every(text)
const object = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value)

interface Field {
  is(value: unknown): boolean
  /** What it must be. */
  kind: string
  account?(value: never): Given
  more?(value: never): More
}

const aString = { is: text, kind: 'a string' }
const aFlag = { is: flag, kind: 'true or false' }
const aTime = { is: isTime, kind: 'a time such as 2024-01-31T12:00:00Z' }

const fields: Record<string, Field> = {
  email: { ...aString, account: (email: string) => ({ email }) },
  email_verified: { ...aFlag, account: (isEmailVerified: boolean) => ({ isEmailVerified }) },
  username: { ...aString, account: (username: string) => ({ username }) },
  name: { ...aString, account: (name: string) => ({ name }) },
  profile: { is: object, kind: 'an object', account: (profile: Record<string, unknown>) => ({ profile }) },
  locale: { ...aString, account: (locale: string) => ({ locale }) },
  password_hash: { ...aString, account: (passwordHash: string) => ({ passwordHash }) },
  password_changed_at: { ...aTime, more: (at: string) => ({ passwordChangedAt: new Date(at) }) },
  password_is_short: { ...aFlag, more: (isPasswordShort: boolean) => ({ isPasswordShort }) },
  email_code_enabled: { ...aFlag, more: (isEmailCodeEnabled: boolean) => ({ isEmailCodeEnabled }) },
  disabled: { ...aFlag, more: (isDisabled: boolean) => ({ isDisabled }) },
  totp_secret: { ...aString, more: (totpSecret: string) => ({ totpSecret }) },
  roles: { is: texts, kind: 'a list of strings', account: (roles: string[]) => ({ roles }) },
  created_at: { ...aTime, account: (at: string) => ({ createdAt: new Date(at) }) },
  sub: { ...aString, account: (sub: string) => ({ sub }) },
}

export function readAccountLine(line: number, content: string): AccountLine {
  const given = parsed(content)
  if (!given) return { ok: false, message: 'It is not a JSON object.' }
  if (!isStorableJson(given)) return { ok: false, message: 'It holds a character that cannot be stored.' }
  const [account, more, wrong]: [Given, More, string[]] = [{}, {}, []]
  for (const [name, value] of Object.entries(given)) {
    // null says "not there", as other systems' exports do.
    if (value === null) continue
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (!field) wrong.push(`There is no field ${name.slice(0, 50)}.`)
    else if (!field.is(value)) wrong.push(`${name} must be ${field.kind}.`)
    else {
      Object.assign(account, field.account?.(value as never))
      Object.assign(more, field.more?.(value as never))
    }
  }
  if (wrong.length > 0) return { ok: false, message: wrong.join(' ') }
  if (account.email === undefined) return { ok: false, message: 'It has no email.' }
  return { ok: true, imported: { isDisabled: false, ...more, line, account: withEmail(account, account.email) } }
}

const withEmail = (account: Given, email: string): Omit<AccountInput, 'password'> => ({ ...account, email })

function parsed(content: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(content)
    return object(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function isTime(value: unknown): boolean {
  return (
    text(value) && /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(value) && Date.parse(value) > 0
  )
}
