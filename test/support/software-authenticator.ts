// A passkey in software: it answers like a browser with an authenticator, or as wrongly as a test wants it.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

type Cbor = number | string | Uint8Array | Cbor[] | Map<Cbor, Cbor>
type Algorithm = 'ES256' | 'EdDSA' | 'RS256'

export interface SoftwareAuthenticatorOptions {
  origin: string
  algorithm?: Algorithm
  isUserVerified?: boolean
  isMultiDevice?: boolean
  /** Of the next signature; an authenticator without a counter stays at 0. */
  signCount?: number
}

export interface Attestation {
  format: string
  statement: Map<Cbor, Cbor>
}

/** What an attestation signs. */
export interface AttestedData {
  authData: Buffer
  clientDataHash: Buffer
  id: Buffer
  publicKey: KeyObject
  privateKey: KeyObject
}

export interface Wrongs {
  challenge?: string
  origin?: string
  rpId?: string
  type?: string
  crossOrigin?: boolean
  userHandle?: string | undefined
  flags?: number
  id?: string
  attestation?: Attestation | ((signed: AttestedData) => Attestation)
}

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest()
const base64url = (data: Uint8Array) => Buffer.from(data).toString('base64url')

export function createSoftwareAuthenticator(options: SoftwareAuthenticatorOptions) {
  const { origin, algorithm = 'ES256' } = options
  const { publicKey, privateKey } = keyPair(algorithm)
  const id = base64url(randomBytes(32))
  const state = { signCount: 0, isUserVerified: true, isMultiDevice: false, userHandle: '', ...options }

  const clientData = (type: string, challenge: string, wrongs: Wrongs) =>
    Buffer.from(
      JSON.stringify({
        type: wrongs.type ?? type,
        challenge: wrongs.challenge ?? challenge,
        origin: wrongs.origin ?? origin,
        crossOrigin: wrongs.crossOrigin ?? false,
      }),
    )
  const authenticatorData = (wrongs: Wrongs, attested?: Uint8Array) => {
    const backup = state.isMultiDevice ? 0x18 : 0
    const flags = wrongs.flags ?? 0x01 | (state.isUserVerified ? 0x04 : 0) | backup | (attested ? 0x40 : 0)
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(state.signCount)
    const rpIdHash = sha256(wrongs.rpId ?? new URL(origin).hostname)
    return Buffer.concat([rpIdHash, Buffer.from([flags]), counter, attested ?? Buffer.alloc(0)])
  }
  const common = (wrongs: Wrongs) => {
    const shownId = wrongs.id ?? id
    return { id: shownId, rawId: shownId, type: 'public-key', clientExtensionResults: {} }
  }

  return {
    id,
    state,
    privateKey,

    /** What the browser would send after `navigator.credentials.create`. */
    register: (given: { challenge: string; user: { id: string } }, wrongs: Wrongs = {}): string => {
      state.userHandle = given.user.id
      const idBytes = Buffer.from(id, 'base64url')
      const length = Buffer.from([idBytes.length >> 8, idBytes.length & 255])
      const attested = Buffer.concat([Buffer.alloc(16), length, idBytes, cbor(coseKey(publicKey, algorithm))])
      const authData = authenticatorData(wrongs, attested)
      const clientDataJSON = clientData('webauthn.create', given.challenge, wrongs)
      const clientDataHash = sha256(clientDataJSON)
      const { attestation = { format: 'none', statement: new Map<Cbor, Cbor>() } } = wrongs
      const { format, statement } =
        typeof attestation === 'function'
          ? attestation({ authData, clientDataHash, id: idBytes, publicKey, privateKey })
          : attestation
      const entries: [Cbor, Cbor][] = [
        ['fmt', format],
        ['attStmt', statement],
        ['authData', authData],
      ]
      return JSON.stringify({
        ...common(wrongs),
        response: {
          clientDataJSON: base64url(clientDataJSON),
          attestationObject: base64url(cbor(new Map(entries))),
          transports: ['internal'],
        },
      })
    },

    /** What the browser would send after `navigator.credentials.get`. */
    authenticate: (given: { challenge: string }, wrongs: Wrongs = {}): string => {
      if (state.signCount > 0) state.signCount += 1
      const authData = authenticatorData(wrongs)
      const clientDataJSON = clientData('webauthn.get', given.challenge, wrongs)
      const signed = Buffer.concat([authData, sha256(clientDataJSON)])
      const userHandle = 'userHandle' in wrongs ? wrongs.userHandle : state.userHandle
      return JSON.stringify({
        ...common(wrongs),
        response: {
          clientDataJSON: base64url(clientDataJSON),
          authenticatorData: base64url(authData),
          signature: base64url(sign(algorithm === 'EdDSA' ? null : 'sha256', signed, privateKey)),
          userHandle,
        },
      })
    },
  }
}

export type SoftwareAuthenticator = ReturnType<typeof createSoftwareAuthenticator>

function keyPair(algorithm: Algorithm): { publicKey: KeyObject; privateKey: KeyObject } {
  if (algorithm === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return algorithm === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('rsa', { modulusLength: 2048 })
}

/** COSE_Key (RFC 9053). */
function coseKey(key: KeyObject, algorithm: Algorithm): Map<Cbor, Cbor> {
  const jwk = key.export({ format: 'jwk' })
  const bytes = (value: string | undefined) => Buffer.from(value ?? '', 'base64url')
  if (algorithm === 'EdDSA')
    return new Map<Cbor, Cbor>([
      [1, 1],
      [3, -8],
      [-1, 6],
      [-2, bytes(jwk.x)],
    ])
  if (algorithm === 'RS256')
    return new Map<Cbor, Cbor>([
      [1, 3],
      [3, -257],
      [-1, bytes(jwk.n)],
      [-2, bytes(jwk.e)],
    ])
  return new Map<Cbor, Cbor>([
    [1, 2],
    [3, -7],
    [-1, 1],
    [-2, bytes(jwk.x)],
    [-3, bytes(jwk.y)],
  ])
}

/** As much of CBOR (RFC 8949) as an authenticator speaks. */
export function cbor(value: Cbor): Buffer {
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)])
  if (value instanceof Map)
    return Buffer.concat([head(5, value.size), ...[...value].flatMap(([key, each]) => [cbor(key), cbor(each)])])
  return Buffer.concat([head(2, value.length), value])
}

function head(type: number, size: number): Buffer {
  if (size < 24) return Buffer.from([(type << 5) | size])
  return size < 256 ? Buffer.from([(type << 5) | 24, size]) : Buffer.from([(type << 5) | 25, size >> 8, size & 255])
}

/** Signed by the passkey itself: no certificate. */
export function selfAttestation({ authData, clientDataHash, privateKey }: AttestedData): Attestation {
  const entries: [Cbor, Cbor][] = [
    ['alg', -7],
    ['sig', sign('sha256', Buffer.concat([authData, clientDataHash]), privateKey)],
  ]
  return { format: 'packed', statement: new Map(entries) }
}

/** As a security key of the old kind gives it, with a certificate of its maker: here of a maker that nobody knows. */
export function certifiedAttestation({ authData, clientDataHash, id, publicKey }: AttestedData): Attestation {
  const maker = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = publicKey.export({ format: 'jwk' })
  const point = [Buffer.from([4]), Buffer.from(jwk.x ?? '', 'base64url'), Buffer.from(jwk.y ?? '', 'base64url')]
  const signed = Buffer.concat([Buffer.from([0]), authData.subarray(0, 32), clientDataHash, id, ...point])
  const entries: [Cbor, Cbor][] = [
    ['sig', sign('sha256', signed, maker.privateKey)],
    ['x5c', [certificate(maker)]],
  ]
  return { format: 'fido-u2f', statement: new Map(entries) }
}

/** X.509 in DER, with as little in it as may be. */
function certificate({ publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject }): Buffer {
  const tlv = (tag: number, ...content: Uint8Array[]) => {
    const body = Buffer.concat(content)
    const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255]
    return Buffer.concat([Buffer.from([tag, ...length]), body])
  }
  const ecdsaWithSha256 = tlv(0x30, Buffer.from('06082a8648ce3d040302', 'hex'))
  const time = (text: string) => tlv(0x17, Buffer.from(text))
  const body = tlv(
    0x30,
    tlv(0xa0, Buffer.from('020102', 'hex')),
    Buffer.from('020101', 'hex'),
    ecdsaWithSha256,
    tlv(0x30),
    tlv(0x30, time('200101000000Z'), time('490101000000Z')),
    tlv(0x30),
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  return tlv(0x30, body, ecdsaWithSha256, tlv(0x03, Buffer.from([0]), sign('sha256', body, privateKey)))
}
