// Signs one JWT outside the engine, with the key that signs for its algorithm now.
import { importJWK, type JWTPayload, SignJWT } from 'jose'
import type { SigningAlgorithm } from './generate-signing-key.ts'
import type { KeySet } from './key-ring.ts'

/** `header` carries `typ` (`at+jwt` for access tokens, RFC 9068, 2.1); `claims` are taken as they are. */
export async function signJwt(
  keySet: Pick<KeySet, 'signing'>,
  alg: SigningAlgorithm,
  header: { typ: string },
  claims: JWTPayload,
): Promise<string> {
  const jwk = keySet.signing.find((key) => key.alg === alg)
  if (!jwk?.kid) throw new Error(`There is no ${alg} key to sign with.`)
  return new SignJWT(claims).setProtectedHeader({ ...header, alg, kid: jwk.kid }).sign(await importJWK(jwk, alg))
}
