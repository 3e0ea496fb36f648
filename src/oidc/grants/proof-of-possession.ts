// Checks the DPoP proof of a token request (RFC 9449) as the engine's own grants do: its helpers, nonces included, of oidc-provider 9.13.
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider'

type ErrorClass = new (description: string) => Error

interface Proof {
  thumbprint: string
  jti: string
}

interface EngineHelpers {
  validateDpop(provider: Provider, ctx: KoaContextWithOIDC): Promise<Proof | undefined>
  checkDpopReplay(
    provider: Provider,
    ctx: KoaContextWithOIDC,
    proof: Proof,
    clientId: string,
    error: ErrorClass,
  ): Promise<void>
  checkDpopRequired(provider: Provider, ctx: KoaContextWithOIDC, proof: Proof | undefined, error: ErrorClass): void
}

// No public API: the one import of the engine's inside, loaded at start, so that an upgrade that moves it does not go unnoticed.
const place: string = 'oidc-provider/lib/helpers/grants.js'
const engine = (await import(place)) as EngineHelpers
for (const name of ['validateDpop', 'checkDpopReplay', 'checkDpopRequired'] as const)
  if (typeof engine[name] !== 'function') throw new TypeError(`The engine has no ${name} any more: see ${place}.`)

/** The thumbprint of the key that was proved; undefined without a proof. A proof works once. */
export async function provedKey(ctx: KoaContextWithOIDC): Promise<string | undefined> {
  const { provider, client } = ctx.oidc
  const proof = await engine.validateDpop(provider, ctx)
  engine.checkDpopRequired(provider, ctx, proof, errors.InvalidRequest)
  if (!proof || !client) return undefined
  await engine.checkDpopReplay(provider, ctx, proof, client.clientId, errors.InvalidRequest)
  return proof.thumbprint
}
