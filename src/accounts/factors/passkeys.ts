// Passkeys (WebAuthn level 3): several for each account, as a second factor or alone, bound to the issuer's host and origin.
import { createHash } from 'node:crypto'
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server'
import type { Database } from '../../database/database.ts'
import { claimedCredential, passkeyAlgorithms, registeredCredential, verifiedAssertion } from './passkey-response.ts'
import { createPasskeyStore, type PasskeyAdded, type PasskeyCredential } from './passkey-store.ts'

export type { Passkey, PasskeyAdded } from './passkey-store.ts'

interface Answer {
  /** That went out with the options; it waits where the browser cannot write. */
  challenge: string
  /** JSON, as the page's script filled it in. */
  response: string
}

export interface PasskeyRegistration extends Answer {
  name: string
}

export interface PasskeyProof extends Answer {
  sub?: string | undefined
}

export type PasskeyAuthenticated =
  | { ok: true; sub: string; passkeyId: string; isUserVerified: boolean; isMultiDevice: boolean }
  | { ok: false }

interface Parts {
  database: Database
  issuer: string
  productName: string
}

// Long enough to fetch a key or to take up the phone (WCAG 2.2.1).
const timeout = 5 * 60 * 1000
const longestName = 60

export type Passkeys = ReturnType<typeof createPasskeys>

export function createPasskeys({ database, issuer, productName }: Parts) {
  const store = createPasskeyStore({ database })
  const { hostname, origin } = new URL(issuer)
  const party = { id: hostname, origin }

  return {
    registrationOptions: async (account: {
      sub: string
      email: string
      name?: string | undefined
    }): Promise<{ options: PublicKeyCredentialCreationOptionsJSON; challenge: string }> => {
      const options = await generateRegistrationOptions({
        rpName: productName,
        rpID: party.id,
        userID: userHandle(account.sub),
        userName: account.email,
        userDisplayName: account.name ?? account.email,
        timeout,
        attestationType: 'none',
        excludeCredentials: (await store.listCredentials(account.sub)).map(descriptor),
        authenticatorSelection: { residentKey: 'required', userVerification: 'preferred' },
        supportedAlgorithmIDs: passkeyAlgorithms,
      })
      return { options, challenge: options.challenge }
    },

    /** Each challenge serves once. */
    register: async (
      sub: string,
      { name, ...ceremony }: PasskeyRegistration,
    ): Promise<PasskeyAdded & { isUserVerified?: boolean }> => {
      const credential = await registeredCredential(ceremony, party)
      if (!credential) return { ok: false, reason: 'refused' }
      const kept = { sub, name: cleanedName(name) ?? today(), challengeKey: challengeKey(ceremony.challenge) }
      const { isUserVerified, ...stored } = credential
      const added = await store.insert({ ...stored, ...kept })
      return added.ok ? { ...added, isUserVerified } : added
    },

    /** Without a sub: for whoever has a passkey here, and then it must verify its user, because it stands alone. */
    authenticationOptions: async (
      sub?: string,
    ): Promise<{ options: PublicKeyCredentialRequestOptionsJSON; challenge: string }> => {
      const options = await generateAuthenticationOptions({
        rpID: party.id,
        timeout,
        userVerification: sub === undefined ? 'required' : 'preferred',
        ...(sub !== undefined && { allowCredentials: (await store.listCredentials(sub)).map(descriptor) }),
      })
      return { options, challenge: options.challenge }
    },

    /** With a sub: only a passkey of that account. Each challenge serves once. */
    authenticate: async ({ challenge, response, sub }: PasskeyProof): Promise<PasskeyAuthenticated> => {
      const claimed = claimedCredential(response)
      const credential = claimed && (await store.findCredential(claimed.credentialId))
      if (!credential || (sub !== undefined && credential.sub !== sub)) return { ok: false }
      // WebAuthn section 7.2, step 6: whoever was not named before must be named by the passkey.
      if (!(claimed.userHandle === '' && sub !== undefined) && !isHandleOf(credential.sub, claimed.userHandle))
        return { ok: false }
      const assertion = await verifiedAssertion({ challenge, response }, credential, party)
      if (!assertion) return { ok: false }
      const isFirst = await store.use(credential.credentialId, assertion.signCount, challengeKey(challenge))
      if (!isFirst) return { ok: false }
      const { isUserVerified, isMultiDevice } = assertion
      return { ok: true, sub: credential.sub, passkeyId: credential.id, isUserVerified, isMultiDevice }
    },

    /** Oldest first. */
    list: store.list,

    /** False when there is no such passkey of this account, or nothing is left of the name. */
    rename: async (sub: string, id: string, name: string): Promise<boolean> => {
      const cleaned = cleanedName(name)
      return cleaned !== undefined && store.rename(sub, id, cleaned)
    },

    remove: store.remove,
  }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest()

/** Stable and telling nothing (WebAuthn section 14.6.1); authenticators keep it for good. */
const userHandle = (sub: string) => new Uint8Array(sha256(sub))
const isHandleOf = (sub: string, handle: string) => handle === sha256(sub).toString('base64url')

const challengeKey = (challenge: string) => sha256(`passkey challenge ${challenge}`)

const descriptor = ({ credentialId, transports }: PasskeyCredential) => ({ id: credentialId, transports })

/** Without control characters and those that turn or hide text; undefined when nothing is left to see. */
function cleanedName(name: unknown): string | undefined {
  if (typeof name !== 'string') return undefined
  const plain = name
    .slice(0, 1000)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
    // Two that join letters are part of how Persian and Hindi are written.
    .replace(/(?![\u200c\u200d])[\p{Cf}\p{Cs}\p{Co}]/gu, '')
  const cleaned = [...plain.replace(/\s+/g, ' ').trim()].slice(0, longestName).join('').trim()
  return /[\p{L}\p{N}\p{P}\p{S}]/u.test(cleaned) ? cleaned : undefined
}

/** What a passkey without a name is called, in every language: the day that it was made. */
const today = () => new Date().toISOString().slice(0, 10)
