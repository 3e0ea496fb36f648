// Checks a JWT access token with the verifier that services use: by the keys that the server publishes, else by those in the database.
import type { JWTPayload } from 'jose'
import type { Config } from '../../config.ts'
import { createVerifier, VerifierError, type VerifierOptions } from '../../verifier/verifier.ts'
import { withDatabase } from '../open-database.ts'
import { openKeyRing } from '../open-key-ring.ts'
import { CommandRefusal } from '../refusals.ts'

export interface Verified {
  claims: JWTPayload
  keysFrom: 'server' | 'database'
}

/** What the token must be for, and how its person must have signed in. */
export type Demands = Pick<VerifierOptions, 'audience' | 'acrValues' | 'maxAge'>

export async function verifyToken(config: Config, token: string, demands: Demands): Promise<Verified> {
  const { issuer } = config
  const byServer = await attempt({ issuer, ...demands }, token)
  if (byServer) return { claims: byServer, keysFrom: 'server' }
  const keys = await withDatabase(config, async (open) => (await (await openKeyRing(open)).load()).public)
  const byDatabase = await attempt(
    { issuer, ...demands, jwksUri: `${issuer}/jwks`, fetch: async () => Response.json(keys) },
    token,
  )
  if (!byDatabase) throw new CommandRefusal('temporarily_unavailable', 'The database holds no usable signing keys.')
  return { claims: byDatabase, keysFrom: 'database' }
}

/** Undefined when the keys cannot be had; throws when the token is no good. */
async function attempt(options: VerifierOptions, token: string): Promise<JWTPayload | undefined> {
  try {
    return (await createVerifier(options).verify(token)).claims
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error
    if (error.code === 'temporarily_unavailable') return undefined
    throw new CommandRefusal(error.code, error.message)
  }
}
