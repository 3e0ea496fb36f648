// Has the key made for an algorithm that an API or a client asks for, where this engine has none.
import type { JSONWebKeySet } from 'jose'
import { errors } from 'oidc-provider'
import type { Api } from '../../apis/api-store.ts'
import { signingAlgorithms } from '../../apis/api-store.ts'

export interface KeyDemandParts {
  privateKeys: JSONWebKeySet
  ensureAlgorithm(alg: Api['signingAlg']): Promise<void>
}

/** Registering something makes its key before; this is for the moment in which a node has not heard of it yet. */
export function createKeyDemand({ privateKeys, ensureAlgorithm }: KeyDemandParts) {
  const known = new Set<unknown>(privateKeys.keys.map((key) => key.alg))
  return async (alg: unknown): Promise<void> => {
    const missing = known.has(alg) ? undefined : signingAlgorithms.find((name) => name === alg)
    if (!missing) return
    await ensureAlgorithm(missing)
    // An engine's keys are fixed; the one that has just been built serves the next request.
    const refusal = new errors.TemporarilyUnavailable('the key for this algorithm was made just now; try again')
    throw Object.assign(refusal, { status: 503, statusCode: 503, allow_redirect: false })
  }
}
