// Reads one line of an import file: an account as another system knew it, or what is wrong with it.
import type { AccountInput } from '../../accounts/account-registration.ts'

export type AccountLine =
  | { ok: true; account: AccountInput; isDisabled: boolean; ignored: string[] }
  | { ok: false; message: string }

type Read = { account: Partial<AccountInput>; ignored: string[]; wrong: string[] }

const text = (value: unknown): value is string => typeof value === 'string'
const flag = (value: unknown): value is boolean => typeof value === 'boolean'
const texts = (value: unknown): value is string[] => Array.isArray(value) && value.every(text)

/** Of each field: what it must be, and where it goes. */
const fields: Record<
  string,
  [is: (value: unknown) => boolean, kind: string, take: (value: never) => Partial<AccountInput>]
> = {
  email: [text, 'a string', (email: string) => ({ email })],
  email_verified: [flag, 'true or false', (isEmailVerified: boolean) => ({ isEmailVerified })],
  name: [text, 'a string', (name: string) => ({ name })],
  password_hash: [text, 'a string', (passwordHash: string) => ({ passwordHash })],
  disabled: [flag, 'true or false', () => ({})],
  totp_secret: [text, 'a string', () => ({})],
  roles: [texts, 'a list of strings', (roles: string[]) => ({ roles })],
  created_at: [isTime, 'a time such as 2024-01-31T12:00:00Z', (at: string) => ({ createdAt: new Date(at) })],
  sub: [text, 'a string', (sub: string) => ({ sub })],
}

export function readAccountLine(line: string): AccountLine {
  const given = parsed(line)
  if (!given) return { ok: false, message: 'It is not a JSON object.' }
  const read: Read = { account: {}, ignored: [], wrong: [] }
  // null says "not there", as other systems' exports do.
  for (const [name, value] of Object.entries(given)) if (value !== null) readField(read, name, value)
  const { account, ignored, wrong } = read
  const { email, passwordHash } = account
  if (passwordHash !== undefined) wrong.push(...hashProblems(passwordHash))
  if (wrong.length > 0) return { ok: false, message: wrong.join(' ') }
  if (email === undefined) return { ok: false, message: 'It has no email.' }
  return { ok: true, account: { ...account, email }, isDisabled: given.disabled === true, ignored }
}

function readField({ account, ignored, wrong }: Read, name: string, value: unknown): void {
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined
  if (!field) {
    wrong.push(`There is no field ${name.slice(0, 50)}.`)
    return
  }
  const [is, kind, take] = field
  if (!is(value)) wrong.push(`${name} must be ${kind}.`)
  else Object.assign(account, take(value as never))
  if (name === 'totp_secret') ignored.push('totp_secret is ignored: second factors are not supported yet.')
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

function isTime(value: unknown): boolean {
  return (
    text(value) && /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(value) && Date.parse(value) > 0
  )
}

const argon2 = /^\$argon2(?:id|i)\$(?:v=\d+\$)?m=(\d+),t=(\d+),p=(\d+)\$[\w+/]{8,}\$[\w+/]{16,}$/
const mostMemory = 1_048_576
const mostPasses = 100

function hashProblems(hash: string): string[] {
  const [, memory, passes, lanes] = argon2.exec(hash) ?? []
  if (memory === undefined) {
    const [scheme = ''] = /^\$?[\w.-]{1,20}/.exec(hash) ?? []
    return [`password_hash ${scheme}… is not supported yet: only argon2id and argon2i in PHC form.`]
  }
  // Every sign-in would cost that much.
  if (Number(memory) > mostMemory || Number(passes) > mostPasses || Number(lanes) > 64)
    return [`password_hash costs too much: at most m=${mostMemory} (KiB), t=${mostPasses}, p=64.`]
  return []
}
