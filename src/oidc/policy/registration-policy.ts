// What dynamic registration (RFC 7591, RFC 7592) lets a stranger with an initial access token ask for.
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { redirectUriProblem } from '../../clients/redirect-uri.ts'
import type { Sealing } from '../../sealing.ts'
import type { RegistrationTokenStore } from '../storage/registration-token-store.ts'
import { outwardUriProblem } from './outward-uri.ts'

type Metadata = Record<string, unknown>

const allowed: Record<string, readonly string[]> = {
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  application_type: ['web', 'native'],
  subject_type: ['public'],
}
const outward = [
  'jwks_uri',
  'sector_identifier_uri',
  'logo_uri',
  'client_uri',
  'policy_uri',
  'tos_uri',
  'backchannel_logout_uri',
]
const free = [
  'client_id',
  'client_id_issued_at',
  'client_secret',
  'client_secret_expires_at',
  'client_name',
  'redirect_uris',
  'post_logout_redirect_uris',
  'contacts',
  'jwks',
  'id_token_signed_response_alg',
  'userinfo_signed_response_alg',
  'token_endpoint_auth_signing_alg',
  'default_acr_values',
  'default_max_age',
  'require_auth_time',
  'software_id',
  'software_version',
]
const known = new Set([...Object.keys(allowed), ...outward, ...free])
const most = 20

const refuse = (text: string): never => {
  throw new errors.InvalidClientMetadata(text)
}

// Also without the characters that turn the direction of text around: names stand on the consent page.
const isName = (name: string) =>
  name.trim() !== '' && name.length <= 200 && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.test(name)

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : value === undefined ? [] : [value])

export function createRegistrationPolicy({
  sealing,
  registrationTokens,
}: {
  sealing: Sealing
  registrationTokens: RegistrationTokenStore
}) {
  return async (ctx: KoaContextWithOIDC, metadata: Metadata): Promise<void> => {
    checkMetadata(metadata)
    if (ctx.oidc.route !== 'registration') return
    const token = ctx.oidc.entities.InitialAccessToken?.jti
    if (!token || !(await registrationTokens.use(sealing.digests(token))))
      throw new errors.InvalidToken('the initial access token is used up')
  }
}

function checkMetadata(metadata: Metadata): void {
  const unknown = Object.keys(metadata).find((name) => !known.has(name))
  if (unknown) refuse(`${unknown} cannot be registered here`)
  for (const [name, values] of Object.entries(allowed)) {
    const wrong = listOf(metadata[name]).find((value) => !values.includes(String(value)))
    if (wrong !== undefined) refuse(`${name} must not be ${String(wrong)}; allowed: ${values.join(', ')}`)
  }
  const kind = metadata.application_type === 'native' ? 'native' : 'web'
  for (const name of ['redirect_uris', 'post_logout_redirect_uris']) {
    const uris = listOf(metadata[name])
    if (uris.length > most) refuse(`${name} must not have more than ${most} entries`)
    for (const uri of uris) {
      const problem = typeof uri === 'string' ? redirectUriProblem(uri, kind) : 'is not a string'
      if (problem) refuse(`${name}: ${String(uri).slice(0, 200)} ${problem}`)
    }
  }
  for (const name of outward.filter((field) => metadata[field] !== undefined)) {
    const problem = outwardUriProblem(metadata[name])
    if (problem) refuse(`${name} ${problem}`)
  }
  if (typeof metadata.client_name === 'string' && !isName(metadata.client_name))
    refuse('client_name must have 1 to 200 characters and no control characters')
}
