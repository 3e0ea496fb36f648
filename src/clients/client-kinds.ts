// What each kind of client is allowed by default, in the metadata of RFC 7591.
import { randomBytes } from 'node:crypto'
import type { ClientKind, ClientMetadata } from './client-store.ts'

export const generateClientId = (): string => `client_${randomBytes(12).toString('base64url').replace(/[-_]/g, 'x')}`

const people: ClientMetadata = { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] }

const defaults: Record<ClientKind, ClientMetadata> = {
  web: { ...people, application_type: 'web', token_endpoint_auth_method: 'client_secret_basic' },
  spa: { ...people, application_type: 'web', token_endpoint_auth_method: 'none' },
  native: {
    ...people,
    // Also for devices without a browser of their own (RFC 8628).
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
    application_type: 'native',
    token_endpoint_auth_method: 'none',
  },
  machine: {
    application_type: 'web',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: 'client_secret_basic',
  },
}

export const metadataFor = (kind: ClientKind, given: ClientMetadata): ClientMetadata => ({
  ...defaults[kind],
  ...given,
})
