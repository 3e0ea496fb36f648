// Verifies what a browser sends back from an authenticator (WebAuthn sections 7.1 and 7.2); whatever is malformed is nothing.
import {
  type AuthenticationResponseJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server'
import { decodeAttestationObject, decodeClientDataJSON } from '@simplewebauthn/server/helpers'
import type { NewPasskey, PasskeyCredential } from './passkey-store.ts'

export interface RelyingParty {
  /** The host name that passkeys are bound to. */
  id: string
  origin: string
}

export type RegisteredCredential = Omit<NewPasskey, 'sub' | 'name' | 'challengeKey'> & { isUserVerified: boolean }

export interface Assertion {
  signCount: number
  isUserVerified: boolean
  isMultiDevice: boolean
}

/** COSE algorithms, best known first: ES256, EdDSA, RS256. */
export const passkeyAlgorithms = [-7, -8, -257]

const mostCharacters = 20_000
const mostPublicKeyBytes = 2_048

export async function registeredCredential(
  { response, challenge }: { response: string; challenge: string },
  party: RelyingParty,
): Promise<RegisteredCredential | undefined> {
  return orNothing(async () => {
    const parsed = parsedResponse<RegistrationResponseJSON>(response)
    refuseFrames(parsed.response.clientDataJSON)
    refuseCertificates(parsed.response.attestationObject)
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: parsed,
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      requireUserVerification: false,
      supportedAlgorithmIDs: passkeyAlgorithms,
    })
    if (!verified || registrationInfo.credential.publicKey.length > mostPublicKeyBytes) return undefined
    const { credential, credentialDeviceType, userVerified } = registrationInfo
    return {
      isUserVerified: userVerified,
      credentialId: credential.id,
      publicKey: credential.publicKey,
      signCount: credential.counter,
      transports: knownTransports(credential.transports),
      isMultiDevice: credentialDeviceType === 'multiDevice',
    }
  })
}

/** Which credential the response speaks of and whom it names, before anything of it is verified. */
export function claimedCredential(response: string): { credentialId: string; userHandle: string } | undefined {
  try {
    const { id, response: inner } = parsedResponse<AuthenticationResponseJSON>(response)
    const { userHandle } = inner
    const isText = typeof id === 'string' && /^[\w-]{1,1400}$/.test(id)
    return isText ? { credentialId: id, userHandle: typeof userHandle === 'string' ? userHandle : '' } : undefined
  } catch {
    return undefined
  }
}

export async function verifiedAssertion(
  { response, challenge }: { response: string; challenge: string },
  credential: PasskeyCredential,
  party: RelyingParty,
): Promise<Assertion | undefined> {
  return orNothing(async () => {
    const parsed = parsedResponse<AuthenticationResponseJSON>(response)
    refuseFrames(parsed.response.clientDataJSON)
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: parsed,
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      credential: { id: credential.credentialId, publicKey: credential.publicKey, counter: credential.signCount },
      requireUserVerification: false,
    })
    if (!verified) return undefined
    const { newCounter, userVerified, credentialDeviceType } = authenticationInfo
    return {
      signCount: newCounter,
      isUserVerified: userVerified,
      isMultiDevice: credentialDeviceType === 'multiDevice',
    }
  })
}

function parsedResponse<T extends object>(response: unknown): T {
  if (typeof response !== 'string' || response.length > mostCharacters) throw new TypeError('no response')
  const parsed: unknown = JSON.parse(response)
  if (typeof parsed !== 'object' || parsed === null) throw new TypeError('no response')
  return parsed as T
}

/** No page of ours may be framed, so no ceremony of ours happens in somebody else's page. */
function refuseFrames(clientDataJSON: string): void {
  if (decodeClientDataJSON(clientDataJSON).crossOrigin === true) throw new TypeError('in a frame')
}

// None is asked for, so browsers take certificates out. Those that come nevertheless would make the library follow the
// addresses in them, to ask for revocation lists.
function refuseCertificates(attestationObject: string): void {
  const decoded = decodeAttestationObject(new Uint8Array(Buffer.from(attestationObject, 'base64url')))
  const isSelfSigned = decoded.get('fmt') === 'packed' && decoded.get('attStmt').get('x5c') === undefined
  if (decoded.get('fmt') !== 'none' && !isSelfSigned) throw new TypeError('an attestation that nobody asked for')
}

const knownTransports = (transports: unknown): string[] =>
  Array.isArray(transports)
    ? transports.filter((transport) => typeof transport === 'string' && /^[a-z-]{1,20}$/.test(transport)).slice(0, 8)
    : []

/** The library throws for whatever is not right; nothing in here asks the database. */
async function orNothing<T>(verify: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await verify()
  } catch {
    return undefined
  }
}
