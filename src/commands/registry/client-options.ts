// The options that `clients create` and `clients update` share, and what they mean.
import { type Command, Option } from 'commander'
import type { ClientInput } from '../../clients/client-registration.ts'
import { authMethods, idTokenAlgorithms } from '../../clients/client-rules.ts'
import { collect } from '../option-values.ts'

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
  jwksUri: options.jwksUri,
  idTokenSignedResponseAlg: options.idTokenAlg,
})
