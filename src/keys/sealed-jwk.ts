// Seals a private JWK for the database, bound to its kid so that no row can pass for another.
import type { JWK } from 'jose'
import type { Sealing } from '../sealing.ts'

const purpose = (kid: string) => `signing key ${kid}`

export const sealPrivateJwk = (sealing: Pick<Sealing, 'seal'>, kid: string, jwk: JWK): string =>
  sealing.seal(JSON.stringify(jwk), purpose(kid))

export const openPrivateJwk = (
  sealing: Pick<Sealing, 'open'>,
  { kid, sealedPrivateJwk }: { kid: string; sealedPrivateJwk: string },
): JWK => JSON.parse(sealing.open(sealedPrivateJwk, purpose(kid))) as JWK
