// The JSON of what the access tokens of an API tell and how they are encrypted, and of key sets.
import { z } from 'zod'
import { ruledClaims } from '../apis/token-claims.ts'

export const tokenClaims = z
  .strictObject({
    roles: z
      .union([z.literal('all'), z.array(z.string())])
      .meta({ description: 'Account roles that its tokens name in roles' }),
    rules: z.array(
      z.strictObject({
        claim: z.enum(ruledClaims),
        value: z.string(),
        role: z.string().optional().meta({ description: 'For accounts with this role' }),
        email_domain: z
          .string()
          .optional()
          .meta({ description: 'For accounts with a verified address in this domain' }),
      }),
    ),
    claims: z
      .record(z.string(), z.string())
      .meta({ description: 'Further claims by name, each with its place: account.email, account.profile.zoneinfo …' }),
  })
  .partial()
  .meta({
    description:
      'What its tokens tell about an account (RFC 9068, 2.2.3.1); each part that is given replaces the one before',
  })

export const publicJwks = z
  .looseObject({ keys: z.array(z.looseObject({})) })
  .meta({ description: 'Public keys only (RFC 7517)' })
export const jwksAddress = z.string().meta({ description: 'https' })

export const encryption = z
  .union([z.strictObject({ jwks: publicJwks }), z.strictObject({ jwks_uri: jwksAddress })])
  .nullable()
  .meta({ description: 'The public key to which its JWT access tokens are encrypted; null: they are signed only' })
