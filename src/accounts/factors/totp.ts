// Codes of an authenticator app (RFC 6238: SHA-1, six digits, 30 seconds): enrolment, and each code accepted once.
import { timingSafeEqual } from 'node:crypto'
import { generate, generateSecret, generateURI } from 'otplib'
import type { Database } from '../../database/database.ts'
import type { Sealing } from '../../sealing.ts'
import { qrSvg } from './qr-svg.ts'
import { sixDigits } from './six-digits.ts'
import { createTotpStore } from './totp-store.ts'

export interface TotpEnrolment {
  /** In base32, for those who cannot scan. */
  secret: string
  /** otpauth: as authenticator apps read it. */
  uri: string
  qrSvg: string
  /** Sealed, for this account and 15 minutes; it comes back with the code. */
  enrolment: string
}

export type TotpConfirmed = { ok: true } | { ok: false; reason: 'wrong_code' | 'expired' }

interface Parts {
  database: Database
  sealing: Pick<Sealing, 'seal' | 'open' | 'fingerprints'>
  /** What the app lists the account under. */
  issuerName: string
  /** Milliseconds since the epoch. */
  now: () => number
}

interface Enrolment {
  sub: string
  secret: string
  expiresAt: number
}

const period = 30
const enrolmentMilliseconds = 15 * 60 * 1000
const enrolmentPurpose = 'totp enrolment'
export const totpPurpose = (sub: string) => `totp ${sub}`

export type Totp = ReturnType<typeof createTotp>

export function createTotp({ database, sealing, issuerName, now }: Parts) {
  const store = createTotpStore({ database })
  const currentStep = () => Math.floor(now() / 1000 / period)
  const [sealingKey = ''] = sealing.fingerprints

  const openEnrolment = (sub: string, sealed: string): Enrolment | undefined => {
    const enrolment = openedOrNothing(() => JSON.parse(sealing.open(sealed, enrolmentPurpose)) as Enrolment)
    return enrolment && enrolment.sub === sub && enrolment.expiresAt > now() ? enrolment : undefined
  }

  return {
    /**
     * Keeps nothing: an account has an authenticator once a code has shown that the app has the seed. `begun` goes on with an
     * enrolment whose code was mistyped: its seed may stand in the app already.
     */
    begin: async (account: { sub: string; email: string }, begun?: string): Promise<TotpEnrolment> => {
      const secret = (begun && openEnrolment(account.sub, begun)?.secret) || generateSecret({ length: 20 })
      const uri = generateURI({ issuer: labelPart(issuerName), label: labelPart(account.email), secret })
      const enrolment: Enrolment = { sub: account.sub, secret, expiresAt: now() + enrolmentMilliseconds }
      return { secret, uri, qrSvg: qrSvg(uri), enrolment: sealing.seal(JSON.stringify(enrolment), enrolmentPurpose) }
    },

    /** Replaces the authenticator that there is. The code that confirms it is used up. */
    confirm: async (sub: string, enrolment: string, code: string): Promise<TotpConfirmed> => {
      const opened = openEnrolment(sub, enrolment)
      if (!opened) return { ok: false, reason: 'expired' }
      const step = await matchingStep(opened.secret, code, currentStep())
      if (step === undefined) return { ok: false, reason: 'wrong_code' }
      await store.put({ sub, sealedSecret: sealing.seal(opened.secret, totpPurpose(sub)), sealingKey, step })
      return { ok: true }
    },

    check: async (sub: string, code: string): Promise<boolean> => {
      const seed = await store.find(sub)
      if (!seed) return false
      const step = await matchingStep(sealing.open(seed.sealedSecret, totpPurpose(sub)), code, currentStep())
      return step !== undefined && store.useStep(seed, step)
    },

    remove: store.remove,
  }
}

/** The newest of this step and its neighbours (RFC 6238 section 5.2) that the code belongs to. */
async function matchingStep(secret: string, typed: string, current: number): Promise<number | undefined> {
  const code = sixDigits(typed)
  if (code === undefined) return undefined
  const steps = [current + 1, current, current - 1]
  const codes = await Promise.all(steps.map((step) => generate({ secret, epoch: step * period, period })))
  return steps.filter((_, index) => timingSafeEqual(Buffer.from(codes[index] ?? ''), Buffer.from(code)))[0]
}

/** A colon parts the issuer from the account (Key URI format), so neither may have one. */
const labelPart = (text: string) => text.replaceAll(':', ' ').trim()

function openedOrNothing<T>(open: () => T): T | undefined {
  try {
    return open()
  } catch {
    // Altered, cut short, or sealed for something else: as good as none.
    return undefined
  }
}
