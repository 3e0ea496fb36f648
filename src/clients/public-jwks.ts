// Decides which key sets a client may register (RFC 7517): public keys only, of kinds that this server can check signatures with.
import { createPublicKey } from 'node:crypto'

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']
const curves = ['P-256', 'P-384', 'P-521', 'Ed25519']
const mostKeys = 20

/** What is wrong with it, in a sentence; undefined when nothing is. */
export function publicJwksProblem(jwks: unknown): string | undefined {
  const keys = isRecord(jwks) ? jwks.keys : undefined
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > mostKeys)
    return `The key set must be an object with the member keys, a list of 1 to ${mostKeys} public keys.`
  for (const key of keys) {
    const problem = keyProblem(key)
    if (problem) return problem
  }
  return undefined
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function keyProblem(jwk: unknown): string | undefined {
  if (!isRecord(jwk)) return 'Each key of the key set must be a JSON Web Key.'
  if (privateMembers.some((member) => member in jwk))
    return 'The key set holds a private or secret key. Send public keys only, and replace the key that you have just shown.'
  if (JSON.stringify(jwk).length > 4000) return 'A key of the key set is longer than 4000 characters.'
  const isKnown = jwk.kty === 'RSA' || ((jwk.kty === 'EC' || jwk.kty === 'OKP') && curves.includes(String(jwk.crv)))
  if (!isKnown) return `Each key of the key set must be RSA or use one of the curves ${curves.join(', ')}.`
  const bits = rsaBits(jwk)
  if (bits === undefined) return 'A key of the key set is not a valid public key.'
  return bits < 2048 ? 'An RSA key of the key set has fewer than 2048 bits.' : undefined
}

/** Undefined when the key cannot be read; infinite for other kinds. */
function rsaBits(jwk: Record<string, unknown>): number | undefined {
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    return key.asymmetricKeyDetails?.modulusLength ?? Number.POSITIVE_INFINITY
  } catch {
    return undefined
  }
}
