// The JSON of exchange policies and trusted issuers in the admin API.
import { z } from 'zod'
import { exchangeModes, issuedTypes } from '../../clients/exchange/exchange-policy-store.ts'
import { subjectClaims } from '../../clients/exchange/trusted-issuer-store.ts'

const time = z.iso.datetime().meta({ description: 'ISO 8601, in UTC' })

const policyFields = {
  client_id: z.string().meta({ description: 'Who may exchange; a machine or web client with token_exchange' }),
  audience: z.string().meta({ description: 'The API that the new token is for' }),
  token_type: z.enum(issuedTypes).meta({ description: 'An access token (the default), or a transaction token' }),
  scopes: z.array(z.string()).meta({ description: 'At most these, and only those that the token before has' }),
  max_ttl: z.int().meta({ description: 'Lifetime of the new token in seconds at most, 1 to 86400; 300 by default' }),
  mode: z.enum(exchangeModes).meta({ description: 'Delegation names who acts (act), impersonation does not' }),
  max_depth: z.int().meta({ description: 'How many may act one for another, 0 to 8' }),
}
const subjectFields = {
  subject_audience: z.string().meta({ description: 'Access tokens for this API' }),
  subject_client_id: z.string().meta({ description: 'Tokens that were issued to this client' }),
  subject_issuer: z.string().meta({ description: 'JWTs of this trusted issuer' }),
}

export const exchangePolicyCreation = z
  .strictObject({ ...policyFields, ...subjectFields })
  .partial()
  .required({ client_id: true, audience: true })
  .meta({ id: 'ExchangePolicyCreation', description: 'With exactly one of the three subjects' })
export const exchangePolicy = z
  .strictObject({
    id: z.string(),
    ...policyFields,
    subject_audience: subjectFields.subject_audience.nullable(),
    subject_client_id: subjectFields.subject_client_id.nullable(),
    subject_issuer: subjectFields.subject_issuer.nullable(),
    created_at: time,
  })
  .meta({ id: 'ExchangePolicy' })

const jwks = z.looseObject({ keys: z.array(z.looseObject({})) }).meta({ description: 'Public keys only (RFC 7517)' })
const issuerFields = {
  issuer: z.string().meta({ description: 'Exactly as it stands in iss' }),
  audience: z
    .string()
    .meta({ description: 'What its JWTs for this server carry in aud; this server’s issuer by default' }),
  subject_claim: z
    .enum(subjectClaims)
    .meta({ description: 'What names an account here: its sub (the default), or its verified e-mail address' }),
}
const jwksUri = z.string().meta({ description: 'https, not within the own network' })

export const trustedIssuerCreation = z
  .strictObject({ ...issuerFields, jwks_uri: jwksUri, jwks })
  .partial()
  .required({ issuer: true })
  .meta({ id: 'TrustedIssuerCreation', description: 'With either jwks_uri or jwks' })
export const trustedIssuer = z
  .strictObject({ ...issuerFields, jwks_uri: jwksUri.nullable(), jwks: jwks.nullable(), created_at: time })
  .meta({ id: 'TrustedIssuer' })
