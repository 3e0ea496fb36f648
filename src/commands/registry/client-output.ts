// Shows a client in the names of RFC 7591, and for people.
import type { Client } from '../../clients/client-store.ts'
import { mayExchangeTokens } from '../../clients/exchange/exchange-grant.ts'
import { lines } from '../terminal.ts'

export const secretNote = 'This secret is shown once: keep it now. Only a digest of it is stored.'

export const clientState = (client: Client): string =>
  client.disabledAt ? 'disabled' : client.isBuiltIn ? 'built-in' : 'active'

export function clientJson(client: Client, clientSecret?: string): object {
  const { metadata } = client
  return {
    client_id: client.clientId,
    // RFC 7591 section 3.2.1: 0 means that it does not expire.
    ...(clientSecret && { client_secret: clientSecret, client_secret_expires_at: 0 }),
    client_id_issued_at: Math.floor(client.createdAt.getTime() / 1000),
    client_name: client.name,
    type: client.kind,
    redirect_uris: [],
    post_logout_redirect_uris: [],
    ...metadata,
    scope: [...new Set(Object.values(client.apis).flat())].join(' '),
    apis: Object.entries(client.apis).map(([audience, scopes]) => ({ audience, scope: scopes.join(' ') })),
    first_party: client.isFirstParty,
    require_pkce: client.requiresPkce,
    second_factor: client.secondFactor ?? null,
    token_exchange: mayExchangeTokens(client),
    dynamically_registered: client.isDynamicallyRegistered,
    built_in: client.isBuiltIn,
    disabled: client.disabledAt !== undefined,
    created_at: client.createdAt.toISOString(),
    updated_at: client.updatedAt.toISOString(),
  }
}

export function clientText(client: Client, clientSecret?: string): string {
  const { metadata } = client
  const isMachine = client.kind === 'machine'
  return lines({
    client_id: client.clientId,
    client_secret: clientSecret,
    name: client.name,
    type: client.kind,
    state: clientState(client),
    redirect_uris: metadata.redirect_uris,
    post_logout_redirect_uris: metadata.post_logout_redirect_uris,
    grant_types: metadata.grant_types?.join(' '),
    'auth method': metadata.token_endpoint_auth_method,
    'may get tokens for': Object.entries(client.apis).map(([audience, scopes]) => `${audience}  ${scopes.join(' ')}`),
    'first party': isMachine ? undefined : client.isFirstParty,
    'second factor': isMachine ? undefined : (client.secondFactor ?? 'as the deployment has it'),
    PKCE: isMachine ? undefined : client.requiresPkce ? 'required' : 'not required (must send a nonce)',
  })
}
