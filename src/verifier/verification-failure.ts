// Translates what went wrong at the signature into the refusal of RFC 6750, or into "later" where the token is not at fault.
import { decodeProtectedHeader, errors } from 'jose'
import { shown } from './access-token.ts'
import { KeysUnavailable } from './keys/jwks-cache.ts'
import type { VerifierErrorCode } from './verifier-error.ts'

const FAILED_SIGNATURE = "The token's signature is not by the issuer's key that the token names."
const { JWSInvalid, JWTInvalid, JWTClaimValidationFailed, JWTExpired, JOSEAlgNotAllowed } = errors
const tokenFaults = [JWSInvalid, JWTInvalid, JWTClaimValidationFailed, JWTExpired, JOSEAlgNotAllowed]

type Failure = [code: VerifierErrorCode, message: string, more: { cause: unknown; retryAfter?: number }]

/** The refusal's code and sentence for what jose or the cache threw; `cause` keeps that error for the log. */
export function verificationFailure(cause: unknown, token: string): Failure {
  if (cause instanceof KeysUnavailable) {
    const message = `The token cannot be checked at the moment: ${cause.message}.`
    return ['temporarily_unavailable', message, { cause, retryAfter: cause.retryAfter }]
  }
  if (cause instanceof errors.JWKSNoMatchingKey) {
    const { kid } = decodeProtectedHeader(token)
    return [
      'invalid_token',
      `The issuer publishes no key for the token's algorithm and its kid, which is ${shown(kid)}.`,
      { cause },
    ]
  }
  if (cause instanceof errors.JWKSMultipleMatchingKeys) {
    return ['invalid_token', 'Several keys of the issuer fit the token; its kid must name exactly one.', { cause }]
  }
  if (cause instanceof errors.JWSSignatureVerificationFailed) return ['invalid_token', FAILED_SIGNATURE, { cause }]
  if (tokenFaults.some((fault) => cause instanceof fault)) {
    return ['invalid_token', 'The token is malformed: it is not a JWT by RFC 7519.', { cause }]
  }
  // What is left comes from the key itself: an RSA key under 2048 bits, a point off the curve, a private key.
  return ['temporarily_unavailable', "The token cannot be checked: the issuer's key is unusable.", { cause }]
}
