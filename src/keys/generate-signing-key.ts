// Makes one signing key pair as JWKs, named by its thumbprint (RFC 7638).
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'

// The engine knows Ed25519 under both names; `EdDSA` is the one that verifiers of today support.
export const keyAlgorithms = ['ES256', 'RS256', 'PS256', 'EdDSA'] as const
export type SigningAlgorithm = (typeof keyAlgorithms)[number]

export interface GeneratedKey {
  kid: string
  alg: SigningAlgorithm
  publicJwk: JWK
  privateJwk: JWK
}

export async function generateSigningKey(alg: SigningAlgorithm): Promise<GeneratedKey> {
  const pair = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 })
  const publicPart = await exportJWK(pair.publicKey)
  const kid = await calculateJwkThumbprint(publicPart)
  const privatePart = await exportJWK(pair.privateKey)
  const about = { kid, alg, use: 'sig' }
  return { kid, alg, publicJwk: { ...publicPart, ...about }, privateJwk: { ...privatePart, ...about } }
}
