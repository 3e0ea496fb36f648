// The JSON of accounts in the admin API: what requests may hold and answers do hold, in the claims of OpenID Connect.
import { z } from 'zod'
import { accountRole } from '../../accounts/account-fields.ts'
import { oneTimeLinkLifetimes } from '../../accounts/account-support.ts'
import { addressParts, profileClaims } from '../../accounts/standard-claims.ts'
import { pageQuery, removable, strings, time } from '../schemas.ts'

const textsNamed = <Name extends string>(names: readonly Name[]) =>
  Object.fromEntries(names.map((name) => [name, z.string()])) as Record<Name, z.ZodString>
const profile = z
  .strictObject({
    ...textsNamed(profileClaims),
    address: z.strictObject(textsNamed(addressParts)).partial(),
  })
  .partial()
  .meta({ id: 'Profile', description: 'Standard claims (OpenID Connect Core, 5.1); given, it replaces them all' })

const accountFields = {
  email: z.string(),
  email_verified: z.boolean(),
  username: z.string().meta({ description: 'A second name to sign in by; 3 to 64 characters, unique in any case' }),
  name: z.string(),
  profile,
  locale: z.string().meta({ description: 'The language of the person (BCP 47)' }),
  roles: z.array(z.string().regex(accountRole, 'must be 1 to 64 letters, digits, - and _')).meta({
    description: 'owner administers this server; the others stand in the tokens of APIs that ask for them',
  }),
}
export const accountCreation = z
  .strictObject({ ...accountFields, password: z.string() })
  .partial()
  .required({ email: true })
  .meta({ id: 'AccountCreation' })
export const accountUpdate = z
  .strictObject({
    ...accountFields,
    username: removable(accountFields.username),
    locale: removable(accountFields.locale),
  })
  .partial()
  .meta({ id: 'AccountUpdate', description: 'A new address counts as unverified unless email_verified says otherwise' })
const accountAnswer = {
  sub: z.string(),
  ...accountFields,
  username: z.string().nullable(),
  name: z.string().nullable(),
  profile: z.looseObject({}).meta({ description: 'Standard claims (OpenID Connect Core, 5.1)' }),
  locale: z.string().nullable(),
  roles: strings,
  has_password: z.boolean(),
  locked: z.boolean().meta({
    description: 'Strangers have failed too often and wait, or are let in no more; browsers that it knows are let in',
  }),
  disabled_at: time.nullable(),
  delete_after: time
    .nullable()
    .meta({ description: 'Its owner asked for deletion; a sign-in before then takes it back' }),
  created_at: time,
  updated_at: time,
}
export const account = z.strictObject(accountAnswer).meta({ id: 'Account' })

const factorFields = {
  totp: z.boolean().meta({ description: 'Whether there is an authenticator app' }),
  passkeys: z.int(),
  recovery_codes: z.int().meta({ description: 'How many are left' }),
  email_codes: z.boolean().meta({ description: 'Whether codes by mail serve as a second factor' }),
}
export const factors = z.strictObject(factorFields).meta({ id: 'Factors' })
export const shownAccount = z.strictObject({ ...accountAnswer, factors }).meta({ id: 'ShownAccount' })
export const removedFactors = z.strictObject({ removed: factors }).meta({ id: 'RemovedFactors' })

export const invitation = z
  .strictObject({ email: z.string().meta({ description: 'Where it was sent' }), expires_at: time })
  .meta({ id: 'Invitation' })

const { shortest, usual, longest } = oneTimeLinkLifetimes
export const oneTimeLinkCreation = z
  .strictObject({
    expires_in: z.int().min(shortest).max(longest).default(usual).meta({ description: 'Seconds' }),
  })
  .meta({ id: 'OneTimeLinkCreation' })
export const oneTimeLink = z
  .strictObject({ url: z.string().meta({ description: 'Shown once; only a digest is kept' }), expires_at: time })
  .meta({ id: 'OneTimeLink' })

export const session = z
  .strictObject({
    uid: z.string(),
    address: z.string().meta({ description: 'The internet address that used it last' }),
    user_agent: z.string(),
    created_at: time,
    last_seen_at: time,
    expires_at: time,
  })
  .meta({ id: 'Session' })
export const sessions = z
  .strictObject({ items: z.array(session).meta({ description: 'The hundred that were used last' }) })
  .meta({ id: 'Sessions' })

export const accountsQuery = pageQuery.extend({
  email: z.string().max(254).optional().meta({ description: 'Only accounts whose address contains this' }),
})
