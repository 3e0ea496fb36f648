// Prepares the account of somebody who arrives: it is made when the address is confirmed, and nobody learns who has one already.
import { type AccountMail, mailLifetimes } from '../../accounts/account-mail.ts'
import type { AccountRegistration } from '../../accounts/account-registration.ts'
import type { Account, AccountStore, NewAccount } from '../../accounts/account-store.ts'
import type { EmailCodes } from '../../accounts/factors/email-codes.ts'
import type { FactorThrottle } from '../../accounts/sign-in/factor-throttle.ts'
import type { MailThrottle } from '../../accounts/sign-in/mail-throttle.ts'
import type { Sentence, Translator } from '../../language/translations.ts'
import { waitingTime } from '../../language/waiting-time.ts'
import { evenly } from '../even-time.ts'
import { type FieldProblem, registrationProblems } from '../registration-problems.ts'
import type { PendingSignUp } from '../sign-in-state.ts'

export interface SignUpParts {
  registration: Pick<AccountRegistration, 'prepare'>
  accounts: Pick<AccountStore, 'findByEmail' | 'insert'>
  accountMail: Pick<AccountMail, 'signUpCode' | 'accountExists'>
  /** By network address: whoever makes accounts all day is stopped before a password is hashed. */
  addressLimit: { reserve(address: string): Promise<{ ok: true } | { ok: false; retryAfter: number }> }
  emailCodes: Pick<EmailCodes, 'create' | 'use'>
  throttle: FactorThrottle
  mailThrottle: MailThrottle
  minimumLength: number
}

export interface SignUpInput {
  email: string
  name: string
  username: string
  password: string
  address: string
  language: Translator
  /** The interaction: the code that is mailed is good for that. */
  scope: string
}

type Refused = { ok: false; status: number; problems: FieldProblem[]; retryAfter?: number }
export type SignUpBegun = { ok: true; pending: PendingSignUp } | Refused
export type SignUpConfirmed =
  | { ok: true; account: Account }
  | { ok: false; status: number; error: Sentence; retryAfter?: number }

const purpose = 'sign-up'
const lifetime = mailLifetimes.emailCode
const now = () => Math.floor(Date.now() / 1000)

export type SignUp = ReturnType<typeof createSignUp>

export function createSignUp(parts: SignUpParts) {
  return {
    minimumLength: parts.minimumLength,

    begin: async (given: SignUpInput): Promise<SignUpBegun> => {
      const allowed = await parts.addressLimit.reserve(given.address)
      if (!allowed.ok) return tooMany('sign-in.too_many', allowed.retryAfter, given.language)
      const [email, name, username] = [given.email.trim(), given.name.trim(), given.username.trim()]
      const prepared = await parts.registration.prepare({
        email,
        password: given.password,
        ...(name && { name }),
        ...(username && { username }),
      })
      if (!prepared.ok)
        return {
          ok: false,
          status: prepared.reason === 'busy' ? 503 : 400,
          problems: registrationProblems(prepared, given.language),
        }
      const reservation = await parts.mailThrottle.reserve({ email, address: given.address })
      if (!reservation.ok) return tooMany('sign-in.too_many_mails', reservation.retryAfter, given.language)
      return { ok: true, pending: await evenly(() => invite(pendingOf(prepared.account), given, parts)) }
    },

    /** Makes the account. `scope` is the interaction: whoever guesses codes is counted there. */
    confirm: async (pending: PendingSignUp, code: string, scope: string): Promise<SignUpConfirmed> => {
      const reservation = await parts.throttle.reserve({ scope: `sign-up ${scope}` })
      if (!reservation.ok) {
        const { retryAfter } = reservation
        return { ok: false, status: 429, retryAfter, error: waitingTime('second-factor.too_many', retryAfter) }
      }
      const used = pending.until > now() && (await parts.emailCodes.use({ purpose, scope, code }))
      if (!used) return { ok: false, status: 400, error: { key: 'sign-up.wrong-code' } }
      const { until: _, ...account } = pending
      const created = await parts.accounts.insert({ ...account, isEmailVerified: true })
      if (!created.ok) return { ok: false, status: 400, error: { key: 'sign-up.taken-meanwhile' } }
      await reservation.succeeded()
      return { ok: true, account: created.account }
    },
  }
}

const tooMany = (key: string, retryAfter: number, { say }: Translator): Refused => ({
  ok: false,
  status: 429,
  retryAfter,
  problems: [{ field: 'email', message: say(waitingTime(key, retryAfter)) }],
})

function pendingOf({ email, name, username, passwordHash, isPasswordShort = false }: NewAccount): PendingSignUp {
  if (passwordHash === undefined) throw new TypeError('Whoever signs up has a password.')
  return {
    email,
    passwordHash,
    isPasswordShort,
    until: now() + lifetime,
    ...(name && { name }),
    ...(username && { username }),
  }
}

/** Whoever has an account already is told so by mail, and nobody else: no code is made, so none is right. */
async function invite(
  prepared: PendingSignUp,
  { language, scope }: SignUpInput,
  parts: SignUpParts,
): Promise<PendingSignUp> {
  const existing = await parts.accounts.findByEmail(prepared.email)
  if (existing) await parts.accountMail.accountExists(existing, { language })
  else {
    const code = await parts.emailCodes.create({ purpose, scope, seconds: lifetime })
    await parts.accountMail.signUpCode(prepared.email, { code, language })
  }
  return prepared
}
