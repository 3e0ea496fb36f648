// The options that `clients create` and `clients update` share, and what they mean.
import { type Command, Option } from 'commander'
import type { ClientInput } from '../../clients/client-registration.ts'
import { authMethods, idTokenAlgorithms, idTokenEncryptionAlgorithms } from '../../clients/client-rules.ts'
import { collect, readJsonFile } from '../option-values.ts'
import { UsageError } from '../refusals.ts'

export interface ClientOptions {
  name?: string
  redirectUri?: string[]
  postLogoutRedirectUri?: string[]
  firstParty?: boolean
  pkce?: boolean
  secondFactor?: string
  tokenExchange?: boolean
  admin?: string[]
  authMethod?: NonNullable<ClientInput['tokenEndpointAuthMethod']>
  jwksUri?: string
  jwksFile?: string
  idTokenEncryption?: NonNullable<ClientInput['idTokenEncryptedResponseAlg']> | 'none'
  idTokenAlg?: NonNullable<ClientInput['idTokenSignedResponseAlg']>
}

export const clientOptions = (command: Command): Command =>
  command
    .option('--redirect-uri <uri>', 'where people come back to after sign-in (repeatable)', collect)
    .option('--post-logout-redirect-uri <uri>', 'where people come back to after sign-out (repeatable)', collect)
    .option('--first-party', 'your own application: people are not asked for consent')
    .option('--no-pkce', 'do without PKCE (confidential web clients that send a nonce only)')
    .option(
      '--second-factor <rule>',
      'off, optional, required, required-for:ROLE,ROLE, or default: as the deployment has it',
    )
    .option('--token-exchange', 'may exchange tokens (RFC 8693), as `exchange-policies` allow it')
    .option('--admin <scope>', 'a scope of the admin API, for a machine (repeatable)', collect)
    .addOption(new Option('--auth-method <method>', 'how it authenticates at the token endpoint').choices(authMethods))
    .option('--jwks-uri <uri>', 'where its public keys are, for private_key_jwt')
    .option('--jwks-file <path>', 'a file with its public keys, instead of --jwks-uri')
    .addOption(
      new Option('--id-token-encryption <alg>', 'encrypts its ID tokens to a key of its own (jwks)').choices([
        ...idTokenEncryptionAlgorithms,
        'none',
      ]),
    )
    .addOption(new Option('--id-token-alg <alg>', 'what signs its ID tokens').choices(idTokenAlgorithms))

export const clientChanges = (options: ClientOptions) => ({
  name: options.name,
  redirectUris: options.redirectUri,
  postLogoutRedirectUris: options.postLogoutRedirectUri,
  isFirstParty: options.firstParty,
  requiresPkce: options.pkce,
  secondFactor: options.secondFactor === 'default' ? null : options.secondFactor,
  tokenExchange: options.tokenExchange,
  adminScopes: options.admin,
  tokenEndpointAuthMethod: options.authMethod,
  ...keysOf(options),
  idTokenEncryptedResponseAlg: options.idTokenEncryption === 'none' ? null : options.idTokenEncryption,
  idTokenSignedResponseAlg: options.idTokenAlg,
})

/** The one takes the place of the other. */
function keysOf({ jwksUri, jwksFile }: ClientOptions) {
  if (jwksUri !== undefined && jwksFile !== undefined)
    throw new UsageError('--jwks-uri and --jwks-file: give only one of them.')
  if (jwksFile !== undefined) return { jwks: readJsonFile(jwksFile), jwksUri: null }
  return jwksUri === undefined ? {} : { jwks: null, jwksUri }
}

/** Of a client that is new: there is nothing to take away. */
export const withoutNull = <T extends object>(changes: T) =>
  Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== null)) as {
    [Name in keyof T]: Exclude<T[Name], null>
  }
