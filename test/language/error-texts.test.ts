// Whatever a page may have to refuse, it refuses in the reader's language.
import { errors } from 'oidc-provider'
import { openidScopes } from '../../src/oidc/policy/claims.ts'
import { catalogOf, sourceFiles, textOf } from './catalogs.ts'

const english = new Set(Object.keys(catalogOf('en')).map(textOf))
const programsOnly = /^src\/(admin|gateway|sidecar|commands|verifier|main)/

/** Thrown at programs alone, though made beside the others. */
const neverOnAPage = new Set(['precondition_failed', 'precondition_required'])

const constructors = /\b(?:badRequest|unauthorized|forbidden|conflict|new AppError)\(\s*'([a-z_]+)'/g
const refused = new Set(
  sourceFiles()
    .filter(({ name }) => !programsOnly.test(name))
    .flatMap(({ text }) => [...text.matchAll(constructors)].map(([, code]) => String(code))),
)

/** Of features that are turned off, or answers to programs at endpoints where no browser goes. */
const engineToPrograms = new Set([
  ...['authorization_pending', 'slow_down', 'expired_token', 'invalid_grant', 'unsupported_grant_type'],
  ...['unsupported_token_type', 'insufficient_scope', 'invalid_client_metadata', 'invalid_software_statement'],
  ...['unapproved_software_statement', 'invalid_dpop_proof', 'use_dpop_nonce', 'use_attestation_challenge'],
  ...['use_fresh_attestation', 'invalid_client_attestation', 'invalid_authorization_details'],
  ...['expired_login_hint_token', 'invalid_binding_message', 'invalid_user_code', 'missing_user_code'],
  ...['transaction_failed', 'unknown_user_id', 'invalid_credential_request', 'credential_request_denied'],
  ...['invalid_nonce', 'invalid_proof', 'unknown_credential_configuration', 'unknown_credential_identifier'],
])

type EngineRefusal = new (...given: unknown[]) => Error & { error?: string }

// The two that the others are made from have no code of their own.
const ofEngine = new Set([
  'server_error',
  'temporarily_unavailable',
  ...Object.entries(errors as unknown as Record<string, EngineRefusal>)
    .filter(([name]) => !['OIDCProviderError', 'CustomOIDCProviderError'].includes(name))
    .flatMap(([, Refusal]) => new Refusal('redirect_uris', 'scope').error ?? []),
])

it('knows the codes that it is about', () => {
  for (const code of ['sign_in_expired', 'cross_site_request', 'not_found', 'too_many_requests'])
    expect(refused).toContain(code)
  expect(ofEngine.size).toBeGreaterThan(30)
  for (const code of ['invalid_redirect_uri', 'invalid_request', 'access_denied']) expect(ofEngine).toContain(code)
})

it.each([...refused].filter((code) => !neverOnAPage.has(code)))('our refusal %s has a text', (code) => {
  expect(english).toContain(`errors.${code}`)
})

it.each([...ofEngine].filter((code) => !engineToPrograms.has(code)))('the engine’s refusal %s has a text', (code) => {
  expect(english).toContain(`errors.${code}`)
})

it('no text speaks about a refusal that nobody makes', () => {
  const codes = [...english].flatMap((text) => /^errors\.([a-z_]+)(?:\.|$)/.exec(text)?.[1] ?? [])
  const known = new Set([...refused, ...ofEngine, 'status', 'label'])
  expect(codes.filter((code) => !known.has(code))).toEqual([])
})

it.each([...openidScopes])('the scope %s has a text', (scope) => {
  expect(english).toContain(`consent.scope.${scope}`)
})
